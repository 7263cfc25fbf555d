import type { Clock } from '#machinery/clock.ts';
import type { Files } from '#machinery/io.ts';
import type { Logger } from '#machinery/log.ts';
import type { Role } from '../machine/supervise.ts';
import { prepareMemberPki } from './pki.ts';
import { claimPorts, type EtcdPlace, etcdArguments, probeEtcd, urlsOf } from './program.ts';
import { etcdDataPath, hasEtcdData, type MemberRecord, readMember, writeMember } from './record.ts';

export interface ManagedEtcd extends EtcdPlace {
  nodeName: string;
  /** Of certificates that are made, in ms. */
  certificateLifetime: number;
  /** etcd's own limit for its database, in bytes; 0: its default. */
  etcdQuota: number;
}

/** The state that etcd held here is gone, and nobody else has it. */
export class EtcdDataLostError extends Error {
  override readonly name = 'EtcdDataLostError';
}

/** The role that runs a member on this machine. Throws EtcdProgramError. */
export async function etcdRole(
  settings: ManagedEtcd,
  member: MemberRecord,
  { clock, log }: { clock: Clock; log: Logger },
): Promise<Role> {
  const version = await claim(settings);
  await prepareMemberPki(settings, clock);
  log.info('etcd runs here', { version, member: member.name, peer: urlsOf(settings).peerUrl });
  const args = etcdArguments({ ...settings, member, version });
  return {
    name: 'etcd',
    command: commandOf(args),
    // It would tell systemd that the whole unit is up.
    environment: { NOTIFY_SOCKET: '' },
    ownSession: true,
    final: {
      codes: [0],
      why: 'this member was taken out of the cluster: purge this machine, then it can join again',
    },
  };
}

/** The version of the program, whose ports are free. Throws EtcdProgramError. */
export async function claim(place: EtcdPlace): Promise<string> {
  const version = await probeEtcd();
  await claimPorts(place);
  return version;
}

/** etcd does not notice when its supervisor dies: the kernel tells it. */
export function commandOf(args: readonly string[]): [string, ...string[]] {
  return ['setpriv', '--pdeathsig', 'TERM', 'etcd', ...args];
}

/** The member that a data directory holds, or the first one of a new cluster. Throws EtcdDataLostError, EtcdProgramError. */
export async function memberHere(settings: ManagedEtcd, files: Files): Promise<MemberRecord> {
  const { paths, nodeName, etcdQuota: quotaBytes } = settings;
  const { clientUrl, peerUrl } = urlsOf(settings);
  const found = await readMember(files, paths);
  if (found?.id !== undefined && !(await hasEtcdData(files, paths)))
    throw new EtcdDataLostError(
      `etcd's data is gone from ${etcdDataPath(paths)}, and this machine was its member ${found.name}: purge it and let it join again from another server, or restore a backup`,
    );
  // What cannot run must not leave a record, which would have it run from then on.
  if (!found) await claim(settings);
  const initialCluster = `${nodeName}=${peerUrl}`;
  const first = { name: nodeName, peerUrl, initialCluster, existing: false };
  // The address may be another than last time: peerUrl stays what the cluster was told, until it is told anew.
  const member = { ...(found ?? first), clientUrl, quotaBytes };
  await writeMember(files, paths, member);
  return member;
}
