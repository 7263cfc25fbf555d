import { X509Certificate } from 'node:crypto';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { SERVERS_GROUP } from '#api/node-link.ts';
import { AUTHORITY_NAMES, type AuthorityName } from '#api/semantics/authorities.ts';
import type { TlsFiles } from '#apiserver/http/index.ts';
import { type Clock, systemClock } from '#machinery/clock.ts';
import { systemFiles } from '#machinery/files.ts';
import { certificatesIn } from '#machinery/pki/bundle.ts';
import { isSignedBy, type KeyAndCertificate } from '#machinery/pki/certificate.ts';
import { crossName, type IssueOptions, pkiDirectory } from '#machinery/pki/directory.ts';
import { kubeconfigYaml } from '#machinery/pki/kubeconfig.ts';
import {
  type SigningKey,
  signingKeyOf,
  type VerificationKey,
  verificationKeyOf,
} from '#machinery/pki/signing-key.ts';
import { systemRandom } from '#machinery/random.ts';
import { formatAddress, nthAddress, parseCidr } from '#machinery/values/cidr.ts';
import { hostPort } from '#machinery/values/host-port.ts';
import type { Settings } from '../options.ts';

/** Who holds a client certificate, by the name of its files. */
const CLIENTS = {
  apiserver: { commonName: 'system:apiserver', organizations: [SERVERS_GROUP] },
  admin: { commonName: 'kubernetes-admin', organizations: ['system:masters'] },
  controllers: { commonName: 'system:kube-controller-manager' },
  scheduler: { commonName: 'system:kube-scheduler' },
} as const;

export interface Pki {
  /** Each authority and those that are trusted beside it while one takes the place of another, PEM. */
  trusted: Record<AuthorityName, string>;
  /** Signs clients. */
  clientAuthority: KeyAndCertificate;
  /** Signs what nodes serve; apart from servers, since a node says itself which addresses it has. */
  nodeAuthority: KeyAndCertificate;
  server: KeyAndCertificate;
  /** Shown after it to those who only know the authority that was replaced, PEM. */
  serverCross?: string;
  /** By which the other servers know this one. */
  apiserver: KeyAndCertificate;
  /** PEM of the key that signs service-account tokens. */
  signingKey: string;
  controllers: KeyAndCertificate;
  scheduler: KeyAndCertificate;
  admin: KeyAndCertificate;
  node: KeyAndCertificate;
}

export interface PkiOptions {
  clock: Clock;
  /** Called with a new certificate of this machine's node before the agent can read it: its key has to be known first. */
  beforeNode?(made: KeyAndCertificate): Promise<void>;
}

/**
 * Reads the instance's keys and certificates, making what is missing or near its end, and writes the admin's kubeconfig.
 * Separate authorities sign servers and clients, so that neither kind of certificate can pass for the other.
 */
