import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Clock, every } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import { systemFiles } from '#machinery/files.ts';
import type { Logger } from '#machinery/log.ts';
import { CERTIFICATE_LIFETIME_MS, type PkiDirectory, pkiDirectory } from '#machinery/pki/directory.ts';
import { systemRandom } from '#machinery/random.ts';
import type { Credentials } from '#store/etcd/connection.ts';
import type { Paths } from '../paths.ts';
import { ETCD_FILES } from './program.ts';

/**
 * etcd has an authority of its own, which every server holds: nobody else's certificate opens it. Members show each other `etcd-peer`,
 * clients see `etcd-server`, and the servers of the cluster come with `etcd-client`.
 */

/** In every member's certificate: clients check names, and members are reached by their addresses. */
const SERVER_NAME = 'gantry-etcd';

function directoryOf(paths: Pick<Paths, 'pki'>, clock: Clock): PkiDirectory {
  return pkiDirectory(paths.pki, { files: systemFiles(), clock, random: systemRandom });
}

export interface MemberPki {
  paths: Pick<Paths, 'pki'>;
  advertiseAddress: string;
  /** Of certificates that are made, in ms. */
  certificateLifetime?: number;
}

/** Makes what is missing or near its end of the member's certificates, and the authority itself on the first server. */
export async function prepareMemberPki(
  { paths, advertiseAddress, certificateLifetime: lifetimeMs = CERTIFICATE_LIFETIME_MS }: MemberPki,
  clock: Clock,
): Promise<void> {
  const directory = directoryOf(paths, clock);
  await directory.authority(ETCD_FILES.ca, 'gantry-etcd-ca');
  const order = (commonName: string) => ({
    subject: { commonName },
    // Each side of a connection between members is a client of the other, and etcd's gateway is one of its own server.
    usages: ['server', 'client'] as ('server' | 'client')[],
    subjectAlternativeNames: [SERVER_NAME, 'localhost', '127.0.0.1', advertiseAddress],
    lifetimeMs,
  });
  await directory.certificate(ETCD_FILES.server, ETCD_FILES.ca, order('etcd-server'));
  await directory.certificate(ETCD_FILES.peer, ETCD_FILES.ca, order('etcd-peer'));
  await directory.certificate(ETCD_FILES.client, ETCD_FILES.ca, {
    subject: { commonName: 'gantry-server' },
    usages: ['client'],
    lifetimeMs,
  });
}

const LONGEST_PAUSE_MS = 3_600_000;
/** They are made anew when a third of their life is left. */
const LOOKS_IN_A_LIFE = 20;

/** Renews the member's certificates until the signal aborts; etcd reads them at each handshake. */
export function keepMemberPki(
  member: MemberPki & { certificateLifetime: number },
  { clock, log, signal }: { clock: Clock; log: Logger; signal: AbortSignal },
): void {
  const pauseMs = Math.min(member.certificateLifetime / LOOKS_IN_A_LIFE, LONGEST_PAUSE_MS);
  every(clock, pauseMs, signal, () =>
    prepareMemberPki(member, clock).catch((error: unknown) =>
      log.warn('The certificates of etcd could not be renewed', { error: messageOf(error) }),
    ),
  );
}

/** What a server of this data directory shows to etcd, and whom it believes. */
export function etcdCredentials({ pki }: Pick<Paths, 'pki'>): Credentials {
  const read = (name: string) => readFileSync(join(pki, name));
  return {
    ca: read(`${ETCD_FILES.ca}.crt`),
    certificate: read(`${ETCD_FILES.client}.crt`),
    key: read(`${ETCD_FILES.client}.key`),
    serverName: SERVER_NAME,
  };
}
