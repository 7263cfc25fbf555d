/** The apiserver as a Component: wires store, cache, engine, security and listeners, in that order. */
import { type Kind, resourceName } from '#api/kind.ts';
import { FlowSchemaKind } from '#api/kinds/flow-schema.ts';
import { KINDS } from '#api/kinds/index.ts';
import type { NodeLink } from '#api/node-link.ts';
import type { FlowSchema } from '#api/objects.ts';
import type { Clock } from '#machinery/clock.ts';
import type { Component, Health, Running } from '#machinery/component.ts';
import type { Logger } from '#machinery/log.ts';
import { type Random, uuid } from '#machinery/random.ts';
import type { Descriptions } from '#machinery/schema/load.ts';
import type { Schemas } from '#machinery/schema/model.ts';
import type { Identity, Transport } from '#machinery/transport.ts';
import type { Store } from '#store/contract.ts';
import { admissionPlugins } from './admission/index.ts';
import {
  authenticationHandlers,
  authenticators,
  bootstrapTokens,
  type ServiceAccountTokens,
} from './authentication/index.ts';
import { RemovedNodes } from './authentication/removed-nodes.ts';
import {
  reconcilePolicy,
  type ServerAuthorizer,
  authorizer as standardAuthorizer,
} from './authorization/index.ts';
import { BOOTSTRAP_ACTOR } from './authorization/reconcile.ts';
import { authorizationHandlers } from './authorization/reviews.ts';
import { backupHandler } from './backup/handler.ts';
import { refuseHalfRestored } from './backup/marker.ts';
import { clusterInfo } from './bootstrap/cluster-info.ts';
import { type BootstrapConfig, bootstrap } from './bootstrap/index.ts';
import { bindOwnNode, labelOwnNode } from './bootstrap/own-node.ts';
import { type JoinedServer, joinServers, otherServers, type ServerAddress } from './bootstrap/servers.ts';
import { WatchCache } from './cache/watch-cache.ts';
import { RequestChain } from './chain.ts';
import { componentStatusHandler, type Probe } from './component-status.ts';
import type { AdmissionPlugin, Authorizer, ObjectReader, PathHandler, ResourceHandler } from './contract.ts';
import { wireFormats } from './encoding/wire-formats.ts';
import { rotationHandler } from './encryption/handler.ts';
import { type EncryptionSettings, KeyRing, NO_ENCRYPTION } from './encryption/key-ring.ts';
import { poolsOf } from './engine/allocations.ts';
import { readBase, type VersionBase } from './engine/base.ts';
import { DEFAULT_HISTORY, type HistoryBudget, keepCompacted } from './engine/compaction.ts';
import { CacheReader, ObjectEngine } from './engine/index.ts';
import { type KeySpace, keySpace } from './engine/keys.ts';
import { KindIndex } from './engine/kind-index.ts';
import type { Produce } from './engine/modify.ts';
import { ownerTracking } from './engine/ownership.ts';
import { internalContext } from './engine/parts.ts';
import { Storage } from './engine/storage.ts';
import { type FlowObjects, followFlowObjects } from './fairness/objects.ts';
import type { Check } from './health.ts';
import type { ListenAddress, TlsFiles } from './http/index.ts';
import { inProcessTransport } from './in-process.ts';
import { Listeners } from './listeners.ts';
import type { ObjectCount } from './metrics/requests.ts';
import { openApiDocuments, type ReadyDocuments } from './openapi/documents.ts';
import { Operation, type OperationSettings } from './operation.ts';
import { removalHandler } from './removal/handler.ts';
import { resourceMetricsHandlers } from './resource-metrics.ts';
import { nodeSubresources } from './subresources/index.ts';
import { linkHandler, tunnelHandler } from './tunnel/handler.ts';
import { NodeLinks } from './tunnel/node-links.ts';
import { PeeredLinks } from './tunnel/peered-links.ts';
import { dropRemovedNodes } from './tunnel/removed-nodes.ts';

export interface ApiServerConfig extends BootstrapConfig {
  /** Names the keys in the store: one store can hold several clusters. */
  cluster: string;
  nodePorts: { from: number; to: number };
  /** Other servers write to the same store (etcd): reads ask it for its newest revision. */
  sharedStore?: boolean;
  /** Of the program, `0.1.0`. */
  version?: string;
}

