import { chmod, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DNS_ADDRESS_INDEX } from '#api/semantics/services.ts';
import { restClient } from '#client/rest.ts';
import { systemClock } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import { systemFiles } from '#machinery/files.ts';
import { type Logger, textLogger } from '#machinery/log.ts';
import { proxiedFetch } from '#machinery/proxy/fetch.ts';
import { systemRandom } from '#machinery/random.ts';
import { formatAddress, nthAddress, parseCidr } from '#machinery/values/cidr.ts';
import { domainRecords } from '#network/dns/records.ts';
import { parseResolvConf, withoutLoops } from '#network/dns/resolv-conf.ts';
import { startDns } from '#network/dns/server.ts';
import { Zone } from '#network/dns/zone.ts';
import { type AgentConfig, agent as agentComponent, type RunningAgent } from '#node-agent/agent.ts';
import { imagesInUse } from '#node-agent/images/in-use.ts';
import { keepCertificate, type RenewalDeps } from '#node-agent/registration/certificate.ts';
import { readMachine, readSignals, readUse } from '#node-agent/registration/machine.ts';
import { allocatableOf, ReservationError } from '#node-agent/registration/reservation.ts';
import { ServerClock } from '#node-agent/registration/server-clock.ts';
import type { ImageStore } from '#oci/contract.ts';
import { openImageStore } from '#oci/images/store.ts';
import { NativeUnpacker } from '#runtime/native/unpacker.ts';
import { volumeDrivers } from '#volumes/index.ts';
import { programs, version } from './assets.ts';
import { type NodeIdentity, readIdentity } from './certificates/identity.ts';
import { registryProxy, serverProxy } from './connection/proxy.ts';
import { openServers } from './connection/servers.ts';
import { type ImageDoor, imageApi } from './images/image-api.ts';
import { makePrivate, memoryDirectory } from './machine/memory-dir.ts';
import { openNode } from './machine/node.ts';
import { notify } from './machine/notify.ts';
import { garbageCollected, optimizeWhenBusy, switchOptimizerOn, usedCpuMs } from './machine/optimizer.ts';
import { stopSignal } from './machine/stop.ts';
import { EXIT_FINAL } from './machine/supervise.ts';
import { machineGoesDown } from './machine/systemd.ts';
import { securityProfiles } from './options/profiles.ts';
import { evictionSettings } from './options/resource-options.ts';
import { shutdownTimes } from './options/shutdown-options.ts';
import { type AgentFlags, type AgentSettings, settle } from './options.ts';
import { movedFrom, systemAddresses } from './own-address.ts';
import { aborted } from './wait.ts';

const CLUSTER_DOMAIN = 'cluster.local';

const LONGEST_PING_MS = 10_000;

/** Source: Kubernetes, kubelet --max-pods. */
const POD_LIMIT = 110;

/** The agent role: containers, volumes, network and DNS of this node. Containers run on when it ends. */
export async function agent(flags: AgentFlags): Promise<number> {
  const settings = settle(flags);
  const log = textLogger((line) => process.stderr.write(line), settings.logLevel, systemClock, {
    part: 'agent',
  });
  const moved = new AbortController();
  const signal = AbortSignal.any([stopSignal(), moved.signal]);
  if (flags.advertiseAddress === undefined) followAddress(settings, log, signal, () => moved.abort());
  try {
    await run(settings, log, signal);
    return 0;
  } catch (error) {
    // What was still waiting for something at its start has nothing to say.
    if (signal.aborted) return 0;
    if (error instanceof ReservationError) {
      log.error('The agent cannot run', { error: error.message });
      return EXIT_FINAL;
    }
    log.error('The agent ends', { error: messageOf(error), stack: (error as Error).stack });
    return 1;
  }
}

