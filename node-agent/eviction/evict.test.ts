import { beforeEach, describe, expect, test } from 'vitest';
import type { PodSpec } from '#api/objects.ts';
import { memoryLogger } from '#machinery/log.ts';
import { RuntimeError } from '#runtime/contract.ts';
import { TestNode } from '../pods/test-node.ts';
import { EvictionKeeper } from './evict.ts';
import { DEFAULT_EVICTION, type Readings } from './thresholds.ts';
import { refusalUnder } from './words.ts';

const MI = 2 ** 20;
const GI = 2 ** 30;

const SOFT = { 'memory.available': { amount: { units: 200 * MI }, graceMs: 60_000 } };

let node: TestNode;
let readings: Readings;
/** Working sets by pod. */
let used: Record<string, number>;
let told: { about: string; reason: string; message: string }[];
let reclaimed: number;
let stop: AbortController;
let keeper: EvictionKeeper;

beforeEach(async () => {
  node = new TestNode();
  [readings, used, told, reclaimed, stop] = [{}, {}, [], 0, new AbortController()];
  readings['memory.available'] = { available: GI, capacity: 4 * GI };
  keeper = new EvictionKeeper(
    { ...DEFAULT_EVICTION, soft: SOFT, maxPodGraceMs: 20_000 },
    async () => readings,
    node.clock,
  );
  node.refusal = (pod) => refusalUnder(keeper.pressure, pod);
  await node.start();
  const stats = async (sandbox: string) => {
    const name = node.roster.get(sandbox)!.pod().metadata.name!;
    if (used[name] === undefined) throw new RuntimeError('NotFound', 'it has ended');
    return { cpuNs: 0, memoryBytes: 0, memoryWorkingSetBytes: used[name], pids: used[name], oomKills: 0 };
  };
  keeper.keep({
    ...{ nodeName: 'node-1', roster: node.roster, runtime: { stats }, signal: stop.signal },
    diskUse: async (worker) => ({ bytes: used[worker.pod().metadata.name!] ?? 0, inodes: 1 }),
    reclaimDisk: async () => void reclaimed++,
    recorder: {
      record: (about, _, { reason, message = '' }) =>
        void told.push({ about: about.metadata?.name ?? '', reason, message }),
    },
    onChange: () => told.push({ about: 'node-1', reason: 'Changed', message: [...keeper.pressure].join() }),
    log: memoryLogger(node.log),
  });
});

const runs = async (name: string, memory: number, spec: Partial<PodSpec> = {}) => {
  used[name] = memory;
  await node.create(name, spec);
  await node.run(100);
};
const requesting = (memory: string): Partial<PodSpec> => ({
  containers: [
    { name: 'main', image: 'busybox:1', command: ['obedient'], resources: { requests: { memory } } },
  ],
});
const failed = () => ['a', 'b', 'c'].filter((name) => node.pod(name)?.status?.phase === 'Failed');

