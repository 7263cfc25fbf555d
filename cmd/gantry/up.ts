import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { systemClock } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import { systemFiles } from '#machinery/files.ts';
import { type Logger, textLogger } from '#machinery/log.ts';
import { mainProgram, root as ownProgram } from './assets.ts';
import { serverUrl } from './certificates/pki.ts';
import { keptControlPlane } from './control-plane.ts';
import { makePrivate } from './machine/memory-dir.ts';
import { keepWatched } from './machine/notify.ts';
import { WITHOUT_OPTIMIZER } from './machine/optimizer.ts';
import { endLeftRoles, pidFileOf, runningPid } from './machine/processes.ts';
import { EXIT_ANEW, EXIT_FINAL, type Role, supervise } from './machine/supervise.ts';
import { OtherStoreError } from './managed-etcd/choice.ts';
import { EtcdProgramError } from './managed-etcd/program.ts';
import { EtcdDataLostError, etcdRole, memberHere } from './managed-etcd/role.ts';
import type { ServerEntry } from './membership/join-server.ts';
import { readJoined } from './membership/joined.ts';
import { evictionSettings } from './options/resource-options.ts';
import { shutdownTimes } from './options/shutdown-options.ts';
import {
  type AgentSettings,
  agentArguments,
  type Place,
  type Settings,
  settle,
  toArguments,
  type UpFlags,
} from './options.ts';
import { inCharge, PromotedStoreError } from './state/store-record.ts';
import {
  becomeProgram,
  fallBack,
  HANDOVER_SIGNAL,
  type HandoverDeps,
  handOver,
} from './upgrade/supervisor.ts';
import { clusterFault, linkOf } from './virtual-address/address.ts';

/** `gantry up`: the server and the agent of this machine, in the foreground, until SIGTERM or SIGINT. */
export async function up(flags: UpFlags): Promise<number> {
  if (flags.agent && process.getuid?.() !== 0) {
    process.stderr.write('gantry: containers need root: use sudo, or --no-agent for the server alone\n');
    return EXIT_FINAL;
  }
  if (flags.etcd && flags.store.kind !== 'managed-etcd') {
    process.stderr.write(`gantry: --etcd ${flags.etcd} and --store name two different stores\n`);
    return EXIT_FINAL;
  }
  const settings: Settings = settle(flags);
  const fault = virtualAddressFault(settings);
  if (fault) {
    process.stderr.write(`gantry: ${fault}\n`);
    return EXIT_FINAL;
  }
  const log = textLogger((line) => process.stderr.write(line), settings.logLevel, systemClock, {
    part: 'up',
  });
  return await superviseHere(settings, log, async () => {
    const files = systemFiles();
    const joined = await readJoined(files, settings.paths);
    if (joined)
      throw new Error(`this machine is a node of ${joined.server}: use "gantry join", or purge it first`);
    if (await keptControlPlane(files, settings.paths))
      throw new Error(`this machine joined a cluster as a server: use "gantry join", or purge it first`);
    const { store } = await inCharge(settings);
    if (store.kind !== 'managed-etcd') return await serverRoles({ settings }, log);
    const member = await memberHere(settings, files);
    return await serverRoles({ settings: { ...settings, store }, member }, log);
  });
}

/** Why this machine cannot have its virtual addresses; undefined when it can. */
function virtualAddressFault(settings: Settings): string | undefined {
  const { virtualAddress, instance } = settings;
  if (virtualAddress.length > 0 && !settings.agent)
    return "a virtual address is set by the agent's programs: not with --no-agent";
  const places = virtualAddress.map((one) => linkOf(one, networkInterfaces(), `g${instance}`));
  return clusterFault(settings) ?? places.flatMap((place) => ('why' in place ? [place.why] : []))[0];
}

/** Starting again changes nothing: somebody has to do something first. */
const FINAL = [PromotedStoreError, OtherStoreError, EtcdProgramError, EtcdDataLostError];

/**
 * Runs the roles of this machine, the only ones of the data directory, until SIGTERM or SIGINT; `rolesOf` prepares them. At SIGUSR2 they
 * stop, and this process becomes the program that `gantry upgrade` has put there.
 */