export interface ApiServerDeps {
  store: Store;
  clock: Clock;
  random: Random;
  log: Logger;
  schemas: Schemas;
  /** Texts of the OpenAPI documents, read when one is made. */
  descriptions: () => Descriptions;
  /** OpenAPI documents made at build time. */
  documents?: ReadyDocuments;
  config: ApiServerConfig;
  kinds?: readonly Kind[];
  /** What is encrypted at rest; nothing when left out. */
  encryption?: EncryptionSettings;
  /** How much of the past the store keeps. */
  history?: HistoryBudget;
  /** Service-account tokens, made when the cache can be read; no tokens are known without. */
  tokens?: (objects: ObjectReader) => ServiceAccountTokens;
  /** How the parts beside the server are asked for their health; unknown without. */
  probes?: Partial<Record<'scheduler' | 'controller-manager', Probe>>;
  /** In place of RBAC and the node authorizer: for tests. */
  authorizer?: Authorizer;
  /** In place of the standard plugins: for tests. */
  admission?: readonly AdmissionPlugin[];
  /** More subresources, virtual and computed kinds. */
  handlers?: (parts: HandlerParts) => readonly ResourceHandler[];
  /** More paths beside the API's: `nonResourceURLs` of RBAC. */
  paths?: readonly PathHandler[];
  /** In place of the tunnels that agents dial: for tests and the simulator. */
  nodeLink?: NodeLink;
  /** A way to another server, as one of them: for nodes that are connected there only. None are asked without. */
  peer?: (server: ServerAddress) => Pick<Transport, 'upgrade'>;
  /** See RemovalDeps: where servers run a store of several members themselves. */
  leaveStore?: (node: string) => Promise<void>;
  /** What /metrics says beside requests and objects, in the Prometheus exposition format: of the process, for one. */
  metrics?: readonly (() => Promise<string>)[];
  operation?: OperationSettings;
  /** HTTPS is served when both are given. */
  tls?: TlsFiles;
  listen?: readonly ListenAddress[];
}

/** What handlers from outside are made of. */
export interface HandlerParts {
  objects: ObjectReader;
  authorizer: Authorizer;
  tokens: ServiceAccountTokens | undefined;
  nodeLink: NodeLink;
}

export interface ApiServer extends Running {
  /** Requests from inside the process, as `identity` when they carry none. */
  transport(identity?: Identity): Transport;
  engine: ObjectEngine;
  /** Shows other certificates to new connections; those that are open go on. */
  renewTls(tls: TlsFiles): void;
  /** Tells everybody of the authorities that have changed. */
  tellAuthorities(): Promise<void>;
  /** Where it listens, with the ports that were chosen. */
  addresses: readonly ListenAddress[];
  /** Listens there too, on an address that has come; it is heard from then on whenever this machine has it. */
  listen(address: ListenAddress): Promise<void>;
  /** Ends the connections that were made to this address, which will be another machine's. */
  leave(host: string): Promise<void>;
}

export interface ApiServerComponent extends Component<ApiServerDeps> {
  start(deps: ApiServerDeps, signal: AbortSignal): Promise<ApiServer>;
}

export const apiServer: ApiServerComponent = { name: 'apiserver', start: startApiServer };

