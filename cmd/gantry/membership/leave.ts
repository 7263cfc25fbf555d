import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { EndpointSliceKind } from '#api/kinds/endpoint-slice.ts';
import { NodeKind } from '#api/kinds/node.ts';
import { PodKind } from '#api/kinds/pod.ts';
import { drainOf } from '#api/semantics/availability.ts';
import type { Client } from '#client/contract.ts';
import { restClient } from '#client/rest.ts';
import { type Clock, sleep, systemClock } from '#machinery/clock.ts';
import { isStatus, messageOf } from '#machinery/errors.ts';
import { systemFiles } from '#machinery/files.ts';
import { silentLogger } from '#machinery/log.ts';
import { alternativeNamesOf } from '#machinery/pki/certificate.ts';
import { hostPort } from '#machinery/values/host-port.ts';
import { version } from '../assets.ts';
import type { ServerDoors } from '../connection/servers.ts';
import { uninstallUnitOf } from '../machine/install.ts';
import { endLeftRoles, isInUse, pidFileOf, runningPid } from '../machine/processes.ts';
import { removeInstance } from '../machine/purge.ts';
import { stopSignal } from '../machine/stop.ts';
import { type Paths, pathsOf } from '../paths.ts';
import { progressLine } from '../progress.ts';
import { drain } from './drain.ts';
import { type LeaveSteps, leaveInOrder, type Standing } from './leave-steps.ts';
import { type Membership, membershipOf, openDoors } from './membership.ts';
import { askRemoval } from './removal.ts';

export interface LeaveFlags {
  dataDir: string;
  nodeName: string;
  drain: boolean;
  force?: boolean;
  /** Seconds. */
  gracePeriod?: number;
  /** Milliseconds; 0 = as long as it takes. */
  timeout: number;
  purge?: boolean;
  /** Of the unit that runs it, if any. */
  unit: string;
  unitDir: string;
  output?: string;
}

/** How long the roles may take to end: each has its own limit, after which it is killed. */
const STOP_MS = 60_000;
/** How long servers may be away while one of them takes over. */
const AWAY_MS = 30_000;
const LOOK_EVERY_MS = 200;

interface Scene {
  paths: Paths;
  machine: Membership;
  flags: LeaveFlags;
  client: Client;
  doors: ServerDoors;
  clock: Clock;
}

/** `gantry leave`: this machine is no part of its cluster any more. */
export async function leave(flags: LeaveFlags): Promise<number> {
  if (process.getuid?.() !== 0) throw new Error('containers need root: use sudo');
  const paths = pathsOf(flags.dataDir);
  const files = systemFiles();
  const machine = await membershipOf(files, paths, flags.nodeName);
  if (!machine) {
    process.stdout.write(`${paths.root} is in no cluster\n`);
    return 0;
  }
  const clock = systemClock;
  const doors = await openDoors(files, paths, machine, clock);
  const client = restClient({ transport: doors.any, clock, userAgent: `gantry/${version}` });
  const { role, nodeName } = machine;
  const order = { role, nodeName, drain: flags.drain, force: flags.force ?? false };
  try {
    const steps = stepsOf({ paths, machine, flags, client, doors, clock });
    const { told } = await leaveInOrder(order, steps, (text) => process.stderr.write(`${text}\n`));
    const facts = { node: nodeName, role, told, purged: flags.purge ?? false };
    process.stdout.write(flags.output === 'json' ? `${JSON.stringify(facts)}\n` : textOf(facts, paths));
    return 0;
  } finally {
    doors.close();
  }
}

function textOf(
  { node, told, purged }: { node: string; told: boolean; purged: boolean },
  { root }: Paths,
): string {
  const rest =
    purged || !existsSync(root) ? '' : `; its images are still in ${root} ("gantry purge" removes them)`;
  const untold = told ? '' : `; the cluster was not told: "gantry node rm --force ${node}" there`;
  return `${node} has left the cluster${untold}${rest}\n`;
}

