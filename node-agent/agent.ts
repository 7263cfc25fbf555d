import type { Server } from 'node:http';
import { PodKind } from '#api/kinds/pod.ts';
import type { NodeUse } from '#api/node-link.ts';
import type { Node, Pod } from '#api/objects.ts';
import { conditionOf } from '#api/semantics/conditions.ts';
import type { Client, Informer } from '#client/contract.ts';
import { type EventRecorder, eventRecorder } from '#client/events.ts';
import { startInformer } from '#client/informer.ts';
import { type Clock, every } from '#machinery/clock.ts';
import type { Component, Health, Running } from '#machinery/component.ts';
import { messageOf } from '#machinery/errors.ts';
import type { Files } from '#machinery/io.ts';
import type { Logger } from '#machinery/log.ts';
import type { Random } from '#machinery/random.ts';
import { dialTcp } from '#machinery/tunnel/dial.ts';
import type { NodeNetwork, NodeNetworkConfig } from '#network/contract.ts';
import { parseResolvConf } from '#network/dns/resolv-conf.ts';
import type { Zone } from '#network/dns/zone.ts';
import type { ImageStore } from '#oci/contract.ts';
import type { Runtime } from '#runtime/contract.ts';
import type { Snapshots } from '#snapshots/contract.ts';
import type { VolumeDriver } from '#volumes/contract.ts';
import { podDiskUse } from './eviction/disk-use.ts';
import { EvictionKeeper } from './eviction/evict.ts';
import type { EvictionSettings, Readings } from './eviction/thresholds.ts';
import { refusalUnder } from './eviction/words.ts';
import { type SharedImages, type Sharing, shareImages } from './images/cluster.ts';
import { type Disk, type ImageCollector, imageCollector, keepImagesInBounds } from './images/collect.ts';
import { imageService } from './images/images.ts';
import { imagesInUse } from './images/in-use.ts';
import { Pulls } from './images/pulls.ts';
import { keepSpread } from './images/spread.ts';
import { TrackedImages } from './images/tracked.ts';
import { keepLogsSmall } from './logs/rotate.ts';
import type { AgentPaths } from './paths.ts';
import { checkpoints } from './pods/checkpoint.ts';
import type { NodeFacts, PodContext } from './pods/context.ts';
import { systemPodFiles } from './pods/pod-files.ts';
import { type PodRoster, type ShutdownTimes, startRoster } from './pods/roster.ts';
import { statusWriter } from './pods/status-writer.ts';
import { UserIds } from './pods/user-ids.ts';
import { systemGrpcCheck } from './probes/grpc.ts';
import { systemHttpGet } from './probes/http.ts';
import { prober } from './probes/prober.ts';
import { systemTcpConnect } from './probes/try.ts';
import { clockOf, tellOfClock } from './registration/clock-condition.ts';
import { blocksOf, startNetwork } from './registration/network.ts';
import { allocatableQuantities, type MachineFacts, nodeNamed } from './registration/node.ts';
import { keepPeers } from './registration/peers.ts';
import { keepRegistered, type Registration, registerNode } from './registration/register.ts';
import type { ServerClock } from './registration/server-clock.ts';
import { type AgentServerContext, agentServer } from './server/index.ts';
import { podDialler } from './server/pod-dial.ts';
import { keepTunnels, type Servers } from './servers.ts';
import { type ServiceSync, syncServices } from './services/sync.ts';
import { podSources } from './sources/sources.ts';
import { podTokens } from './sources/tokens.ts';
import { readAccountFiles } from './spec/account-files.ts';
import { type LimitWishes, limitOptions } from './spec/limits.ts';
import { resolveSubPath } from './spec/mounts.ts';
import type { Rejection } from './spec/rejection.ts';
import type { SecurityProfiles } from './spec/security.ts';
import { podStats } from './stats/stats.ts';

export interface AgentConfig {
  nodeName: string;
  paths: AgentPaths;
  clusterDomain: string;
  /** How pods are limited besides what their specs say. */
  limits?: LimitWishes;
  allowedUnsafeSysctls?: readonly string[];
  /** When pods have to go because the machine runs short. */
  eviction: EvictionSettings;
  /** How long the node may be silent before it counts as lost. */
  nodeGraceMs?: number;
  /** Everything of the node's network but its own blocks, which the cluster gives. */
  network: Omit<NodeNetworkConfig, 'podCidrs'>;
}

