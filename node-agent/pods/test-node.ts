import { PodKind } from '#api/kinds/pod.ts';
import type { Pod, PodSpec } from '#api/objects.ts';
import type { Client } from '#client/contract.ts';
import { FakeCluster } from '#client/fake/fake-cluster.ts';
import { startInformer } from '#client/informer.ts';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { MemoryFiles } from '#machinery/files-memory.ts';
import type { Files } from '#machinery/io.ts';
import { type LogLine, memoryLogger } from '#machinery/log.ts';
import { seededRandom } from '#machinery/random.ts';
import type { NodeNetwork, NodeNetworkConfig } from '#network/contract.ts';
import { FakeNetwork } from '#network/fake/network.ts';
import { FakeRuntime } from '#runtime/fake/index.ts';
import { FakeSnapshots } from '#snapshots/fake/index.ts';
import type { VolumeDriver } from '#volumes/contract.ts';
import type { ImageOutcome } from '../images/images.ts';
import { prober } from '../probes/prober.ts';
import type { PodSources } from '../sources/sources.ts';
import { checkpoints } from './checkpoint.ts';
import type { PodContext } from './context.ts';
import type { PodFiles } from './pod-files.ts';
import { type PodRoster, startRoster } from './roster.ts';
import { statusWriter } from './status-writer.ts';
import { UserIds } from './user-ids.ts';

/** For tests: the pods of a node over fakes of everything, which outlive the agent. */

const NAMESPACE = 'default';
const NODE = 'node-1';
const PATHS = { dataDir: '/data', memoryDir: '/memory' };
const NETWORK: NodeNetworkConfig = {
  instance: 'abc123',
  podCidrs: ['10.244.0.0/24'],
  clusterCidrs: ['10.244.0.0/16'],
  serviceCidrs: ['10.96.0.0/16'],
  nodePortRange: { from: 30000, to: 32767 },
  dnsAddress: '10.96.0.10',
};

/** An agent that is to die at one of its calls to the outside: never made, or made without its answer being heard. */
export interface CrashPoint {
  call: number;
  when: 'before' | 'after';
}

export class TestNode {
  readonly clock = new VirtualClock();
  readonly cluster = new FakeCluster({ clock: this.clock, random: seededRandom(1) });
  readonly runtime = new FakeRuntime({
    clock: this.clock,
    handlers: [{ name: 'oci', features: { recursiveReadOnlyMounts: true, userNamespaces: false } }],
  });
  readonly snapshots = new FakeSnapshots();
  readonly files = new MemoryFiles(() => this.clock.now());
  readonly log: LogLine[] = [];
  readonly events: { reason: string; message: string }[] = [];
  /** Changing calls of agents to the outside so far, as `room.method`. */
  readonly calls: string[] = [];
  crashAt: CrashPoint | undefined;
  /** What a probe by HTTP is answered. */
  httpStatus = 200;
  /** Why new pods are not taken. */
  refusal: NonNullable<PodContext['refusal']> = () => undefined;
  /** In place of the image store. */
  image: (reference: string) => ImageOutcome = (reference) => ({
    image: imageOf(reference),
    imageId: 'sha256:1',
  });
  readonly #addresses = new MemoryFiles();
  #stop = new AbortController();
  #roster: PodRoster | undefined;

  get roster(): PodRoster {
    return this.#roster!;
  }

