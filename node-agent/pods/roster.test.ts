import { describe, expect, it } from 'vitest';
import { PodKind } from '#api/kinds/pod.ts';
import type { Pod } from '#api/objects.ts';
import { FakeCluster } from '#client/fake/fake-cluster.ts';
import { startInformer } from '#client/informer.ts';
import { settle, VirtualClock } from '#machinery/clock-virtual.ts';
import { MemoryFiles } from '#machinery/files-memory.ts';
import { silentLogger } from '#machinery/log.ts';
import { seededRandom } from '#machinery/random.ts';
import { FakeNetwork } from '#network/fake/network.ts';
import type { Image } from '#oci/contract.ts';
import { type FakeCall, FakeRuntime } from '#runtime/fake/index.ts';
import { FakeSnapshots } from '#snapshots/fake/index.ts';
import { podSources } from '../sources/sources.ts';
import { podTokens } from '../sources/tokens.ts';
import { checkpoints } from './checkpoint.ts';
import type { PodContext } from './context.ts';
import { startRoster } from './roster.ts';
import { statusWriter } from './status-writer.ts';
import { UserIds } from './user-ids.ts';

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

/** One node with everything in memory; an agent on it can be started, killed and started again. */
async function makeNode() {
  const clock = new VirtualClock();
  const random = seededRandom(1);
  const cluster = new FakeCluster({ clock, random });
  const files = new MemoryFiles();
  const snapshots = new FakeSnapshots();
  const network = new FakeNetwork();
  let runtime = new FakeRuntime({ clock });
  let stop = new AbortController();
  await network.start({
    ...{ instance: 'test01', podCidrs: ['10.244.0.0/24'], clusterCidrs: [], serviceCidrs: [] },
    ...{ nodePortRange: { from: 1, to: 2 }, dnsAddress: '10.96.0.10' },
  });
  const start = async () => {
    stop = new AbortController();
    const { signal } = stop;
    const { client } = cluster;
    const paths = { dataDir: '/data', memoryDir: '/memory' };
    const context: PodContext = {
      ...{ clock, client, runtime, snapshots, network, signal, paths, log: silentLogger, volumes: [] },
      userIds: new UserIds(runtime),
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
        put: async () => {},
        head: async () => '',
        tail: async () => '',
        mkdir: async () => {},
        list: async () => [],
        remove: async () => {},
      },
      profiles: {
        defaultCapabilities: [],
        allCapabilities: [],
        maskedPaths: [],
        readOnlyPaths: [],
        seccomp: () => undefined,
        seccompProfile: () => undefined,
      },
      node: {
        ...{ name: 'n1', hostIPs: ['192.0.2.1'], allocatable: {}, memoryBytes: 1024 ** 3, hosts: '' },
        ...{
          resolv: { nameservers: [], searches: [], options: [] },
          dnsAddress: '10.96.0.10',
          clusterDomain: 'c.l',
        },
      },
      services: async () => [],
      accounts: async () => ({ passwd: '', group: '' }),
      resolveSubPath: async (volume) => volume.path,
    };
    const informer = startInformer({
      client,
      clock,
      random,
      signal,
      kind: PodKind,
      fieldSelector: 'spec.nodeName=n1',
    });
    const kept = checkpoints(files, paths, clock, silentLogger);
    return startRoster({ context, tokens: podTokens(client, clock), checkpoints: kept, informer });
  };
  return {
    ...{ clock, cluster, network, snapshots, start },
    runtime: () => runtime,
    crash() {
      stop.abort();
      runtime = runtime.reopen();
    },
    async run(ms: number) {
      for (let i = 0; i < 20; i++) await settle();
      await clock.advance(ms);
      for (let i = 0; i < 20; i++) await settle();
    },
    pod: () => cluster.get(PodKind, { namespace: 'shop', name: 'web' }),
    create: (command: string[], spec: object = {}) =>
      cluster.client.create(PodKind, {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'web', namespace: 'shop' },
        spec: { nodeName: 'n1', containers: [{ name: 'main', image: 'busybox', command }], ...spec },
      } as Pod),
  };
}

type TestNode = Awaited<ReturnType<typeof makeNode>>;
const starts = (node: TestNode) =>
  node.runtime().calls.filter(({ call }) => call === 'startContainer').length;

