import { readdirSync, readFileSync } from 'node:fs';
import type { ContainerSpec, SandboxSpec } from '../contract.ts';
import type { NativeRuntime } from './index.ts';
import { Peer } from './peer.ts';
import { StateDirectory } from './state.ts';
import { unlessGone } from './sweep.ts';

/** For tests: the steps by which a pod comes and goes, to kill something at each of them. */

const RECORDS = ['save', 'saveContainer', 'removeContainer', 'remove'] as const;

/** Calls `at` before, during and after each request to helper or monitor and each change of the records; returns how to stop that. */
export function watchSteps(at: (step: string) => void): () => void {
  const undo: (() => void)[] = [];
  const wrap = (owner: object, method: string, name: (first: unknown) => string) => {
    const methods = owner as Record<string, (...values: unknown[]) => Promise<unknown>>;
    const original = methods[method]!;
    methods[method] = async function (...values) {
      at(`before ${name(values[0])}`);
      const done = original.apply(this, values);
      // Should `at` throw, nobody waits for it any more.
      done.catch(() => {});
      try {
        at(`during ${name(values[0])}`);
        return await done;
      } finally {
        at(`after ${name(values[0])}`);
      }
    };
    undo.push(() => {
      methods[method] = original;
    });
  };
  wrap(Peer.prototype, 'request', (op) => `request ${op}`);
  for (const method of RECORDS) wrap(StateDirectory.prototype, method, () => method);
  return () => {
    for (const step of undo) step();
  };
}

/** The whole life of a pod with one container; `failed` hears what was refused, and the rest is tried all the same. */
export async function livePod(
  runtime: NativeRuntime,
  sandbox: SandboxSpec,
  container: ContainerSpec,
  failed: (error: Error) => void,
): Promise<void> {
  for (const act of [
    () => runtime.createSandbox(sandbox),
    () => runtime.startContainer(sandbox.id, container),
    () => runtime.stopContainer(sandbox.id, container.id, 0),
    () => runtime.removeContainer(sandbox.id, container.id),
    () => runtime.removeSandbox(sandbox.id),
  ])
    await act().catch(failed);
}

/** Pids of the programs of a run directory: the helper, and monitors by the name of their socket. */
export function programsOf(runDirectory: string): {
  helper: number | undefined;
  monitors: Map<string, number>;
} {
  const helpers: number[] = [];
  const monitors = new Map<string, number>();
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const [program, directory, socket] = argumentsOf(pid);
    if (directory !== runDirectory) continue;
    if (program === 'gantry-monitor' && socket?.endsWith('.sock')) monitors.set(socket, Number(pid));
    else if (program?.endsWith('/helper')) helpers.push(Number(pid));
  }
  // A child of its own looks like it until it is executed.
  return { helper: helpers.find((pid) => !helpers.includes(parentOf(pid))), monitors };
}

/** Whether it was there to be killed: it may have ended since its pid was read. */
export function killNow(pid: number | undefined): boolean {
  return pid !== undefined && unlessGone(() => process.kill(pid, 'SIGKILL'));
}

function parentOf(pid: number): number {
  return Number(/^PPid:\s+(\d+)$/m.exec(textOf(`/proc/${pid}/status`))?.[1]);
}

function argumentsOf(pid: string): string[] {
  return textOf(`/proc/${pid}/cmdline`).split('\0');
}

/** Empty for a process that has just ended. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return '';
    throw error;
  }
}