/** Whoever supervises the agent starts it again, and it finds all that hangs on its address anew; containers run on. */
function followAddress(
  { instance, advertiseAddress }: AgentSettings,
  log: Logger,
  signal: AbortSignal,
  restart: () => void,
): void {
  movedFrom(advertiseAddress, systemAddresses(`g${instance}`), systemClock, signal).then(
    (address) => {
      log.warn('This machine has another address: the agent starts anew', { was: advertiseAddress, address });
      restart();
    },
    () => undefined, // the agent ends
  );
}

async function run(settings: AgentSettings, log: Logger, signal: AbortSignal): Promise<void> {
  const { paths, instance, nodeName, advertiseAddress } = settings;
  const clock = systemClock;
  const random = systemRandom;
  const files = systemFiles();
  const machine = await readMachine(paths.root);
  const reservations = [settings.systemReserved, settings.kubeReserved];
  const allocatable = allocatableOf(machine, reservations, evictionSettings(settings));
  const identity = await readIdentity(settings, clock, signal);
  const servers = await serversFor(settings, identity);
  const serverClock = new ServerClock(clock, settings.clockSkewTolerance);
  const transport = serverClock.watching(servers.any);
  const client = restClient({ transport, clock, userAgent: `gantry-agent/${version}` });
  const memoryDir = memoryDirectory(instance, paths, log);
  for (const path of [paths.agent, memoryDir]) makePrivate(path);
  const { runtime, network, snapshots } = await openNode(paths, instance);
  const { helper, monitors, kept } = runtime.upgraded;
  if (helper || monitors.length > 0) log.info('replaced programs', { helper, monitors: monitors.length });
  for (const { sandbox, reason } of kept)
    log.warn('a monitor runs on as the program it was', { sandbox, reason });
  await snapshots.sweep();
  const images = await openImages(paths.agent, machine.architecture);
  const zone = new Zone(CLUSTER_DOMAIN, false);
  const dnsAddress = formatAddress(nthAddress(parseCidr(settings.serviceCidr)!, DNS_ADDRESS_INDEX)!);
  zone.set('zone', domainRecords(CLUSTER_DOMAIN, [dnsAddress]));
  const crash = new AbortController();
  const starting = agentComponent.start(
    {
      config: configOf(settings, memoryDir, dnsAddress),
      ...{ servers, clock, random, log, files, runtime, network, snapshots, images, zone },
      sharing: {
        content: images,
        listen: { host: advertiseAddress, port: settings.imagePort },
        held: identity.held,
      },
      ...{ client, serverClock },
      volumes: volumeDrivers(),
      profiles: await securityProfiles(join(paths.agent, 'seccomp'), log),
      facts: {
        ...machine,
        allocatable,
        name: nodeName,
        addresses: [advertiseAddress],
        podLimit: POD_LIMIT,
        version,
        runtime: await runtime.info(),
      },
      signals: () => readSignals(paths.root),
      use: readUse,
      startDns: (ended) => serveDns(settings, dnsAddress, zone, log, ended),
    },
    crash.signal,
  );
  // It may wait for a server that does not come: an end must not wait with it.
  const running = await Promise.race([starting, aborted(signal)]);
  if (!running) return;
  renew(identity, nodeName, { client, clock, log, random, signal });
  const door = await openDoor(paths.run, images, running);
  const ready = running.ready.then(() => {
    log.info('The node is at work', { node: nodeName });
    notify(log, '--ready', '--status=The node is at work');
    const work = { clock, signal, cpuMs: usedCpuMs, onGarbage: garbageCollected };
    optimizeWhenBusy({ ...work, optimize: switchOptimizerOn });
  });
  await Promise.race([ready.then(() => aborted(signal)), aborted(signal)]);
  door.close();
  await end(running, settings, log);
  await runtime.close();
  servers.close();
}

function serversFor(
  { paths, server, nodeGracePeriod }: AgentSettings,
  { trusted, trust, held, keep }: NodeIdentity,
) {
  return openServers(systemFiles(), paths, server, {
    trusted,
    ...(trust && { trust }),
    held,
    ...(keep && { keep }),
    clock: systemClock,
    proxy: serverProxy(),
    // As often as heartbeats: a server that cannot be heard is left before it gives this node up.
    pingIntervalMs: Math.min(nodeGracePeriod / 4, LONGEST_PING_MS),
  });
}

