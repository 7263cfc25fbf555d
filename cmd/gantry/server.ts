import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ServiceAccountTokens, serviceAccountTokens } from '#apiserver/authentication/index.ts';
import { HalfRestoredError } from '#apiserver/backup/marker.ts';
import { bindOwnNode } from '#apiserver/bootstrap/own-node.ts';
import { ServerSkewError } from '#apiserver/bootstrap/servers.ts';
import type { ObjectReader } from '#apiserver/contract.ts';
import { EncryptionKeyError } from '#apiserver/encryption/codec.ts';
import { NotPromotedError } from '#apiserver/promotion/finish.ts';
import { WriteGate } from '#apiserver/promotion/gate.ts';
import { type ApiServer, type ApiServerConfig, apiServer } from '#apiserver/server.ts';
import { http2Transport } from '#client/http2-transport.ts';
import { type Clock, sleep, systemClock } from '#machinery/clock.ts';
import type { Running } from '#machinery/component.ts';
import { messageOf, StatusError } from '#machinery/errors.ts';
import { systemFiles } from '#machinery/files.ts';
import { type Logger, textLogger } from '#machinery/log.ts';
import { type KeyAndCertificate, keyHashOf } from '#machinery/pki/certificate.ts';
import { CERTIFICATE_LIFETIME_MS } from '#machinery/pki/directory.ts';
import { systemRandom } from '#machinery/random.ts';
import { loadDescriptions, loadSchemas } from '#machinery/schema/load.ts';
import { hostPort } from '#machinery/values/host-port.ts';
import { type Store, StoreLockedError } from '#store/contract.ts';
import { NewerValueError } from '#store/value.ts';
import { generated, version } from './assets.ts';
import { authoritiesTold } from './certificates/authorities/plan.ts';
import { AuthorityRotation } from './certificates/authorities/rotation.ts';
import { serveRotation } from './certificates/authorities/serve.ts';
import { type Pki, preparePki, publicAuthorities, serverUrl, tlsOf, tokenKeys } from './certificates/pki.ts';
import { keepPki } from './certificates/renewal.ts';
import { type Control, type ControlHealth, startControl } from './control/start.ts';
import { controlPlaneHandler } from './control-plane.ts';
import { notify } from './machine/notify.ts';
import { stopSignal } from './machine/stop.ts';
import { EXIT_ANEW, EXIT_FINAL } from './machine/supervise.ts';
import { OtherStoreError } from './managed-etcd/choice.ts';
import { QuorumError } from './managed-etcd/membership.ts';
import { keepMemberPki } from './managed-etcd/pki.ts';
import { RemovedMemberError } from './managed-etcd/removed.ts';
import { bundles } from './membership/node-bundle.ts';
import { publicDocuments } from './membership/public-documents.ts';
import { processMetrics } from './metrics.ts';
import { type Settings, settle, toArguments, type UpFlags } from './options.ts';
import { serverEvents } from './server-events.ts';
import { saveSnapshots, snapshotSchedule } from './snapshot/serve.ts';
import { encryptionOf, UnknownKindError } from './state/encryption.ts';
import { endPromotion, promotionHandlers } from './state/promotion.ts';
import { CLUSTER, openStore } from './state/store.ts';
import { inCharge, PromotedStoreError } from './state/store-record.ts';
import { writeVirtualAddresses } from './virtual-address/record.ts';
import type { VirtualAddresses, VirtualAddressParts } from './virtual-address/serve.ts';
import { aborted } from './wait.ts';

const HEALTH_EVERY_MS = 1_000;

/** Tokens of other clusters and for other uses are refused by these names. */
const ISSUER = 'https://kubernetes.default.svc.cluster.local';

/** The server role: store, API, and in a worker of its own the controllers and the scheduler. */
export async function server(flags: UpFlags): Promise<number> {
  const told = settle(flags);
  const log = textLogger((line) => process.stderr.write(line), told.logLevel, systemClock, {
    part: 'server',
  });
  try {
    return await run(await inCharge(told), log, stopSignal());
  } catch (error) {
    log.error('The server ends', { error: messageOf(error), stack: (error as Error).stack });
    return isFinal(error) ? EXIT_FINAL : 1;
  }
}

/** Starting again changes nothing: somebody has to do something first. */
function isFinal(error: unknown): boolean {
  const kinds = [
    ...[StoreLockedError, HalfRestoredError, PromotedStoreError, NotPromotedError],
    ...[EncryptionKeyError, UnknownKindError, OtherStoreError, RemovedMemberError, ServerSkewError],
    NewerValueError,
  ];
  return kinds.some((kind) => error instanceof kind) || isAddressFault(error);
}

