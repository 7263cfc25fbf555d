import { execFile } from 'node:child_process';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { hostPort } from '#machinery/values/host-port.ts';
import type { Paths } from '../paths.ts';
import { etcdDataPath, type MemberRecord } from './record.ts';

/** etcd as a program of this machine: which it is, and how it is started. */

/** The program is missing, too old, or cannot have its ports: starting again changes nothing. */
export class EtcdProgramError extends Error {
  override readonly name = 'EtcdProgramError';
}

/** How etcd listens on a machine. */
export interface EtcdPlace {
  paths: Paths;
  advertiseAddress: string;
  etcdClientPort: number;
  etcdPeerPort: number;
}

/** Where others reach the member of a machine. */
export function urlsOf({ advertiseAddress, etcdClientPort, etcdPeerPort }: Omit<EtcdPlace, 'paths'>) {
  return {
    clientUrl: `https://${hostPort(advertiseAddress, etcdClientPort)}`,
    peerUrl: `https://${hostPort(advertiseAddress, etcdPeerPort)}`,
  };
}

/** Where the server of the same machine reaches it, whatever address the machine has. */
export function localEndpoint({ etcdClientPort }: Pick<EtcdPlace, 'etcdClientPort'>): string {
  return `127.0.0.1:${etcdClientPort}`;
}

const PROBE_MS = 10_000;
const LEAST_MINOR = 4;

/** The version of the `etcd` on PATH: `3.4.23`. Throws EtcdProgramError when there is none that will do: learners came with 3.4. */
export async function probeEtcd(program = 'etcd'): Promise<string> {
  const { stdout } = await promisify(execFile)(program, ['--version'], { timeout: PROBE_MS }).catch(
    (error: NodeJS.ErrnoException) => {
      throw new EtcdProgramError(
        error.code === 'ENOENT'
          ? `the program ${program} is not installed: on Debian it is in the package etcd-server (then: systemctl disable --now etcd)`
          : `${program} --version fails: ${error.message}`,
      );
    },
  );
  const [, version, major, minor] = /etcd Version: ((\d+)\.(\d+)\.\S+)/.exec(stdout) ?? [];
  if (!version || Number(major) !== 3 || Number(minor) < LEAST_MINOR)
    throw new EtcdProgramError(
      `${program} is ${version ?? 'of an unknown version'}: 3.${LEAST_MINOR} or a later 3 is needed`,
    );
  return version;
}

/** Throws EtcdProgramError when another program has one of the ports. */
export async function claimPorts(place: EtcdPlace): Promise<void> {
  const { advertiseAddress, etcdClientPort, etcdPeerPort } = place;
  for (const [host, port, flag] of [
    ['127.0.0.1', etcdClientPort, '--etcd-client-port'],
    [advertiseAddress, etcdClientPort, '--etcd-client-port'],
    [advertiseAddress, etcdPeerPort, '--etcd-peer-port'],
  ] as const) {
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server
        .once('error', reject)
        .listen({ host, port, exclusive: true }, () => server.close(() => resolve()));
    }).catch((error: NodeJS.ErrnoException) => {
      throw new EtcdProgramError(
        `etcd cannot listen at ${hostPort(host, port)} (${error.code}): stop what does (an etcd of the system: systemctl disable --now etcd), or name another ${flag}`,
      );
    });
  }
}

/** Names of files in `pki`, without their ends. */
export const ETCD_FILES = { ca: 'etcd-ca', server: 'etcd-server', peer: 'etcd-peer', client: 'etcd-client' };

export interface EtcdProcess extends EtcdPlace {
  member: MemberRecord;
  /** Of the program. */
  version: string;
}

/** How a member listened when it ran last. */
export function placeOf({ clientUrl, peerUrl }: MemberRecord, paths: Paths): EtcdPlace {
  const [client, peer] = [new URL(clientUrl), new URL(peerUrl)];
  return {
    paths,
    advertiseAddress: client.hostname.replace(/[[\]]/g, ''),
    etcdClientPort: Number(client.port),
    etcdPeerPort: Number(peer.port),
  };
}

/** The arguments of a member. Certificates are read again by etcd at each handshake, so that new ones are taken up without a restart. */
export function etcdArguments({ paths, member, version, ...place }: EtcdProcess): string[] {
  const { clientUrl, peerUrl } = urlsOf(place);
  const pki = (name: string) => join(paths.pki, name);
  const local = `https://${localEndpoint(place)}`;
  return [
    ['--data-dir', etcdDataPath(paths)],
    ['--name', member.name],
    ['--listen-client-urls', [...new Set([local, clientUrl])].join()],
    ['--advertise-client-urls', clientUrl],
    ['--listen-peer-urls', peerUrl],
    ['--initial-advertise-peer-urls', member.peerUrl],
    ['--initial-cluster', member.initialCluster],
    ['--initial-cluster-state', member.existing ? 'existing' : 'new'],
    ...tls('', pki(ETCD_FILES.server), pki(ETCD_FILES.ca)),
    ...tls('peer-', pki(ETCD_FILES.peer), pki(ETCD_FILES.ca)),
    ['--quota-backend-bytes', String(member.quotaBytes)],
    ['--logger', 'zap', '--log-outputs', 'stderr', '--log-level', 'warn'],
    // One that was cut off does not force an election when it is back. The default from 3.5 on.
    ...(version.startsWith('3.4.') ? [['--pre-vote']] : []),
  ].flat();
}

function tls(prefix: string, pair: string, ca: string): string[][] {
  return [
    [`--${prefix}cert-file`, `${pair}.crt`],
    [`--${prefix}key-file`, `${pair}.key`],
    [`--${prefix}client-cert-auth`],
    [`--${prefix}trusted-ca-file`, `${ca}.crt`],
  ];
}