/** What systemd grants beyond the time of pods: for what holds them, and the other roles. */
const SPARE_MS = 30_000;

/** Containers run on, unless the machine goes down with them. */
async function end(running: RunningAgent, settings: AgentSettings, log: Logger): Promise<void> {
  const { shutdownGracePeriod } = settings;
  if (shutdownGracePeriod === 0 || !(await machineGoesDown())) return await running.stop();
  log.info('The machine goes down: containers are ended', { graceMs: shutdownGracePeriod });
  notify(log, `EXTEND_TIMEOUT_USEC=${(shutdownGracePeriod + SPARE_MS) * 1000}`);
  await running.halt(shutdownTimes(settings));
}

function configOf(settings: AgentSettings, memoryDir: string, dnsAddress: string): AgentConfig {
  const { paths, instance, nodeName, advertiseAddress, nodePortRange, vxlan } = settings;
  return {
    nodeName,
    paths: { dataDir: paths.agent, memoryDir },
    clusterDomain: CLUSTER_DOMAIN,
    ...wishes(settings),
    eviction: evictionSettings(settings),
    nodeGraceMs: settings.nodeGracePeriod,
    network: {
      ...{ instance, nodePortRange, vxlan, dnsAddress },
      clusterCidrs: [settings.podCidr],
      serviceCidrs: [settings.serviceCidr],
      addresses: [advertiseAddress],
    },
  };
}

function openImages(directory: string, architecture: string) {
  return openImageStore({
    directory: join(directory, 'images'),
    files: systemFiles(),
    unpacker: new NativeUnpacker(programs),
    platform: { os: 'linux', architecture },
    fetch: proxiedFetch(registryProxy(), fetch, { clock: systemClock }),
  });
}

function renew(
  { held, keep }: NodeIdentity,
  nodeName: string,
  deps: Omit<RenewalDeps, 'held' | 'keep'>,
): void {
  if (keep) void keepCertificate(nodeName, { ...deps, held, keep });
}

/** What an administrator wants of the node besides what pods ask for. */
function wishes(settings: AgentSettings): Pick<AgentConfig, 'limits' | 'allowedUnsafeSysctls'> {
  const { memoryQos, enforceNodeAllocatable, singleProcessOomKill, allowedUnsafeSysctls } = settings;
  const limits = {
    ...(memoryQos && { memoryQos }),
    ...(enforceNodeAllocatable && { enforceNodeAllocatable }),
    ...(singleProcessOomKill && { singleProcessOomKill }),
  };
  return { limits, allowedUnsafeSysctls };
}

async function serveDns(
  settings: AgentSettings,
  dnsAddress: string,
  zone: Zone,
  log: Logger,
  ended: AbortSignal,
): Promise<void> {
  const text = await systemFiles().read('/etc/resolv.conf');
  const { nameservers } = parseResolvConf(Buffer.from(text ?? '').toString());
  const server = await startDns({
    zone,
    reverse: [settings.podCidr, settings.serviceCidr].map((cidr) => parseCidr(cidr)!),
    upstreams: withoutLoops(nameservers, [dnsAddress]).map((address) => ({ address, port: 53 })),
    stubDomains: [],
    clock: systemClock,
    random: systemRandom,
    listen: [{ address: dnsAddress, port: 53 }],
    logger: log,
  });
  ended.addEventListener('abort', () => void server.stop(), { once: true });
}

/** The local door of `gantry image`. */
async function openDoor(runDirectory: string, images: ImageStore, running: RunningAgent) {
  const path = join(runDirectory, 'agent.sock');
  await rm(path, { force: true });
  const inUse: ImageDoor['inUse'] = (all) => imagesInUse(running.roster.list(), all);
  const server = imageApi({ store: images, inUse, changed: running.imagesChanged });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  await chmod(path, 0o600);
  return server;
}