async function run(
  settings: Settings,
  log: ReturnType<typeof textLogger>,
  signal: AbortSignal,
): Promise<number> {
  const clock = systemClock;
  const random = systemRandom;
  const [pki, store] = await Promise.all([preparePki(settings), storeOfServer(settings, log, signal)]);
  await endPromotion(settings, store, clock);
  const gate = new WriteGate(store);
  const switched = new AbortController();
  const schemas = loadSchemas(readFileSync(join(generated, 'schemas.json')));
  /** What is in use now: certificates are renewed meanwhile. */
  const held = { pki };
  const rotation = new AuthorityRotation({
    ...{ paths: settings.paths, files: systemFiles(), clock, random, log, signal },
    pki: () => held.pki,
    mode: settings.rotateAuthorities,
    // Those by request live for as long as that, too.
    leafMs: Math.max(settings.certificateLifetime, CERTIFICATE_LIFETIME_MS),
  });
  const crash = new AbortController();
  let control: Control | undefined;
  let addresses: VirtualAddresses | undefined;
  const probe = probesOf(() => control);
  const snapshots = snapshotSchedule(settings, store, log);
  const running = await apiServer.start(
    {
      store: gate.store,
      ...{ clock, random, log, schemas },
      descriptions: () => loadDescriptions(readFileSync(join(generated, 'descriptions.json'))),
      documents: readDocument,
      encryption: encryptionOf(settings),
      config: configOf(settings, () => held.pki),
      ...(settings.store.kind === 'managed-etcd' && {
        leaveStore: (node: string) => leaveStore(settings, node, signal),
      }),
      tokens: (objects) => tokensOf(() => held.pki, objects),
      peer: peerDoor(() => held.pki),
      metrics: [
        processMetrics(),
        () => controlMetrics(control, log),
        async () => `${snapshots.metrics()}${rotation.metrics()}${addresses?.metrics() ?? ''}`,
      ],
      paths: [
        ...publicDocuments(() => publicAuthorities(held.pki), bundles(join(settings.paths.root, 'bundle'))),
        controlPlaneHandler(settings),
        ...rotation.handlers,
        ...promotionHandlers({
          ...{ settings, store, gate, clock, random, log, authority: pki.trusted['server-ca'] },
          switched: (store) => switched.abort(store),
        }),
      ],
      operation: operationOf(settings),
      probes: { scheduler: probe('scheduler'), 'controller-manager': probe('controllers') },
      tls: tlsOf(pki),
      listen: listenAddresses(settings),
    },
    crash.signal,
  );
  await running.ready;
  log.info('The API is served', { url: serverUrl(settings), advertised: settings.advertiseAddress });
  notify(log, '--ready', '--status=The API is served');
  control = await startControl(settings, pki, log);
  const over = AbortSignal.any([signal, switched.signal]);
  const refresh = refreshOf(settings, clock, held, running, control);
  void keepPki(pki, { clock, random, log, signal: over, refresh });
  const events = serverEvents(running, settings.nodeName, over);
  const leads = async () => (await control?.ask('leads')) ?? false;
  serveRotation(rotation, { server: running, events, refresh, leads }, { clock, log, signal: over });
  addresses = await virtualAddressesOf(settings, { server: running, events, log, signal: over });
  const saving = saveSnapshots(snapshots, settings, events, over);
  const faults = [control.failed, lostStore(running, signal), ...(addresses ? [addresses.done] : [])];
  await Promise.race([aborted(over), ...faults]);
  // The next server may answer there while this one ends.
  await addresses?.done;
  await control.stop();
  await running.stop();
  await saving;
  await store.close();
  // An etcd of its own is a role beside the server.
  return switched.signal.reason?.kind === 'managed-etcd' ? EXIT_ANEW : 0;
}

function tokensOf(pki: () => Pki, objects: ObjectReader): ServiceAccountTokens {
  const names = { issuer: ISSUER, audiences: [ISSUER] };
  let known: { of: Pki; keys: ReturnType<typeof tokenKeys> } | undefined;
  const keys = () => {
    if (known?.of !== pki()) known = { of: pki(), keys: tokenKeys(pki()) };
    return known.keys;
  };
  return serviceAccountTokens({ ...names, keys, objects, clock: systemClock, random: systemRandom });
}

/** Makes anew what has to be, and takes it into use: connections that are open go on. One after the other. */
function refreshOf(
  settings: Settings,
  clock: Clock,
  held: { pki: Pki },
  running: ApiServer,
  control: Control,
): () => Promise<Pki> {
  const work = async () => {
    const beforeNode = (made: KeyAndCertificate) => bindNode(running, settings, made);
    held.pki = await preparePki(settings, { clock, beforeNode });
    running.renewTls(tlsOf(held.pki));
    control.renew(held.pki);
    return held.pki;
  };
  let last: Promise<unknown> = Promise.resolve();
  return () => {
    const next = last.then(work, work);
    last = next;
    return next;
  };
}

/** The node of this machine passes with its next key, too, before it has it. */
async function bindNode(
  { engine }: ApiServer,
  { nodeName }: Settings,
  made: KeyAndCertificate,
): Promise<void> {
  await bindOwnNode(engine, { name: nodeName, keyHash: keyHashOf(made.certificate) });
}