  /** Starts the agent; what an earlier one left is there. */
  async start(): Promise<void> {
    const stop = new AbortController();
    this.#stop = stop;
    const { clock } = this;
    const log = memoryLogger(this.log);
    const alive = { signal: stop.signal, files: this.#guard('files', this.files, stop) };
    const unguarded = new FakeNetwork(this.#addresses);
    await unguarded.start(NETWORK);
    const network = this.#guard<NodeNetwork>('network', unguarded, stop);
    const client = this.#guard<Client>('client', this.cluster.client, stop);
    const kept = checkpoints(alive.files, PATHS, clock, log);
    const context = this.#context(client, network, alive.files, stop);
    context.status = statusWriter({
      ...{ client, clock, log, signal: stop.signal },
      onWritten: (pod, status) => kept.save({ ...pod, status }),
    });
    const informer = startInformer({
      ...{ client, clock, random: seededRandom(2), signal: stop.signal, kind: PodKind },
      fieldSelector: `spec.nodeName=${NODE}`,
    });
    const tokens = {
      get: async () => ({ text: 't', renewAtMs: Number.POSITIVE_INFINITY }),
      forget: () => {},
    };
    void startRoster({ context, tokens, checkpoints: kept, informer }).then((roster) => {
      this.#roster = roster;
    });
    await this.run(0);
  }

  /** The agent ends as by kill -9: nothing it was about to do is done. */
  crash(): void {
    this.#stop.abort();
  }

  /** Whether an agent is at work; none is after its crash point was reached. */
  get alive(): boolean {
    return !this.#stop.signal.aborted;
  }

  /** Lets time pass, in small steps so that chains of timers run as they would. */
  async run(ms: number): Promise<void> {
    await this.clock.advance(ms);
    for (let i = 0; i < 5; i++) await this.clock.advance(0);
  }

  /** A pod as the scheduler has placed it here. */
  async create(name: string, spec: Partial<PodSpec> = {}): Promise<Pod> {
    const containers = [{ name: 'main', image: 'busybox:1', command: ['obedient'] }];
    const pod: Pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace: NAMESPACE },
      spec: { containers, automountServiceAccountToken: false, ...spec, nodeName: NODE },
    };
    return await this.cluster.client.create(PodKind, pod);
  }

  async delete(name: string, graceSeconds?: number): Promise<void> {
    await this.cluster.client.delete(PodKind, { name, namespace: NAMESPACE }, { graceSeconds });
  }

  pod(name: string): Pod | undefined {
    return this.cluster.get(PodKind, { name, namespace: NAMESPACE });
  }

  /** The first container's status. */
  status(name: string) {
    return this.pod(name)?.status?.containerStatuses?.[0];
  }

  isReady(name: string): boolean {
    const found = this.pod(name)?.status?.conditions?.find(({ type }) => type === 'Ready');
    return found?.status === 'True';
  }

  /** Everything of pods that is on the node, in words; empty when it is clean. */
  async traces(): Promise<string[]> {
    const found: string[] = [];
    for (const { id } of await this.runtime.list()) found.push(`sandbox ${id}`);
    for (const id of await this.snapshots.list()) found.push(`snapshot ${id}`);
    for (const name of await this.#addresses.list('/addresses')) found.push(`address ${name}`);
    const places = ['/data/pods', '/memory/pods', '/data/logs/pods', '/data/agent/pods'];
    for (const path of places) {
      for (const name of await this.files.list(path)) found.push(`file ${path}/${name}`);
    }
    return found;
  }

  /** Starts of containers' programs so far. */
  get starts(): number {
    return this.runtime.calls.filter(({ call }) => call === 'startContainer').length;
  }

  #context(client: Client, network: NodeNetwork, files: Files, stop: AbortController): PodContext {
    const { clock } = this;
    const runtime = this.#guard('runtime', this.runtime, stop);
    const recorder = {
      record: (_: unknown, __: string, why: { reason: string; message?: string }) =>
        void this.events.push({ reason: why.reason, message: why.message ?? '' }),
    } as PodContext['recorder'];
    const httpGet = async () => ({ status: this.httpStatus, body: '' });
    const io = {
      httpGet,
      tcpConnect: async () => {},
      grpcCheck: async () => ({ ok: true, message: '' }),
      runtime,
      clock,
    };
    return {
      ...{ clock, client, recorder, runtime, network, httpGet },
      log: memoryLogger(this.log),
      snapshots: this.#guard('snapshots', this.snapshots, stop),
      images: { ensure: async (_, container) => this.image(container.image ?? '') },
      sources: NO_SOURCES,
      volumes: [emptyDirectories(files)],
      userIds: new UserIds(runtime),
      prober: prober(io, recorder, stop.signal),
      status: { put: () => {}, flush: async () => {}, forget: () => {} },
      files: podFilesOver(files),
      profiles: {
        defaultCapabilities: [],
        allCapabilities: [],
        maskedPaths: [],
        readOnlyPaths: [],
        seccomp: () => undefined,
        seccompProfile: () => undefined,
      },
      paths: PATHS,
      node: {
        name: NODE,
        hostIPs: ['192.0.2.1'],
        allocatable: { cpu: '2', memory: '4294967296' },
        memoryBytes: 4_294_967_296,
        allowedUnsafeSysctls: ['kernel.msg*'],
        hosts: '127.0.0.1 localhost\n',
        resolv: { nameservers: [], searches: [], options: [] },
        dnsAddress: '10.96.0.10',
        clusterDomain: 'cluster.local',
      },
      services: async () => [],
      accounts: async () => ({ passwd: '', group: '' }),
      resolveSubPath: async () => '/nowhere',
      refusal: (pod) => this.refusal(pod),
      signal: stop.signal,
    };
  }