/** Everything the agent acts through; cmd makes the real ones. */
export interface AgentDeps {
  config: AgentConfig;
  client: Client;
  servers: Servers;
  clock: Clock;
  random: Random;
  log: Logger;
  files: Files;
  runtime: Runtime;
  snapshots: Snapshots;
  network: NodeNetwork;
  images: ImageStore;
  /** Left out: this node gives others no images, and knows of none of theirs. */
  sharing?: Sharing;
  volumes: readonly VolumeDriver[];
  profiles: SecurityProfiles;
  facts: MachineFacts;
  /** What may run short on the machine, as it is now. */
  signals(): Promise<Readings>;
  /** Compares the machine's clock with the servers', by the answers to `client`. */
  serverClock: ServerClock;
  /** What the whole machine uses. */
  use(): Promise<NodeUse['machine']>;
  zone: Zone;
  /** Called once the node's network is up: starts what listens on it. */
  startDns(signal: AbortSignal): Promise<void>;
}

export interface RunningAgent extends Running {
  readonly roster: PodRoster;
  /**
   * In place of `stop`, when the machine goes down: ends all containers as their pods ask for, in their time, and what holds them.
   * The pods stay, and start anew when the machine is back.
   */
  halt(times: ShutdownTimes): Promise<void>;
  /** To be told when images have come or gone by another way than pods. */
  imagesChanged(): void;
}

/** Source: kubelet, graceful node shutdown. */
const SHUTTING_DOWN = 'node is shutting down';
const AT_SHUTDOWN: Rejection = {
  reason: 'NodeShutdown',
  message: 'Pod was rejected as the node is shutting down.',
};

/** How often the kernel is compared with what was planned for it. */
const AUDIT_MS = 30_000;

/** The node agent as a Component. */
export interface AgentComponent extends Component<AgentDeps> {
  start(deps: AgentDeps, signal: AbortSignal): Promise<RunningAgent>;
}

export const agent: AgentComponent = { name: 'agent', start: startAgent };