export async function preparePki(
  settings: Settings,
  { clock, beforeNode }: PkiOptions = { clock: systemClock },
): Promise<Pki> {
  const lifetimeMs = settings.certificateLifetime;
  const files = systemFiles();
  const directory = pkiDirectory(settings.paths.pki, { files, clock, random: systemRandom });
  await directory.authority('server-ca', 'gantry-server-ca');
  const clientCa = await directory.authority('client-ca', 'gantry-client-ca');
  const client = (
    name: string,
    subject: { commonName: string; organizations?: readonly string[] },
    beforeUse?: IssueOptions['beforeUse'],
  ) =>
    directory.certificate(
      name,
      'client-ca',
      {
        subject: { commonName: subject.commonName, organizations: [...(subject.organizations ?? [])] },
        usages: ['client'],
        lifetimeMs,
      },
      { ...(beforeUse && { beforeUse }) },
    );
  const order = {
    subject: { commonName: 'gantry-server' },
    usages: ['server' as const],
    subjectAlternativeNames: serverNames(settings),
    lifetimeMs,
  };
  // Lines by which machines join, and user data of those to come, pin its key.
  const server = await directory.certificate('server', 'server-ca', order, { keepKey: true });
  const signing = await directory.signingKey('service-account', 'gantry-service-account');
  const nodeAuthority = await directory.authority('node-ca', 'gantry-node-ca');
  // Beside the one that issues there may be one that it takes the place of, or that takes its.
  const bundles = AUTHORITY_NAMES.map(async (name) => [name, await directory.trusted(name)] as const);
  const trusted = Object.fromEntries(await Promise.all(bundles)) as Record<AuthorityName, string>;
  const cross = await files.read(join(settings.paths.pki, crossName('server-ca')));
  const admin = await client('admin', CLIENTS.admin);
  const kubeconfig = kubeconfigYaml({
    name: 'gantry',
    server: serverUrl(settings),
    certificateAuthority: trusted['server-ca'],
    user: 'admin',
    credentials: admin,
  });
  const before = await files.read(settings.paths.adminKubeconfig);
  if (!before || Buffer.from(before).toString() !== kubeconfig) {
    await files.write(settings.paths.adminKubeconfig, kubeconfig, 0o600);
  }
  const { nodeName } = settings;
  return {
    trusted,
    clientAuthority: clientCa,
    nodeAuthority,
    server,
    ...(cross && { serverCross: Buffer.from(cross).toString() }),
    apiserver: await client('apiserver', CLIENTS.apiserver),
    signingKey: signing.key,
    controllers: await client('controllers', CLIENTS.controllers),
    scheduler: await client('scheduler', CLIENTS.scheduler),
    admin,
    node: await client(
      `node-${nodeName}`,
      { commonName: `system:node:${nodeName}`, organizations: ['system:nodes'] },
      beforeNode,
    ),
  };
}

/** What it shows to those who connect, and whom it believes. */
export function tlsOf({ server, serverCross, trusted }: Pki): TlsFiles {
  const isBelow = serverCross && isSignedBy(server.certificate, serverCross);
  return {
    certificate: isBelow ? `${server.certificate.trimEnd()}\n${serverCross}` : server.certificate,
    key: server.key,
    clientAuthority: trusted['client-ca'],
  };
}

/** With what lets who knows an older one believe in the one that takes its place. */
export function publicAuthorities({ trusted, serverCross }: Pki): string {
  return `${trusted['server-ca'].trimEnd()}\n${serverCross ?? ''}`;
}

/** By which tokens of service accounts are signed, the first, and verified. */
export function tokenKeys({ signingKey, trusted }: Pki): [SigningKey, ...VerificationKey[]] {
  const first = signingKeyOf(signingKey);
  const all = certificatesIn(trusted['service-account']).map((one) =>
    verificationKeyOf(new X509Certificate(one).publicKey),
  );
  return [first, ...all.filter(({ id }) => id !== first.id)];
}

/** Where clients on this machine reach the API. */
export function serverUrl({ listen }: Settings): string {
  const host = listen.host === '0.0.0.0' || listen.host === '::' ? '127.0.0.1' : listen.host;
  return `https://${hostPort(host, listen.port)}`;
}

function serverNames(settings: Settings): string[] {
  const service = 'kubernetes.default.svc.cluster.local';
  const names = new Set([
    'localhost',
    '127.0.0.1',
    '::1',
    hostname(),
    settings.nodeName,
    ...[1, 2, 3, 5].map((parts) => service.split('.').slice(0, parts).join('.')),
    settings.advertiseAddress,
    firstAddress(settings.serviceCidr),
    ...settings.tlsSan,
    ...settings.virtualAddress.map(({ address }) => address),
  ]);
  if (settings.listen.host !== '0.0.0.0' && settings.listen.host !== '::') names.add(settings.listen.host);
  return [...names];
}

/** The cluster IP of the `kubernetes` Service. */
function firstAddress(cidr: string): string {
  const address = nthAddress(parseCidr(cidr)!, 1);
  if (!address) throw new Error(`${cidr} has no room for Services`);
  return formatAddress(address);
}