async function startApiServer(deps: ApiServerDeps, signal: AbortSignal): Promise<ApiServer> {
  const { store, clock, random, log, config } = deps;
  const stop = new AbortController();
  signal.addEventListener('abort', () => stop.abort(), { once: true });
  const kinds = new KindIndex(deps.kinds ?? KINDS);
  const { keys, base, codec, cache } = await openData(deps, kinds);
  const reader = new CacheReader(cache, keys);
  await cache.start(stop.signal);
  forgetHistory(deps, kinds, keys, stop.signal);

  const standard = deps.authorizer ? undefined : standardAuthorizer(reader);
  const authorizer = deps.authorizer ?? standard!;
  const operation = new Operation(clock, kinds, deps.operation);
  const { fairness, requests, shutdown } = operation;
  const stopping = AbortSignal.any([stop.signal, shutdown.draining]);
  const storage = new Storage({ store, keys, base, codec, cache, clock, metrics: operation.commits });
  const admission =
    deps.admission ?? (standard ? admissionPlugins({ authorizer: standard, clock, random }) : []);
  const pools = poolsOf(config.serviceCidr, config.nodePorts);
  const trackOwners = ownerTracking(deps.schemas);
  const engine = new ObjectEngine(
    { storage, clock, random, pools, admission, reader, trackOwners },
    stop.signal,
  );
  const [tokens, joining] = [deps.tokens?.(reader), bootstrapTokens(reader, clock)];
  const tunnels = deps.nodeLink ? undefined : tunnelsOf(reader, clock, stop.signal);
  const nodeLink = deps.nodeLink ?? peered(tunnels!, reader, deps);
  const handlers = [
    ...(tunnels ? [tunnelHandler(tunnels), linkHandler(tunnels)] : []),
    ...nodeSubresources(nodeLink, clock, random),
    ...resourceMetricsHandlers({ link: nodeLink, objects: reader, clock, log }),
    ...(tokens ? authenticationHandlers(tokens, joining, clock) : []),
    ...authorizationHandlers(authorizer),
    componentStatusHandler({
      scheduler: deps.probes?.scheduler,
      'controller-manager': deps.probes?.['controller-manager'],
      'etcd-0': () => cache.failure?.message ?? store.condition(),
    }),
    ...(deps.handlers?.({ objects: reader, authorizer, tokens, nodeLink }) ?? []),
  ];
  let ready = false;
  const checks = [...checksOf(cache, store, () => ready), shutdown.check];
  const [formats, startId] = [formatsOf(kinds, deps), uuid(random).slice(0, 8)];
  const chain = new RequestChain({
    kinds,
    resources: { engine, storage, formats, clock, random, authorizer, startId, stopping, requests },
    authenticators: authenticators(tokens, joining, reader, clock),
    authorizer,
    removedNodes: new RemovedNodes(reader, stop.signal),
    handlers,
    pathHandlers: [...pathHandlers(deps, { keys, base, codec, cache }, engine), ...operation.debug],
    checks,
    metrics: () => operation.metrics(objectCounts(kinds, cache), checks, deps.metrics),
    operation,
    log,
    address: addressText(config),
  });
  const listeners = await listen(chain, deps);
  let servers: Awaited<ReturnType<typeof joined>>;
  const becomesReady = prepareCluster(engine, kinds.all, config, standard).then(async () => {
    if (kinds.all.some(({ schema }) => schema === FlowSchemaKind.schema))
      await followFlowObjects({ objects: flowObjects(engine, stop.signal), fairness, clock, log });
    ready = true;
    servers = await joined(engine, deps, stop.signal);
  });
  return {
    ready: becomesReady,
    health: () => healthOf(cache),
    transport: (identity) => inProcessTransport(chain, identity),
    engine,
    tellAuthorities: () => tellAuthorities(engine, config, servers),
    renewTls: (tls) => listeners.renew(tls),
    addresses: listeners.addresses,
    listen: (address) => listeners.open(address),
    leave: (host) => listeners.leave(host),
    async stop() {
      await servers?.leave();
      await shutdown.run(() => listeners.drain());
      stop.abort();
      await listeners.close();
      tunnels?.close();
      standard?.close();
    },
  };
}

async function listen(
  chain: RequestChain,
  { tls, listen = [], operation, clock, log }: ApiServerDeps,
): Promise<Listeners> {
  const listeners = new Listeners(chain, tls, { clock, log, limits: operation?.http ?? {} });
  for (const address of listen) await listeners.open(address);
  return listeners;
}

async function tellAuthorities(
  engine: ObjectEngine,
  config: ApiServerConfig,
  servers: JoinedServer | undefined,
): Promise<void> {
  await clusterInfo(engine, config);
  await servers?.tell();
}

/** As far as it is beyond its budget, until `signal` aborts. */
function forgetHistory(
  { store, clock, log, history = DEFAULT_HISTORY }: ApiServerDeps,
  kinds: KindIndex,
  keys: KeySpace,
  signal: AbortSignal,
): void {
  const shortLived = kinds.stored.filter((kind) => kind.shortLived).map((kind) => keys.prefix(kind));
  keepCompacted(store, shortLived, history, { clock, log, signal });
}

function formatsOf(kinds: KindIndex, { schemas, descriptions, documents }: ApiServerDeps) {
  return wireFormats(schemas, openApiDocuments(kinds.all, schemas, descriptions, documents));
}

function tunnelsOf(objects: ObjectReader, clock: Clock, signal: AbortSignal): NodeLinks {
  const tunnels = new NodeLinks(clock);
  dropRemovedNodes(objects, tunnels, signal);
  return tunnels;
}