async function startAgent(deps: AgentDeps, signal: AbortSignal): Promise<RunningAgent> {
  const { config, client, clock, random, log, network } = deps;
  const over = new AbortController();
  const ended = AbortSignal.any([signal, over.signal]);
  const state = { notReady: 'the network is not set up' };
  const eviction = new EvictionKeeper(config.eviction, deps.signals, clock);
  await eviction.look();
  const registration = {
    ...{ client, clock, log, facts: deps.facts, signal: ended },
    ...(config.nodeGraceMs && { graceMs: config.nodeGraceMs }),
    health: async () => ({
      ...clockOf(deps.serverClock),
      pressure: eviction.pressure,
      notReady: state.notReady,
      images: await deps.images.list(),
    }),
  };
  await startNetwork(deps, await blocksOf(deps, registration, ended));
  await deps.startDns(ended);
  const pods = startInformer({
    ...{ client, clock, random, signal: ended, kind: PodKind },
    fieldSelector: `spec.nodeName=${config.nodeName}`,
    onError: (error) => log.debug('The watch of pods broke', { error: messageOf(error) }),
  });
  const services = syncServices({
    ...{ client, clock, random, log, network, zone: deps.zone, pods, signal: ended },
    nodeName: config.nodeName,
    clusterDomain: config.clusterDomain,
  });
  let registered: Registration | undefined;
  const peers = keepPeers({
    ...{ client, clock, random, log, network, nodeName: config.nodeName, signal: ended },
    // The server had not heard of this node for a while: it must know soon that it is back.
    onSelf: (node) => {
      if (conditionOf(node.status?.conditions, 'Ready')?.status === 'Unknown') registered?.touch();
    },
  });
  const kept = checkpoints(deps.files, config.paths, clock, log);
  const about = { component: 'kubelet', host: config.nodeName };
  const recorder = eventRecorder({ client, clock, ...about, signal: ended });
  const touch = () => registered?.touch();
  const images = new TrackedImages(deps.images, clock, touch);
  const { shared, pulls } = startSharing(deps, images, peers.nodes, ended);
  const refusal = (pod: Pod) =>
    state.notReady === SHUTTING_DOWN ? AT_SHUTDOWN : refusalUnder(eviction.pressure, pod);
  const roster = await startPods(deps, { services, pods, kept, recorder, pulls, refusal }, ended);
  const server = serveThroughTunnel(deps, { roster, imageBytes: bytesOf(pulls, shared) }, ended);
  tellOfClock(deps.serverClock, nodeNamed(config.nodeName), recorder, touch);
  const collector = keepNodeClean(deps, { roster, recorder, images, pulls, shared }, ended);
  eviction.keep({
    ...{ roster, recorder, log, runtime: deps.runtime, nodeName: config.nodeName, signal: ended },
    diskUse: (worker) => podDiskUse(worker, deps.snapshots, config.paths),
    reclaimDisk: () => collector.collect(),
    onChange: touch,
  });
  auditForEver(network, clock, log, ended);
  const ready = Promise.all([services.synced, peers.synced]).then(async () => {
    state.notReady = '';
    const node = await registerNode(registration);
    await shared?.serve();
    registered = keepRegistered(node, registration);
  });
  const stop = async () => {
    await kept.flush();
    over.abort();
    server.closeAllConnections();
  };
  return {
    roster,
    imagesChanged: touch,
    ready,
    health: (): Health => (state.notReady ? { ok: false, message: state.notReady } : { ok: true }),
    stop,
    async halt(times) {
      state.notReady = SHUTTING_DOWN;
      registered?.touch();
      await roster.halt(times);
      await stop();
      const sandboxes = await deps.runtime.list();
      await Promise.all(sandboxes.map(({ id }) => deps.runtime.removeSandbox(id)));
    },
  };
}

function bytesOf({ received }: Pulls, shared: SharedImages | undefined): AgentServerContext['imageBytes'] {
  return () => ({ ...received, sent: shared?.sentBytes() ?? 0 });
}

/** What this node and the others have to do with each other's images, and what brings them here. */
function startSharing(
  deps: AgentDeps,
  images: TrackedImages,
  nodes: Informer<Node>,
  signal: AbortSignal,
): { shared: SharedImages | undefined; pulls: Pulls } {
  const { config, sharing, client, clock, random, log } = deps;
  const shared =
    sharing && shareImages({ sharing, client, clock, random, log, nodes, nodeName: config.nodeName, signal });
  return { shared, pulls: new Pulls(images, shared, signal) };
}

interface CleanParts extends Pick<PodParts, 'recorder' | 'pulls'> {
  roster: PodRoster;
  images: TrackedImages;
  shared: SharedImages | undefined;
}

/** Keeps what grows by itself from filling the disk, logs and images, and what the cluster wants here. */
function keepNodeClean(
  deps: AgentDeps,
  { roster, recorder, images, pulls, shared }: CleanParts,
  signal: AbortSignal,
): ImageCollector {
  const { config, clock, log, runtime, files } = deps;
  void keepLogsSmall({ roster, runtime, files, paths: config.paths, clock, log, signal });
  const common = { images, clock, log, nodeName: config.nodeName, signal };
  const disk = async (): Promise<Disk> => {
    const { available, capacity } = (await deps.signals())['imagefs.available']!;
    return { capacityBytes: capacity, availableBytes: available };
  };
  const isElsewhere = shared && { isElsewhere: shared.isElsewhere };
  const options = { ...common, roster, recorder, disk, ...isElsewhere };
  const collector = imageCollector(options);
  const keep = () => {
    void keepImagesInBounds(options, collector);
    if (!shared) return;
    const inUse = (all: Parameters<typeof imagesInUse>[1]) => imagesInUse(roster.list(), all);
    void keepSpread({ ...common, pulls, inUse, disk, loaded: shared.all, onChange: shared.onChange });
  };
  // Not before everything that runs has its pod: its image would look unused.
  void roster.settled.then(keep, keep);
  return { collect: () => roster.settled.then(() => collector.collect()) };
}

