import { pauseHost, signalHost } from '#test/harness/host-processes.ts';
import type { Lab } from '#test/harness/lab.ts';
import type { Machine } from './machine.ts';
import type { Fault, Role } from './schedule.ts';

/** What faults are done to. */
export interface Target {
  lab: Lab;
  /** By `h1`, `h2`, ... */
  machines: ReadonlyMap<string, Machine>;
  /** Begins to replace all pods of a Deployment; whether the API takes it does not matter. */
  rollout(): Promise<void>;
}

/** Ends a fault. */
type End = () => Promise<void> | void;

const NOTHING: End = () => {};

type Actions = {
  [K in Fault['kind']]: (fault: Extract<Fault, { kind: K }>, target: Target) => Promise<End> | End;
};

const ACTIONS: Actions = {
  kill({ host, role }, target) {
    signal(machineOf(target, host), role, 'SIGKILL');
    return NOTHING;
  },
  freeze({ host, role }, target) {
    const machine = machineOf(target, host);
    const pids = signal(machine, role, 'SIGSTOP');
    return () => {
      for (const pid of pids) signalPid(pid, 'SIGCONT');
    };
  },
  async pause({ host }, target) {
    const { host: paused } = machineOf(target, host);
    await pauseHost(paused.name);
    return () => void signalHost(paused.name, 'SIGCONT');
  },
  async power({ host }, target) {
    const machine = machineOf(target, host);
    await machine.powerOff();
    return () => machine.start();
  },
  async unplug({ host }, target) {
    const { host: unplugged } = machineOf(target, host);
    await target.lab.cut(unplugged);
    return () => target.lab.cut(unplugged, false);
  },
  cut: ({ host, other, oneWay }, target) => between(target, [[host, other]], oneWay),
  partition({ sides }, target) {
    const pairs = sides.flatMap((side, at) =>
      sides.slice(at + 1).flatMap((far) => side.flatMap((one) => far.map((other) => [one, other] as const))),
    );
    return between(target, pairs, false);
  },
  async lossy({ host, percent }, target) {
    const { host: sender } = machineOf(target, host);
    await target.lab.fault(sender, undefined, { kind: 'lossy', percent });
    return () => target.lab.heal(sender, undefined, ['lossy']);
  },
  async delay({ delayMs, jitterMs }, { lab, machines }) {
    const hosts = [...machines.values()].map(({ host }) => host);
    for (const host of hosts) await lab.fault(host, undefined, { kind: 'delay', delayMs, jitterMs });
    return async () => {
      for (const host of hosts) await lab.heal(host, undefined, ['delay']);
    };
  },
  async fill({ host }, target) {
    const { space } = machineOf(target, host);
    await space.fill();
    return () => space.free();
  },
  async rollout(_, target) {
    await target.rollout();
    return NOTHING;
  },
};

/** Does it; resolves with how it ends. */
export async function apply(fault: Fault, target: Target): Promise<End> {
  return await (ACTIONS[fault.kind] as (fault: Fault, target: Target) => Promise<End> | End)(fault, target);
}

async function between(
  { lab, machines }: Target,
  pairs: readonly (readonly [string, string])[],
  oneWay: boolean,
): Promise<End> {
  const hosts = pairs.flatMap(([one, other]) => {
    const [from, to] = [machines.get(one)!.host, machines.get(other)!.host];
    return oneWay ? [[from, to] as const] : [[from, to] as const, [to, from] as const];
  });
  for (const [from, to] of hosts) await lab.fault(from, to, { kind: 'cut' });
  return async () => {
    for (const [from, to] of hosts) await lab.heal(from, to, ['cut']);
  };
}

/** Of a machine with several pods one monitor: the first. */
function signal(machine: Machine, role: Role, name: NodeJS.Signals): number[] {
  const pids = machine.pids(role).slice(0, role === 'monitor' ? 1 : undefined);
  for (const pid of pids) signalPid(pid, name);
  return pids;
}

function signalPid(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    // It has ended by itself.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function machineOf({ machines }: Target, name: string): Machine {
  return machines.get(name)!;
}
