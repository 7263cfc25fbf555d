/** A node in memory that runs the agent's own logic for pods; what it stands on outlives a crash of the agent. */
import { NodeKind } from '#api/kinds/node.ts';
import { PodKind } from '#api/kinds/pod.ts';
import type { Client } from '#client/contract.ts';
import { startInformer } from '#client/informer.ts';
import type { Clock } from '#machinery/clock.ts';
import { MemoryFiles } from '#machinery/files-memory.ts';
import { silentLogger } from '#machinery/log.ts';
import type { Random } from '#machinery/random.ts';
import { FakeNetwork } from '#network/fake/network.ts';
import { checkpoints } from '#node-agent/pods/checkpoint.ts';
import type { PodContext } from '#node-agent/pods/context.ts';
import { startRoster } from '#node-agent/pods/roster.ts';
import { statusWriter } from '#node-agent/pods/status-writer.ts';
import { UserIds } from '#node-agent/pods/user-ids.ts';
import type { MachineFacts } from '#node-agent/registration/node.ts';
import { keepRegistered, podCidrsOf, registerNode } from '#node-agent/registration/register.ts';
import { podSources } from '#node-agent/sources/sources.ts';
import { podTokens } from '#node-agent/sources/tokens.ts';
import type { Image } from '#oci/contract.ts';
import { FakeRuntime } from '#runtime/fake/index.ts';
import { FakeSnapshots } from '#snapshots/fake/index.ts';

const GIB = 1024 ** 3;

const IMAGE: Image = {
  id: 'sha256:1',
  names: ['busybox'],
  config: {
    ...{ entrypoint: [], cmd: [], env: [], workingDir: '', user: '', exposedPorts: [], volumes: [] },
    ...{ labels: {}, stopSignal: '', architecture: 'amd64', os: 'linux' },
  },
  layers: ['/layers/1'],
  sizeBytes: 1,
  source: 'registry',
};

/** What an agent is started with; its clock may be wrong. */
export interface AgentDeps {
  client: Client;
  clock: Clock;
  random: Random;
  signal: AbortSignal;
}

export class SimulatedNode {
  readonly name: string;
  readonly #files = new MemoryFiles();
  readonly #addresses = new MemoryFiles();
  readonly #snapshots = new FakeSnapshots();
  #runtime: FakeRuntime;

  /** `clock`: the true time, by which programs run. */
  constructor(name: string, clock: Clock) {
    this.name = name;
    this.#runtime = new FakeRuntime({ clock });
  }

  /** UIDs of the pods that have a sandbox here. */
  async sandboxes(): Promise<string[]> {
    return (await this.#runtime.reopen().list()).map(({ id }) => id);
  }

  /** The end of a sandbox by itself, as when its monitor is killed. */
  loseSandbox(uid: string): void {
    this.#runtime.loseSandbox(uid);
  }

  /** Lets the next call of that name to the runtime fail. */
  failRuntime(call: 'createSandbox' | 'startContainer' | 'stopContainer' | 'removeSandbox'): void {
    this.#runtime.fail(call);
  }

  /** Runs an agent until the signal aborts, which is its crash. */
  async start(deps: AgentDeps): Promise<void> {
    const { client, clock, random, signal } = deps;
    const runtime = this.#runtime.reopen();
    this.#runtime = runtime;
    signal.addEventListener('abort', () => {
      this.#runtime = runtime.reopen();
      void runtime.close();
    });
    const registration = {
      ...{ client, clock, signal, log: silentLogger, facts: this.#facts() },
      health: async () => ({
        notReady: '',
        pressure: new Set<never>(),
      }),
    };
    const node = await registerNode(registration);
    keepRegistered(node, registration);
    const podCidrs = await this.#blocks(deps);
    const network = new FakeNetwork(this.#addresses);
    await network.start({
      ...{ instance: 'test01', podCidrs, clusterCidrs: [], serviceCidrs: [] },
      ...{ nodePortRange: { from: 1, to: 2 }, dnsAddress: '10.96.0.10' },
    });
    const context = this.#context(deps, network, runtime);
    const informer = startInformer({
      ...{ client, clock, random, signal, kind: PodKind },
      fieldSelector: `spec.nodeName=${this.name}`,
    });
    const kept = checkpoints(this.#files, context.paths, clock, silentLogger);
    await startRoster({ context, tokens: podTokens(client, clock), checkpoints: kept, informer });
  }

  async #blocks({ client, clock, random, signal }: AgentDeps): Promise<string[]> {
    const looked = new AbortController();
    const over = AbortSignal.any([signal, looked.signal]);
    const common = { client, clock, random };
    const nodes = startInformer({
      ...{ ...common, kind: NodeKind, signal: over },
      fieldSelector: `metadata.name=${this.name}`,
    });
    const blocks = await podCidrsOf(nodes, this.name, signal);
    looked.abort();
    return blocks;
  }

  #facts(): MachineFacts {
    return {
      ...{ name: this.name, addresses: ['192.0.2.1'], cpus: 16, memoryBytes: 16 * GIB },
      ...{
        storageBytes: 100 * GIB,
        allocatable: { cpuMilli: 16_000, memoryBytes: 16 * GIB, storageBytes: 100 * GIB, pids: 32_768 },
        podLimit: 110,
        architecture: 'amd64',
        kernelVersion: '6',
        osImage: 'none',
      },
      ...{ machineId: this.name, bootId: this.name, version: 'test' },
      runtime: { version: 'fake', cgroup: 'v2', features: {}, handlers: [] },
    };
  }

  #context(deps: AgentDeps, network: FakeNetwork, runtime: FakeRuntime): PodContext {
    const { client, clock, random, signal } = deps;
    return {
      ...{ clock, client, runtime, network, signal, log: silentLogger, volumes: [] },
      userIds: new UserIds(runtime),
      snapshots: this.#snapshots,
      paths: { dataDir: '/data', memoryDir: '/memory' },
      recorder: { record() {} },
      images: { ensure: async () => ({ image: IMAGE, imageId: IMAGE.id }) },
      sources: podSources({ client, clock, random, signal, onChange() {} }),
      prober: {
        start: ({ tell }) => {
          tell({ is: 'started' });
          tell({ is: 'ready', ready: true });
        },
        stop() {},
        stopPod() {},
      },
      httpGet: async () => ({ status: 200, body: '' }),
      status: statusWriter({ client, clock, signal, log: silentLogger }),
      files: {
        ...{ put: async () => {}, head: async () => '', tail: async () => '' },
        ...{ mkdir: async () => {}, list: async () => [], remove: async () => {} },
      },
      profiles: {
        defaultCapabilities: [],
        allCapabilities: [],
        seccomp: () => undefined,
        seccompProfile: () => undefined,
        maskedPaths: [],
        readOnlyPaths: [],
      },
      node: {
        ...{ name: this.name, hostIPs: ['192.0.2.1'], allocatable: {}, memoryBytes: 16 * GIB, hosts: '' },
        resolv: { nameservers: [], searches: [], options: [] },
        ...{ dnsAddress: '10.96.0.10', clusterDomain: 'cluster.local' },
      },
      services: async () => [],
      accounts: async () => ({ passwd: '', group: '' }),
      resolveSubPath: async (volume) => volume.path,
    };
  }
}