/** Loaded where there are some. */
async function virtualAddressesOf(
  settings: Settings,
  parts: VirtualAddressParts,
): Promise<VirtualAddresses | undefined> {
  await writeVirtualAddresses(systemFiles(), settings.paths, settings.virtualAddress);
  if (settings.virtualAddress.length === 0) return undefined;
  const { holdVirtualAddresses } = await import('./virtual-address/serve.ts');
  return holdVirtualAddresses(settings, parts);
}

/** How the parts beside the server are: what is wrong, or nothing. */
function probesOf(control: () => Control | undefined) {
  return (part: keyof ControlHealth) => async () => {
    const health = (await control()?.ask('health'))?.[part] ?? { ok: false, message: 'not started yet' };
    return health.ok ? undefined : health.message;
  };
}

function operationOf(settings: Settings) {
  return {
    concurrency: settings.maxRequestsInflight,
    shutdown: { delayMs: settings.shutdownDelayDuration },
    flags: toArguments(settings),
  };
}

/** Nothing while the controllers are not there or do not answer: the rest is told all the same. */
async function controlMetrics(control: Control | undefined, log: Logger): Promise<string> {
  try {
    return (await control?.ask('metrics')) ?? '';
  } catch (error) {
    log.warn('The controllers do not tell their metrics', { error: messageOf(error) });
    return '';
  }
}

/** What the API server is told of the cluster. */
function configOf(settings: Settings, pki: () => Pki): ApiServerConfig {
  const { listen, advertiseAddress, serviceCidr, nodePortRange } = settings;
  return {
    cluster: CLUSTER,
    sharedStore: settings.store.kind !== 'sqlite',
    version,
    serviceCidr,
    nodePorts: nodePortRange,
    advertise: { address: advertiseAddress, port: listen.port },
    certificateAuthority: pki().trusted['server-ca'],
    authorities: () => authoritiesTold(pki()),
    settings: {
      podCidr: settings.podCidr,
      serviceCidr,
      nodePortRange,
      nodeGraceMs: settings.nodeGracePeriod,
      vxlan: settings.vxlan,
    },
    node: { name: settings.nodeName, keyHash: keyHashOf(pki().node.certificate) },
  };
}

/** By a certificate that says it is a server. Each stream has a connection of its own. */
function peerDoor(pki: () => Pki) {
  return ({ address, port }: { address: string; port: number }) =>
    http2Transport({
      url: `https://${hostPort(address, port)}`,
      clock: systemClock,
      ca: () => pki().trusted['server-ca'],
      certificate() {
        const { certificate, key } = pki().apiserver;
        return { cert: certificate, key };
      },
    });
}

/** Of a node that is removed: its member of etcd goes first, unless the others could not go on without it. */
async function leaveStore({ paths }: Settings, node: string, signal: AbortSignal): Promise<void> {
  const { leaveEtcd } = await import('./managed-etcd/leave.ts');
  await leaveEtcd(paths, node, { clock: systemClock, signal }).catch((error: unknown) => {
    throw error instanceof QuorumError ? new StatusError('Conflict', error.message) : error;
  });
}

/** A member of etcd that runs here has to be well first. */
async function storeOfServer(settings: Settings, log: Logger, signal: AbortSignal): Promise<Store> {
  const deps = { clock: systemClock, random: systemRandom, log };
  if (settings.store.kind === 'managed-etcd') {
    const { attendMember } = await import('./managed-etcd/attend.ts');
    await attendMember(settings, { ...deps, files: systemFiles(), signal });
    keepMemberPki(settings, { ...deps, signal });
  }
  return await openStore(settings, CLUSTER, deps);
}

/** Made by `npm run generate`; one that is not there is made when it is asked for. */
function readDocument(name: string): Uint8Array | undefined {
  const path = join(generated, 'openapi', name);
  return existsSync(path) ? readFileSync(path) : undefined;
}

/** Rejects when the server's view of the store is beyond repair: started anew, it reads everything again. */
async function lostStore(running: Running, signal: AbortSignal): Promise<never> {
  for (;;) {
    await sleep(systemClock, HEALTH_EVERY_MS, signal);
    const health = running.health();
    if (!health.ok) throw new Error(`the server cannot go on: ${health.message}`);
  }
}

/** The address asked for, and the one that pods use. */
function listenAddresses({ listen, advertiseAddress }: Settings): { host: string; port: number }[] {
  const everywhere = listen.host === '0.0.0.0' || listen.host === '::';
  if (everywhere || listen.host === advertiseAddress) return [listen];
  return [listen, { host: advertiseAddress, port: listen.port }];
}

/** A port that is taken or an address that is not ours will not get better by trying again. */
function isAddressFault(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'EADDRINUSE' || code === 'EADDRNOTAVAIL' || code === 'EACCES';
}