export async function superviseHere(
  { paths, instance, nodeName }: Place & { nodeName: string },
  log: Logger,
  rolesOf: (signal: AbortSignal) => Promise<Role[]>,
): Promise<number> {
  const { root, run } = paths;
  const pidFile = pidFileOf(run);
  makePrivate(run);
  const other = runningPid(pidFile, root);
  if (other !== undefined) {
    process.stderr.write(`gantry: ${root} is in use by process ${other}; stop it first\n`);
    return EXIT_FINAL;
  }
  const stop = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, () => stop.abort());
  const asked: Asked = { stop: stop.signal, next: new AbortController() };
  process.on(HANDOVER_SIGNAL, () => asked.next.abort());
  // A file that is there was left by an end without a stop: its roles may still be on their way out.
  if (existsSync(pidFile)) await endLeftRoles(root, systemClock, log);
  writeFileSync(pidFile, `${process.pid}\n`);
  log.info('Starting', { dataDir: root, instance, node: nodeName });
  keepWatched(systemClock, log, stop.signal);
  // Timers of the clock do not keep a process alive; a supervisor between two starts must be.
  const hold = setInterval(() => {}, 2 ** 30);
  const become = (program: string) => becomeProgram(program, ownProgram);
  const deps: HandoverDeps = { files: systemFiles(), log, own: ownProgram, become };
  try {
    const code = await superviseUntil(asked, { root }, deps, rolesOf);
    if (code === EXIT_FINAL && !stop.signal.aborted)
      await fallBack(paths, 'a role has ended for good; the log says why', deps);
    return code;
  } catch (error) {
    if (stop.signal.aborted) return 0;
    await fallBack(paths, messageOf(error), deps);
    if (!FINAL.some((kind) => error instanceof kind)) throw error;
    process.stderr.write(`gantry: ${messageOf(error)}\n`);
    return EXIT_FINAL;
  } finally {
    clearInterval(hold);
    rmSync(pidFile, { force: true });
  }
}

/** What a supervisor is asked to do: to end, or to become another program, as often as that fails. */
interface Asked {
  stop: AbortSignal;
  next: AbortController;
}

async function superviseUntil(
  asked: Asked,
  paths: { root: string },
  deps: HandoverDeps,
  rolesOf: (signal: AbortSignal) => Promise<Role[]>,
): Promise<number> {
  for (;;) {
    const signal = AbortSignal.any([asked.stop, asked.next.signal]);
    const code = await rolesOf(signal)
      .then((roles) => supervise(roles, { clock: systemClock, log: deps.log, signal }))
      .catch((error: unknown) => {
        if (!asked.next.signal.aborted) throw error;
        return 0;
      });
    if (asked.stop.aborted) return code === EXIT_ANEW ? 0 : code;
    if (asked.next.signal.aborted) {
      asked.next = new AbortController();
      await handOver(paths, deps).catch((error) => {
        deps.log.error('The other program cannot be run: this one goes on', { error: messageOf(error) });
      });
    } else if (code === EXIT_ANEW) deps.log.info('The roles of this machine are others now');
    else return code;
  }
}

/** The server trades memory for throughput: small young spaces, but all of the optimizer. */
const SERVER_FLAGS = ['--max-semi-space-size=4'];

/** The agent's work is waiting; less memory is worth more there than speed. */
const AGENT_FLAGS = ['--max-semi-space-size=2', '--optimize-for-size', ...WITHOUT_OPTIMIZER];

/** Of malloc, mallopt(3): no arenas for threads, and what is freed goes back to the kernel; 2 MB together. */
const AGENT_ENVIRONMENT = { MALLOC_ARENA_MAX: '1', MALLOC_TRIM_THRESHOLD_: '131072' };

function roleOf(name: string, flags: string[], args: string[]): Role {
  const node = [process.execPath, '--disable-warning=ExperimentalWarning', ...flags] as const;
  return { name, command: [...node, mainProgram, name, ...args] };
}

/** The agent of this machine as a process. */
export function agentRole(settings: AgentSettings, findsAddress = false): Role {
  const role = roleOf('agent', AGENT_FLAGS, agentArguments(settings, findsAddress));
  const { regularMs, criticalMs } = shutdownTimes(settings);
  // Said here, once: an agent that cannot start would be started again and again.
  evictionSettings(settings);
  return { ...role, environment: AGENT_ENVIRONMENT, stopDelayMs: regularMs + criticalMs };
}

/** The member of etcd where there is one, the server, and unless it is not wanted the agent. */
export async function serverRoles({ settings, member, complete }: ServerEntry, log: Logger): Promise<Role[]> {
  const roles: Role[] = member ? [await etcdRole(settings, member, { clock: systemClock, log })] : [];
  roles.push({
    ...roleOf('server', SERVER_FLAGS, toArguments(settings)),
    stopDelayMs: settings.shutdownDelayDuration,
    ...(complete && { before: complete }),
  });
  if (settings.agent) roles.push(agentRole({ ...settings, server: serverUrl(settings) }));
  return roles;
}