async function expectNothingLeft(node: TestNode): Promise<void> {
  expect(node.pod()).toBeUndefined();
  expect(await node.runtime().list()).toEqual([]);
  expect(await node.network.attached()).toEqual(new Map());
  expect(await node.snapshots.list()).toEqual([]);
}

describe('a pod on a node', () => {
  it('runs, is ready, and leaves nothing when it is deleted', async () => {
    const node = await makeNode();
    await node.start();
    await node.create(['obedient']);
    await node.run(0);
    expect(node.pod()?.status).toMatchObject({ phase: 'Running', podIP: '10.244.0.2' });
    expect(node.pod()?.status?.containerStatuses?.[0]).toMatchObject({ ready: true, restartCount: 0 });
    await node.cluster.client.delete(PodKind, { namespace: 'shop', name: 'web' });
    await node.run(1000);
    await expectNothingLeft(node);
  });

  it('is started again at once, then after a delay that doubles', async () => {
    const node = await makeNode();
    await node.start();
    await node.create(['false']);
    await node.run(1000);
    expect(node.pod()?.status?.containerStatuses?.[0]).toMatchObject({
      restartCount: 1,
      state: { waiting: { reason: 'CrashLoopBackOff' } },
      lastState: { terminated: { exitCode: 1, reason: 'Error' } },
    });
    await node.run(10_000);
    expect(node.pod()?.status?.containerStatuses?.[0]?.restartCount).toBe(2);
    await node.run(15_000);
    expect(node.pod()?.status?.containerStatuses?.[0]?.restartCount).toBe(2);
  });

  it('ends as Succeeded when it is not to be restarted', async () => {
    const node = await makeNode();
    await node.start();
    await node.create(['true'], { restartPolicy: 'Never' });
    await node.run(1000);
    expect(node.pod()?.status?.phase).toBe('Succeeded');
    expect(await node.runtime().list()).toEqual([]);
  });

  it('is taken over by the next agent without a restart', async () => {
    const node = await makeNode();
    await node.start();
    await node.create(['obedient']);
    await node.run(1000);
    node.crash();
    await node.start();
    await node.run(1000);
    expect(starts(node)).toBe(1);
    expect(node.pod()?.status?.containerStatuses?.[0]).toMatchObject({ ready: true, restartCount: 0 });
  });

  it('is replaced when its sandbox is lost', async () => {
    const node = await makeNode();
    await node.start();
    const { uid } = (await node.create(['obedient'])).metadata;
    await node.run(1000);
    node.runtime().loseSandbox(uid!);
    await node.run(20_000);
    expect(node.pod()?.status?.containerStatuses?.[0]).toMatchObject({ ready: true, restartCount: 1 });
  });

  it('is removed when it was deleted while no agent ran', async () => {
    const node = await makeNode();
    await node.start();
    await node.create(['obedient']);
    await node.run(1000);
    node.crash();
    await node.cluster.client.delete(PodKind, { namespace: 'shop', name: 'web' }, { graceSeconds: 0 });
    await node.start();
    await node.run(5000);
    await expectNothingLeft(node);
  });

  it.each<FakeCall>(['createSandbox', 'startContainer', 'stopContainer', 'removeSandbox'])(
    'converges though %s fails once',
    async (call) => {
      const node = await makeNode();
      node.runtime().fail(call);
      await node.start();
      await node.create(['obedient']);
      await node.run(30_000);
      expect(node.pod()?.status?.phase).toBe('Running');
      await node.cluster.client.delete(PodKind, { namespace: 'shop', name: 'web' });
      await node.run(60_000);
      await expectNothingLeft(node);
    },
  );

  it.each([...Array(12).keys()])('converges though the agent dies after %i turns', async (turns) => {
    const node = await makeNode();
    await node.start();
    await node.create(['obedient']);
    for (let i = 0; i < turns; i++) await Promise.resolve();
    if (turns > 6) for (let i = 0; i < turns - 6; i++) await settle();
    node.crash();
    await node.start();
    await node.run(30_000);
    expect(node.pod()?.status?.phase).toBe('Running');
    expect((await node.runtime().list()).length).toBe(1);
    await node.cluster.client.delete(PodKind, { namespace: 'shop', name: 'web' });
    await node.run(60_000);
    await expectNothingLeft(node);
  });
});
