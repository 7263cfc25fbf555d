import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { EndpointSliceKind } from '#api/kinds/endpoint-slice.ts';
import type { Client } from '#client/contract.ts';
import type { Clock } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import { hostPort } from '#machinery/values/host-port.ts';
import { pathsOf } from '../paths.ts';
import { virtualUrl } from '../virtual-address/record.ts';
import { requireNamed } from './kubeconfig.ts';
import { hostOf, isNamedBy } from './server-url.ts';

export interface ServerAt {
  address: string;
  port: number;
}

/** What a server shows (DER), or why it is not known. */
export type Shown = ServerAt & ({ certificate: Uint8Array } | { why: string });

const WITHIN_MS = 3_000;

/** The certificates of servers, as far as they answer within three seconds and show one that `authority` (PEM) has signed. */
export function shownBy(servers: readonly ServerAt[], authority: string, clock: Clock): Promise<Shown[]> {
  return Promise.all(
    servers.map(async (server) => {
      try {
        return { ...server, certificate: await certificateAt(server, authority, clock) };
      } catch (error) {
        return { ...server, why: messageOf(error) };
      }
    }),
  );
}

function certificateAt({ address, port }: ServerAt, ca: string, clock: Clock): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port, ca });
    const timer = clock.timer(WITHIN_MS, () =>
      socket.destroy(new Error(`no answer of ${hostPort(address, port)} within ${WITHIN_MS / 1000} s`)),
    );
    socket.once('secureConnect', () => {
      resolve(socket.getPeerCertificate().raw);
      socket.destroy();
    });
    socket.once('error', reject).once('close', () => timer.cancel());
  });
}

/** Servers that machines would not find or believe at `url`: of one server where it has that one's address, else of all of them. */
export function doorFaults(shown: readonly Shown[], url: string): string[] {
  const host = hostOf(url);
  const meant = shown.filter(({ address }) => address === host);
  return (meant.length > 0 ? meant : shown).flatMap((one) => {
    const where = hostPort(one.address, one.port);
    if ('why' in one)
      return [`the server at ${where} does not answer now, and so not to this line: ${one.why}`];
    return isNamedBy(one.certificate, host)
      ? []
      : [`the certificate of the server at ${where} does not name ${host}: start it with --tls-san ${host}`];
  });
}

/** As curl takes it: the key of any of these certificates, and no other. Source: curl(1), --pinnedpubkey. */
export function pinOf(certificates: readonly (string | Uint8Array)[]): string {
  const pins = certificates.map((one) => {
    const key = new X509Certificate(one).publicKey.export({ type: 'spki', format: 'der' });
    return `sha256//${createHash('sha256').update(key).digest('base64')}`;
  });
  return [...new Set(pins)].join(';');
}

export interface DoorOptions {
  dataDir: string;
  /** The URL, when it is not the virtual address, or else that of the first server. */
  server?: string;
  /** PEM. */
  authority: string;
  client: Client;
  clock: Clock;
}

/** Where machines ask, and the keys of those who may answer there: any server, where the URL is of all of them. */
export async function doorOf({
  dataDir,
  server,
  authority,
  client,
  clock,
}: DoorOptions): Promise<{ server: string; pin: string }> {
  const paths = pathsOf(dataDir);
  const own = readFileSync(join(paths.pki, 'server.crt'), 'utf8');
  const servers = await serversOf(client);
  const first = `https://${hostPort(servers[0]!.address, servers[0]!.port)}`;
  const shared = server ?? virtualUrl(paths, first);
  if (shared) requireNamed(own, shared);
  const url = shared ?? first;
  const shown = await shownBy(servers, authority, clock);
  for (const fault of doorFaults(shown, url)) process.stderr.write(`gantry: ${fault}\n`);
  const certificates = shown.flatMap((one) => ('certificate' in one ? [one.certificate] : []));
  return { server: url, pin: pinOf([own, ...certificates]) };
}

/** Where servers say that others reach them. */
async function serversOf(client: Client): Promise<ServerAt[]> {
  const ref = { name: 'kubernetes', namespace: 'default' };
  const { endpoints, ports } = await client.get(EndpointSliceKind, ref);
  const port = ports?.[0]?.port;
  const addresses = (endpoints ?? []).flatMap((endpoint) => endpoint.addresses);
  if (addresses.length === 0 || !port) throw new Error('the server does not say where it can be reached');
  return addresses.map((address) => ({ address, port }));
}