  /** The agent's own hold of a part that outlives it: counts its calls, and hears and does nothing once it is dead. */
  #guard<T extends object>(room: string, part: T, stop: AbortController): T {
    const never = () => new Promise<never>(() => {});
    return new Proxy(part, {
      get: (target, key) => {
        const value: unknown = Reflect.get(target, key, target);
        if (typeof value !== 'function') return value;
        if (!CHANGES.has(String(key))) {
          return key === 'watch'
            ? value.bind(target)
            : async (...args: unknown[]) => {
                if (stop.signal.aborted) return never();
                const result: unknown = await value.apply(target, args);
                return stop.signal.aborted ? never() : result;
              };
        }
        return async (...args: unknown[]) => {
          if (stop.signal.aborted) return never();
          const call = this.calls.push(`${room}.${String(key)}`) - 1;
          const hit = this.crashAt?.call === call ? this.crashAt.when : undefined;
          const dies = (when: CrashPoint['when']) => {
            if (hit === when) stop.abort();
          };
          dies('before');
          if (stop.signal.aborted) return never();
          const result: unknown = await value.apply(target, args);
          dies('after');
          return stop.signal.aborted ? never() : result;
        };
      },
    });
  }
}

/** Methods that change something outside of the agent. */
const CHANGES = new Set([
  ...['createSandbox', 'removeSandbox', 'startContainer', 'stopContainer', 'removeContainer'],
  ...['attach', 'detach', 'prepare', 'remove', 'write', 'mkdir', 'patch', 'delete', 'create', 'update'],
]);

const NO_SOURCES: PodSources = {
  acquire: async () => {},
  release: () => {},
  configMap: () => undefined,
  secret: () => undefined,
};

function imageOf(reference: string) {
  const config = {
    entrypoint: [],
    cmd: [],
    env: [],
    workingDir: '/',
    user: '',
    exposedPorts: [],
    volumes: [],
  };
  const platform = { labels: {}, stopSignal: '', architecture: 'amd64', os: 'linux' };
  const layers = [`/layers/${reference.replace(/[^a-z0-9]/g, '-')}`];
  return {
    id: 'sha256:1',
    names: [reference],
    config: { ...config, ...platform },
    layers,
    sizeBytes: 1,
    source: 'registry' as const,
  };
}

function emptyDirectories(files: Files): VolumeDriver {
  return {
    name: 'empty-dir',
    accepts: (volume) => volume.emptyDir !== undefined,
    inMemory: (volume) => volume.emptyDir?.medium === 'Memory',
    async mount({ directory }) {
      await files.mkdir(directory);
      return { path: directory, readOnly: false };
    },
    unmount: ({ directory }) => files.remove(directory),
  };
}

function podFilesOver(files: Files): PodFiles {
  const text = async (path: string) => Buffer.from((await files.read(path)) ?? '').toString();
  return {
    async put(path, content, mode) {
      await files.mkdir(path.slice(0, path.lastIndexOf('/')));
      await files.write(path, content, mode);
    },
    head: async (path, limit) => (await text(path)).slice(0, limit),
    tail: async (path, limit) => (await text(path)).slice(-limit),
    mkdir: (path) => files.mkdir(path),
    list: (path) => files.list(path),
    remove: (path) => files.remove(path),
  };
}