describe('a node that runs short of memory', () => {
  beforeEach(async () => {
    await runs('a', 300 * MI, requesting('400Mi'));
    await runs('b', 120 * MI);
    await runs('c', 80 * MI);
    readings['memory.available'] = { available: 50 * MI, capacity: 4 * GI };
  });

  test('evicts one pod after the other, and says why as the kubelet does', async () => {
    await node.run(10_000);
    const message =
      'The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. ' +
      'Container main was using 120Mi, request is 0, has larger consumption of memory. ';
    expect(failed()).toEqual(['b']);
    expect(node.pod('b')!.status).toMatchObject({ phase: 'Failed', reason: 'Evicted', message });
    expect(node.pod('b')!.status!.conditions).toContainEqual(
      expect.objectContaining({
        type: 'DisruptionTarget',
        status: 'True',
        reason: 'TerminationByKubelet',
        message,
      }),
    );
    expect(told).toEqual([
      { about: 'node-1', reason: 'Changed', message: 'MemoryPressure' },
      { about: 'node-1', reason: 'EvictionThresholdMet', message: 'Attempting to reclaim memory' },
      { about: 'b', reason: 'Evicted', message },
    ]);
    await node.run(10_000);
    expect(failed()).toEqual(['b', 'c']);
    readings['memory.available'] = { available: GI, capacity: 4 * GI };
    await node.run(60_000);
    expect(failed()).toEqual(['b', 'c']);
    expect(reclaimed).toBe(0);
  });

  test('gives an evicted pod a second to end, and nothing of it is left', async () => {
    await node.run(10_000);
    const [stopped] = node.runtime.calls.filter(({ call }) => call === 'stopContainer');
    expect(stopped).toBeDefined();
    await node.run(5_000);
    expect((await node.runtime.list()).map(({ id }) => id)).toEqual([
      node.pod('a')!.metadata.uid,
      node.pod('c')!.metadata.uid,
    ]);
  });

  test('takes no pod meanwhile that asks for no memory, and all others', async () => {
    await node.run(10_000);
    await runs('new', 0);
    const why = 'The node had condition: [MemoryPressure]. ';
    const rejected = { phase: 'Failed', reason: 'Evicted', message: `Pod was rejected: ${why}` };
    expect(node.pod('new')!.status).toMatchObject(rejected);
    await runs('asks', 0, requesting('1Mi'));
    const key = 'node.kubernetes.io/memory-pressure';
    await runs('bears', 0, { tolerations: [{ key, operator: 'Exists', effect: 'NoSchedule' }] });
    await runs('vital', 0, { priority: 2_000_001_000 });
    for (const name of ['asks', 'bears', 'vital']) expect([name, node.isReady(name)]).toEqual([name, true]);
  });

  test('leaves those that keep the cluster going alone', async () => {
    for (const name of ['a', 'b', 'c']) await node.delete(name, 0);
    await node.run(2_000);
    readings['memory.available'] = { available: GI, capacity: 4 * GI };
    await runs('vital', 900 * MI, { priority: 2_000_000_000 });
    readings['memory.available'] = { available: 50 * MI, capacity: 4 * GI };
    await node.run(60_000);
    expect(node.isReady('vital')).toBe(true);
    expect(node.log.map(({ message }) => message)).toContain(
      'The node runs short, and there is no pod to evict',
    );
  });
});

test.each([
  ['as long as it wants itself', 7, 7_000],
  ['no longer than the node lets it', 40, 20_000],
])(
  'below a soft threshold for its grace period, a pod is evicted and has time to end: %s',
  async (_, own, granted) => {
    const [stubborn] = requesting('1Mi').containers!;
    const spec = {
      containers: [{ ...stubborn!, command: ['stubborn'] }],
      terminationGracePeriodSeconds: own,
    };
    await runs('a', 300 * MI, spec);
    readings['memory.available'] = { available: 150 * MI, capacity: 4 * GI };
    const evicted = () => told.some(({ reason }) => reason === 'Evicted');
    await node.run(60_000);
    expect([[...keeper.pressure], evicted()]).toEqual([['MemoryPressure'], false]);
    while (!evicted()) await node.run(1_000);
    await node.run(granted - 2_000);
    expect(failed()).toEqual([]);
    await node.run(4_000);
    expect(node.pod('a')!.status).toMatchObject({ phase: 'Failed', reason: 'Evicted' });
    expect(node.pod('a')!.status!.message).toContain('Threshold quantity: 200Mi, available: 150Mi');
  },
);

test('a full disk is first cleared of what nobody needs', async () => {
  await runs('a', 5 * GI);
  await runs('b', 9 * GI);
  readings['nodefs.available'] = { available: GI, capacity: 100 * GI };
  await node.run(10_000);
  expect([reclaimed, failed()]).toEqual([1, ['b']]);
  expect(node.pod('b')!.status!.message).toBe(
    'The node was low on resource: ephemeral-storage. Threshold quantity: 10Gi, available: 1Gi. ',
  );
});

test('what cannot be looked at is tried again', async () => {
  const { 'memory.available': fine } = readings;
  readings = new Proxy(
    {},
    {
      get: () => {
        throw new Error('no /proc');
      },
    },
  );
  await node.run(10_000);
  expect(node.log.at(-1)).toMatchObject({ fields: { error: 'no /proc' } });
  readings = { 'memory.available': { ...fine!, available: 0 } };
  await node.run(10_000);
  expect([...keeper.pressure]).toEqual(['MemoryPressure']);
});
