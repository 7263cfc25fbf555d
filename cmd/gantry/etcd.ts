import { systemClock } from '#machinery/clock.ts';
import { systemFiles } from '#machinery/files.ts';
import type { ConnectionOptions } from '#store/etcd/connection.ts';
import {
  defragment,
  disarmNoSpace,
  etcdStatus,
  forgetHistory,
  inDefragmentOrder,
  type MemberFault,
  type MemberStatus,
} from '#store/etcd/maintenance.ts';
import { memberApi } from '#store/etcd/members.ts';
import { stopSignal } from './machine/stop.ts';
import { managedAccess } from './managed-etcd/access.ts';
import { removeMember } from './managed-etcd/membership.ts';
import { memberText } from './managed-etcd/quorum.ts';
import type { EtcdFlags } from './options.ts';
import { pathsOf } from './paths.ts';
import { etcdAccess } from './state/store.ts';
import type { StoreChoice } from './state/store-choice.ts';
import { formatBytes, formatTable } from './table.ts';

export interface EtcdCommandFlags extends EtcdFlags {
  store?: StoreChoice;
  dataDir: string;
  output?: string;
}

export interface DefragFlags extends EtcdCommandFlags {
  compact?: boolean;
  disarm?: boolean;
}

/** Kept by `--compact`: servers that lag behind a little go on. */
const KEEP_REVISIONS = 1_000;

/** `gantry etcd status`: a line for each endpoint; 1 when one of them does not answer or has an alarm. */
export async function status(flags: EtcdCommandFlags): Promise<number> {
  const members = await etcdStatus(await connectionOf(flags));
  if (flags.output === 'json') process.stdout.write(`${JSON.stringify(members, null, 2)}\n`);
  else process.stdout.write(formatTable([HEAD, ...members.map(row)]) + faultsText(members));
  return members.some((member) => 'fault' in member || member.alarms.length > 0) ? 1 : 0;
}

const HEAD = ['ENDPOINT', 'VERSION', 'LEADER', 'REVISION', 'SIZE', 'IN USE', 'ALARMS'];

function row(member: MemberStatus | MemberFault): string[] {
  if ('fault' in member) return [member.endpoint, '-', '-', '-', '-', '-', 'no answer'];
  const { endpoint, version, isLeader, revision, sizeBytes, usedBytes, alarms } = member;
  return [
    endpoint,
    version,
    isLeader ? 'yes' : 'no',
    String(revision),
    formatBytes(sizeBytes),
    formatBytes(usedBytes),
    alarms.join(',') || 'none',
  ];
}

/** Why members do not answer, once where it is the same for several. */
function faultsText(members: readonly (MemberStatus | MemberFault)[]): string {
  const faults = members.flatMap((member) => ('fault' in member ? [member.fault] : []));
  return [...new Set(faults)].map((fault) => `\n${fault}\n`).join('');
}

/** `gantry etcd defrag`: one member after the other, the leader last; stops at the first that cannot be. */
export async function defrag(flags: DefragFlags): Promise<number> {
  const options = await connectionOf(flags);
  const told = flags.output === 'json' ? () => {} : (line: string) => process.stderr.write(`${line}\n`);
  const members = await etcdStatus(options);
  for (const member of members)
    if ('fault' in member)
      throw new Error(
        `${member.endpoint} does not answer, and a cluster with a member away must not lose another: ${member.fault}`,
      );
  if (flags.compact)
    told(`history before revision ${await forgetHistory(options, KEEP_REVISIONS)} is forgotten`);
  const done: { endpoint: string; beforeBytes: number; afterBytes: number }[] = [];
  for (const { endpoint, sizeBytes } of inDefragmentOrder(members as MemberStatus[])) {
    told(`${endpoint}: ${formatBytes(sizeBytes)}, it answers nobody meanwhile`);
    const after = await defragment(options, endpoint);
    told(`${endpoint}: ${formatBytes(after.sizeBytes)}`);
    done.push({ endpoint, beforeBytes: sizeBytes, afterBytes: after.sizeBytes });
  }
  if (flags.disarm) {
    await disarmNoSpace(options);
    told('etcd takes writes again');
  }
  if (flags.output === 'json') process.stdout.write(`${JSON.stringify(done, null, 2)}\n`);
  return 0;
}

/** `gantry etcd remove MEMBER`: takes a member out, also one that is gone; refused where the others could not go on without it. */
export async function remove(who: string, flags: EtcdCommandFlags): Promise<number> {
  const cluster = memberApi(await connectionOf(flags));
  try {
    const deps = { cluster, clock: systemClock, signal: stopSignal() };
    const removed = await removeMember(who, deps);
    process.stdout.write(
      flags.output === 'json' ? `${JSON.stringify(removed)}\n` : `removed ${memberText(removed)}\n`,
    );
    return 0;
  } finally {
    cluster.close();
  }
}

/** The etcd that `--store` names, or else the one that the servers of this cluster run. */
async function connectionOf(flags: EtcdCommandFlags): Promise<ConnectionOptions> {
  const { store } = flags;
  if (store?.kind === 'etcd')
    return { ...etcdAccess(flags, store.endpoints), clock: systemClock, retryMs: RETRY_MS };
  if (store?.kind === 'sqlite') throw new Error('--store names no etcd: write it as etcd://host:port,...');
  const paths = pathsOf(flags.dataDir);
  const access = await managedAccess(paths, { files: systemFiles(), clock: systemClock });
  if (!access)
    throw new Error(
      `no etcd of its own belongs to ${paths.root}: name it with --store etcd://host:port,..., or another --data-dir`,
    );
  return { ...access, retryMs: RETRY_MS };
}

/** People wait. */
const RETRY_MS = 5_000;