function stepsOf(scene: Scene): LeaveSteps {
  const { paths, machine, flags, client, doors, clock } = scene;
  const { nodeName, role } = machine;
  return {
    standing: () => standingOf(client, nodeName),
    async otherServers() {
      const others = await otherServersOf(paths, client);
      // By these it is heard once its own server has gone.
      if (others.length > 0) await doors.learn(others);
      return others.length;
    },
    drain: () => drainHere(scene),
    async leaveStore() {
      const { leaveEtcd } = await import('../managed-etcd/leave.ts');
      await leaveEtcd(paths, undefined, { clock, signal: stopSignal() });
    },
    async stop() {
      uninstallUnitOf(paths.root, { name: flags.unit, unitDir: flags.unitDir });
      await stopRoles(paths, clock);
    },
    // Its own server has stopped: who says that it is at work has not noticed yet.
    remove: () =>
      patiently(clock, async () => void (await askRemoval(doors.any, nodeName, role === 'server'))),
    clear: async () => void (await removeInstance(paths, !flags.purge)),
  };
}

async function standingOf(client: Client, name: string): Promise<Standing> {
  try {
    await client.get(NodeKind, { name });
    return { is: 'member' };
  } catch (error) {
    if (isStatus(error, 'Unauthorized')) return { is: 'removed' };
    if (isStatus(error, 'NotFound')) return { is: 'member' };
    return { is: 'away', reason: messageOf(error) };
  }
}

/** URLs of servers at work that are not of this machine: its own certificate names its addresses. */
export async function otherServersOf({ pki }: Paths, client: Client): Promise<string[]> {
  const certificate = await systemFiles().read(join(pki, 'server.crt'));
  const own = new Set(certificate ? alternativeNamesOf(Buffer.from(certificate).toString()) : []);
  const slice = await client.get(EndpointSliceKind, { name: 'kubernetes', namespace: 'default' });
  const port = slice.ports?.[0]?.port ?? 6443;
  const addresses = (slice.endpoints ?? []).flatMap((endpoint) => endpoint.addresses);
  return addresses.filter((one) => !own.has(one)).map((one) => `https://${hostPort(one, port)}`);
}

async function drainHere({ paths, machine, flags, client, clock }: Scene): Promise<void> {
  const { nodeName: node } = machine;
  const options = {
    ...(flags.force && { force: true }),
    ...(flags.gracePeriod !== undefined && { gracePeriodSeconds: flags.gracePeriod }),
  };
  const { items } = await client.list(PodKind, { fieldSelector: `spec.nodeName=${node}` });
  const leaving = items.filter((pod) => drainOf(pod, options) !== 'stays');
  // Nothing to wait for; a machine that never registered has no Node to be drained.
  if (leaving.length === 0) return;
  if (!isInUse(paths))
    throw new Error(
      `${leaving.length} pods of ${node} can only end while it runs: start it again, or leave with --no-drain`,
    );
  const line = progressLine();
  try {
    await drain({ node, timeoutMs: flags.timeout, ...options }, { client, clock, show: line.show });
  } finally {
    line.end();
  }
}

/** Ends the `gantry up` or `gantry join` of the instance, and what it started. */
async function stopRoles(paths: Paths, clock: Clock): Promise<void> {
  const pid = runningPid(pidFileOf(paths.run), paths.root);
  if (pid !== undefined) {
    process.kill(pid, 'SIGTERM');
    const endMs = clock.monotonic() + STOP_MS;
    while (existsSync(`/proc/${pid}`) && runningPid(pidFileOf(paths.run), paths.root) === pid) {
      if (clock.monotonic() > endMs)
        throw new Error(`process ${pid} does not end: run "gantry leave" again when it has`);
      await sleep(clock, LOOK_EVERY_MS);
    }
  }
  await endLeftRoles(paths.root, clock, silentLogger);
}

/** Tries again while nobody answers, for a time. */
async function patiently(clock: Clock, act: () => Promise<void>): Promise<void> {
  for (const endMs = clock.monotonic() + AWAY_MS; ; await sleep(clock, LOOK_EVERY_MS)) {
    try {
      return await act();
    } catch (error) {
      if (!isStatus(error, 'ServiceUnavailable') || clock.monotonic() > endMs) throw error;
    }
  }
}