/** Servers that share the store reach each other's nodes. */
function peered(local: NodeLinks, objects: ObjectReader, { peer, config, clock }: ApiServerDeps): NodeLink {
  const { advertise, sharedStore } = config;
  if (!peer || !advertise || !sharedStore) return local;
  return new PeeredLinks({
    local,
    peers: () => otherServers(objects, advertise, clock.now()).map(peer),
    clock,
  });
}

/** The engine as the configuration of priority and fairness sees it. */
function flowObjects(engine: ObjectEngine, signal: AbortSignal): FlowObjects {
  const context = internalContext(BOOTSTRAP_ACTOR, 'priority and fairness', signal);
  return {
    fresh: () => engine.fresh(),
    list: (kind) => engine.list(kind),
    onChange: (kind, listener) => engine.onChange(kind, listener),
    updateStatus(name, change) {
      const produce: Produce = (current) => change(current as FlowSchema);
      const options = { context, scope: 'status', subresource: 'status' } as const;
      return engine.modify(FlowSchemaKind as unknown as Kind, undefined, name, produce, options);
    },
  };
}

function objectCounts(kinds: KindIndex, cache: WatchCache): ObjectCount[] {
  return kinds.stored.map((kind) => ({ resource: resourceName(kind), count: cache.of(kind).size }));
}

/** What stands between the store's bytes and the server's objects. */
interface Data {
  keys: KeySpace;
  base: VersionBase;
  codec: KeyRing;
  cache: WatchCache;
}

/** Refuses a store that is not whole, or whose keys are not there, before anything is written to it. */
async function openData(deps: ApiServerDeps, kinds: KindIndex): Promise<Data> {
  const { store, clock, random, log, config } = deps;
  const keys = keySpace(config.cluster);
  await refuseHalfRestored(store, keys);
  const base = await readBase(store, keys.base);
  const shared = config.sharedStore ?? false;
  const settings = deps.encryption ?? NO_ENCRYPTION;
  const codec = await KeyRing.open({ store, keys, settings, random, now: () => clock.now(), shared });
  const cache = new WatchCache({ store, keys, base, codec, clock, log, kinds: kinds.stored, shared });
  return { keys, base, codec, cache };
}

function pathHandlers(
  { store, clock, config, leaveStore, paths = [] }: ApiServerDeps,
  data: Data,
  engine: ObjectEngine,
): PathHandler[] {
  const { keys, base, codec, cache } = data;
  const seen = (revision: number) => cache.waitFor(base.version(revision));
  return [
    backupHandler({ store, keys, cluster: config.cluster, clock }),
    rotationHandler({ store, keys, ring: codec, now: () => clock.now(), seen }),
    removalHandler({ engine, clock, ownNode: config.node?.name, leaveStore }),
    ...paths,
  ];
}

async function prepareCluster(
  engine: ObjectEngine,
  kinds: readonly Kind[],
  config: ApiServerConfig,
  standard: ServerAuthorizer | undefined,
): Promise<void> {
  await bootstrap(engine, kinds, config);
  if (standard) await reconcilePolicy(engine);
}

async function joined(
  engine: ObjectEngine,
  { config, clock, log }: ApiServerDeps,
  signal: AbortSignal,
): Promise<JoinedServer | undefined> {
  const { advertise, sharedStore = false, node, authorities, version } = config;
  if (node && (await bindOwnNode(engine, node)))
    signal.addEventListener('abort', labelOwnNode(engine, node.name, log), { once: true });
  else if (node)
    log.error('Another machine has joined under this name: name this one otherwise, or delete that Node', {
      node: node.name,
    });
  if (!advertise) return undefined;
  const deps = { engine, clock, log, self: advertise, shared: sharedStore, authorities };
  return await joinServers({ ...deps, ...(version && { version }) }, signal);
}

function healthOf(cache: WatchCache): Health {
  return cache.failure ? { ok: false, message: cache.failure.message } : { ok: true };
}

function checksOf(cache: WatchCache, store: Store, isReady: () => boolean): Check[] {
  return [
    { name: 'ping', fault: () => undefined },
    { name: 'store', fault: () => cache.failure?.message },
    // To start the server anew would not help; reads go on.
    { name: 'store-writes', readiness: true, fault: () => store.condition() },
    {
      name: 'bootstrap',
      readiness: true,
      fault: () => (isReady() ? undefined : 'the cluster is being prepared'),
    },
  ];
}

function addressText({ advertise }: ApiServerConfig): string {
  return advertise ? `${advertise.address}:${advertise.port}` : '';
}
