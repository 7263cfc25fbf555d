import { hostname } from 'node:os';
import { SERVERS_GROUP } from '#api/node-link.ts';
import { type Clock, systemClock } from '#machinery/clock.ts';
import { systemFiles } from '#machinery/files.ts';
import type { KeyAndCertificate } from '#machinery/pki/certificate.ts';
import { type IssueOptions, pkiDirectory } from '#machinery/pki/directory.ts';
import { kubeconfigYaml } from '#machinery/pki/kubeconfig.ts';
import { systemRandom } from '#machinery/random.ts';
import { formatAddress, nthAddress, parseCidr } from '#machinery/values/cidr.ts';
import { hostPort } from '#machinery/values/host-port.ts';
import type { Settings } from './options.ts';

/** Who holds a client certificate, by the name of its files. */
const CLIENTS = {
  apiserver: { commonName: 'system:apiserver', organizations: [SERVERS_GROUP] },
  admin: { commonName: 'kubernetes-admin', organizations: ['system:masters'] },
  controllers: { commonName: 'system:kube-controller-manager' },
  scheduler: { commonName: 'system:kube-scheduler' },
} as const;

export interface Pki {
  /** Those that may have signed what a server shows, PEM. */
  serverCa: string;
  /** Signs clients. */
  clientAuthority: KeyAndCertificate;
  /** Signs what nodes serve; apart from servers, since a node says itself which addresses it has. */
  nodeAuthority: KeyAndCertificate;
  server: KeyAndCertificate;
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
  // Beside the one that issues there may be one that it takes the place of, or that takes its.
  const trusted = await directory.trusted('server-ca');
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
  const admin = await client('admin', CLIENTS.admin);
  const kubeconfig = kubeconfigYaml({
    name: 'gantry',
    server: serverUrl(settings),
    certificateAuthority: trusted,
    user: 'admin',
    credentials: admin,
  });
  const before = await files.read(settings.paths.adminKubeconfig);
  if (!before || Buffer.from(before).toString() !== kubeconfig) {
    await files.write(settings.paths.adminKubeconfig, kubeconfig, 0o600);
  }
  const { nodeName } = settings;
  return {
    serverCa: trusted,
    clientAuthority: clientCa,
    nodeAuthority: await directory.authority('node-ca', 'gantry-node-ca'),
    server,
    apiserver: await client('apiserver', CLIENTS.apiserver),
    signingKey: await directory.signingKey('service-account'),
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