/** The agent's HTTP server, which is reached only through the tunnel that it keeps open to the apiserver. */
function serveThroughTunnel(
  deps: AgentDeps,
  { roster, imageBytes }: Pick<AgentServerContext, 'imageBytes'> & { roster: PodRoster },
  signal: AbortSignal,
): Server {
  const { config, servers, client, clock, random, log, runtime } = deps;
  const server = agentServer({
    ...{ roster, runtime, clock, log, imageBytes, paths: config.paths },
    stats: async () => ({ machine: await deps.use(), pods: await podStats(roster, runtime) }),
  });
  const dialPod = podDialler({
    pods: () => roster.list(),
    hostIPs: deps.facts.addresses,
    connect: (address) => dialTcp(address, clock),
  });
  keepTunnels({ servers, client, clock, random, log, signal }, { node: config.nodeName, server, dialPod });
  return server;
}

interface PodParts {
  services: ServiceSync;
  pods: Informer<Pod>;
  kept: ReturnType<typeof checkpoints>;
  recorder: EventRecorder;
  pulls: Pulls;
  refusal: NonNullable<PodContext['refusal']>;
}

async function startPods(
  deps: AgentDeps,
  { services, pods, kept, recorder, pulls, refusal }: PodParts,
  signal: AbortSignal,
): Promise<PodRoster> {
  const { config, client, clock, random, log, runtime } = deps;
  const tokens = podTokens(client, clock);
  let roster: PodRoster | undefined;
  const sources = podSources({
    client,
    clock,
    random,
    signal,
    onChange: (uid) => roster?.sourcesChanged(uid),
  });
  const io = {
    httpGet: systemHttpGet,
    tcpConnect: systemTcpConnect,
    grpcCheck: systemGrpcCheck,
    runtime,
    clock,
  };
  const context: PodContext = {
    ...{ clock, log, client, recorder, runtime, signal, sources },
    snapshots: deps.snapshots,
    network: deps.network,
    images: imageService({ pulls, sources, recorder, clock }),
    volumes: deps.volumes,
    userIds: new UserIds(runtime),
    prober: prober(io, recorder, signal),
    httpGet: systemHttpGet,
    status: statusWriter({
      ...{ client, clock, log, signal },
      onWritten: (pod, status) => kept.save({ ...pod, status }),
    }),
    files: systemPodFiles,
    profiles: deps.profiles,
    paths: config.paths,
    node: await nodeFacts(deps),
    services: () => services.services(),
    accounts: readAccountFiles,
    resolveSubPath,
    refusal,
  };
  roster = await startRoster({ context, tokens, checkpoints: kept, informer: pods });
  return roster;
}

/** Small systems have not every file; such a one says nothing. */
async function textOf(files: Files, path: string): Promise<string> {
  return Buffer.from((await files.read(path)) ?? '').toString();
}

async function nodeFacts({ config, facts, files }: AgentDeps): Promise<NodeFacts> {
  return {
    name: facts.name,
    hostIPs: facts.addresses,
    allocatable: allocatableQuantities(facts),
    memoryBytes: facts.memoryBytes,
    limits: limitOptions(facts.runtime, config.limits ?? {}, facts.memoryBytes),
    ...(config.limits?.enforceNodeAllocatable && { enforced: facts.allocatable }),
    allowedUnsafeSysctls: config.allowedUnsafeSysctls ?? [],
    hosts: await textOf(files, '/etc/hosts'),
    resolv: parseResolvConf(await textOf(files, '/etc/resolv.conf')),
    dnsAddress: config.network.dnsAddress,
    clusterDomain: config.clusterDomain,
  };
}

/** What somebody else changed in the kernel is put right. */
function auditForEver(network: NodeNetwork, clock: Clock, log: Logger, signal: AbortSignal): void {
  every(clock, AUDIT_MS, signal, async () => {
    try {
      for (const found of await network.audit())
        log.warn('The network was not as planned and is mended', { found });
    } catch (error) {
      if (!signal.aborted) log.warn('The network could not be audited', { error: messageOf(error) });
    }
  });
}
