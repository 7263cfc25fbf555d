import { beforeEach, describe, expect, test } from 'vitest';
import { LeaseKind } from '#api/kinds/lease.ts';
import { NodeKind } from '#api/kinds/node.ts';
import { FakeCluster } from '#client/fake/fake-cluster.ts';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { StatusError } from '#machinery/errors.ts';
import { silentLogger } from '#machinery/log.ts';
import { seededRandom } from '#machinery/random.ts';
import type { Image } from '#oci/contract.ts';
import { fakeImage } from '#oci/fake/index.ts';
import { type MachineFacts, type NodeHealth, nodeStatus } from './node.ts';
import { keepRegistered, type RegistrationOptions, registerNode } from './register.ts';

const HANDLERS = ['', 'oci'].map((name) => ({
  name,
  features: { recursiveReadOnlyMounts: true, userNamespaces: name === '' },
}));
const FACTS: MachineFacts = {
  name: 'node-1',
  addresses: ['192.0.2.1', '2001:db8::1'],
  cpus: 2,
  memoryBytes: 4 * 2 ** 30,
  storageBytes: 20 * 2 ** 30,
  allocatable: { cpuMilli: 1_500, memoryBytes: 3 * 2 ** 30, storageBytes: 18 * 2 ** 30, pids: 30_000 },
  podLimit: 110,
  architecture: 'amd64',
  kernelVersion: '6.18.0',
  osImage: 'Debian',
  machineId: 'm',
  bootId: 'b',
  version: '0.1.0',
  runtime: { version: '1', cgroup: 'hybrid', features: { idmap: true, psi: false }, handlers: HANDLERS },
};
const HEALTHY: NodeHealth = {
  notReady: '',
  pressure: new Set(),
};
const NOW = Date.UTC(2026, 0, 1);

describe('the status of a node', () => {
  const conditions = (health: Partial<NodeHealth>) =>
    Object.fromEntries(
      (nodeStatus(FACTS, { ...HEALTHY, ...health }, undefined, NOW)?.conditions ?? []).map((one) => [
        one.type,
        one.status,
      ]),
    );

  test.each([
    [{}, { Ready: 'True', MemoryPressure: 'False', DiskPressure: 'False', PIDPressure: 'False' }],
    [{ notReady: 'the network is not set up' }, { Ready: 'False' }],
    [{ pressure: new Set(['MemoryPressure'] as const) }, { MemoryPressure: 'True', Ready: 'True' }],
    [{ pressure: new Set(['DiskPressure'] as const) }, { DiskPressure: 'True', MemoryPressure: 'False' }],
    [{ pressure: new Set(['PIDPressure'] as const) }, { PIDPressure: 'True' }],
  ])('%j', (health, expected) => expect(conditions(health)).toMatchObject(expected));

  test.each([
    [60_000, 'True', "the clock of the node is 60.0 s ahead of the server's: set both by NTP"],
    [-12_340, 'True', "the clock of the node is 12.3 s behind the server's: set both by NTP"],
    [5_400, 'False', 'the clocks of the node and of the server differ by no more than 5 s'],
  ])('tells of a clock that is %d ms ahead', (offsetMs, status, message) => {
    const clock = { offset: { offsetMs, errorMs: 500 }, toleranceMs: 5_000 };
    const told = nodeStatus(FACTS, { ...HEALTHY, clock }, undefined, NOW)!.conditions!;
    expect(told.find(({ type }) => type === 'ClockSkew')).toMatchObject({ status, message });
  });

  test('tells the handlers that RuntimeClasses may name', () => {
    expect(nodeStatus(FACTS, HEALTHY, undefined, NOW)?.runtimeHandlers).toEqual(HANDLERS);
  });

  test('tells at most fifty images: what is to be had of no registry, then the largest; digests first', () => {
    const image = (at: number, source: Image['source']): Image => ({
      ...{ ...fakeImage(at), layers: [], manifest: undefined, source, sizeBytes: at },
      names: [`registry.test/app:${at}`, `registry.test/app@${fakeImage(at).manifest}`],
    });
    const images = [
      image(1, 'peers'),
      ...Array.from({ length: 60 }, (_, i) => image(i + 2, 'registry')),
      { ...image(99, 'archive'), names: [] },
    ];
    const told = nodeStatus(FACTS, { ...HEALTHY, images }, undefined, NOW)!.images!;
    expect(told).toHaveLength(50);
    expect(told.map(({ sizeBytes }) => sizeBytes).slice(0, 4)).toEqual([99, 1, 61, 60]);
    expect(told[0]!.names).toEqual([fakeImage(99).id]);
    expect(told[1]!.names).toEqual([`registry.test/app@${fakeImage(1).manifest}`, 'registry.test/app:1']);
  });

  test('keeps the time of a change, what others wrote, and tells what pods may have', () => {
    const mine = nodeStatus(
      FACTS,
      HEALTHY,
      { images: [], conditions: [{ type: 'Other', status: 'True' }] },
      NOW,
    );
    const later = nodeStatus(FACTS, HEALTHY, mine, NOW + 60_000)!;
    const ready = later.conditions!.find(({ type }) => type === 'Ready')!;
    expect(ready).toMatchObject({
      lastTransitionTime: '2026-01-01T00:00:00Z',
      lastHeartbeatTime: '2026-01-01T00:01:00Z',
    });
    expect(later.conditions![0]).toEqual({ type: 'Other', status: 'True' });
    expect(later.images).toEqual([]);
    const amounts = { cpu: '2', memory: '4Gi', 'ephemeral-storage': '20Gi', pods: '110' };
    expect(later.capacity).toEqual(amounts);
    const less = { cpu: '1500m', memory: '3Gi', 'ephemeral-storage': '18Gi' };
    expect(later.allocatable).toEqual({ ...amounts, ...less });
    expect(later.addresses?.map(({ address }) => address)).toEqual(['192.0.2.1', '2001:db8::1', 'node-1']);
  });
});

describe('registration', () => {
  let clock: VirtualClock;
  let cluster: FakeCluster;
  let options: RegistrationOptions;

  beforeEach(() => {
    clock = new VirtualClock(NOW);
    cluster = new FakeCluster({ clock, random: seededRandom(1) });
    const { client } = cluster;
    const signal = new AbortController().signal;
    options = { client, clock, log: silentLogger, facts: FACTS, health: async () => HEALTHY, signal };
  });
  const held = () => cluster.get(NodeKind, { name: 'node-1' });
  const isReady = () =>
    held()?.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True');

  test('makes the Node, or takes the one there is with what its owner has set', async () => {
    await registerNode(options);
    expect(held()?.metadata.annotations).toMatchObject({ 'gantry.dev/kernel-features': 'idmap' });
    cluster.change(NodeKind, { name: 'node-1' }, (node) => {
      node.metadata.labels = { ...node.metadata.labels, zone: 'a' };
      node.spec = { ...node.spec, unschedulable: true };
    });
    await registerNode(options);
    expect(held()).toMatchObject({ metadata: { labels: { zone: 'a' } }, spec: { unschedulable: true } });
  });

  test('waits for a server that is away', async () => {
    const back = cluster.intercept(() => new StatusError('ServiceUnavailable', 'away'));
    const registered = registerNode(options);
    await clock.advance(5_000);
    back();
    await clock.advance(1_000);
    expect((await registered).metadata.name).toBe('node-1');
  });

  test('then beats: the Lease every ten seconds, the status now and then, also after the server was away', async () => {
    keepRegistered(await registerNode(options), options);
    await clock.advance(0);
    expect(isReady()).toBe(true);
    const lease = () =>
      cluster.get(LeaseKind, { name: 'node-1', namespace: 'kube-node-lease' })?.spec?.renewTime;
    expect(lease()).toBe('2026-01-01T00:00:00.000000Z');
    const back = cluster.intercept(() => new StatusError('ServiceUnavailable', 'away'));
    await clock.advance(70_000);
    back();
    await clock.advance(11_000);
    expect(Date.parse(String(lease()))).toBeGreaterThan(NOW + 69_000);
    const heartbeatOf = () =>
      Date.parse(String(held()?.status?.conditions?.find(({ type }) => type === 'Ready')?.lastHeartbeatTime));
    expect(heartbeatOf()).toBe(NOW);
    await clock.advance(5 * 60_000);
    expect(heartbeatOf()).toBeGreaterThanOrEqual(NOW + 5 * 60_000);
  });

  test('writes a status that is another one within a minute, and none that says nothing new', async () => {
    let health = HEALTHY;
    const { touch } = keepRegistered(await registerNode(options), { ...options, health: async () => health });
    await clock.advance(0);
    const written = () => held()?.metadata.resourceVersion;
    const first = written();
    touch();
    await clock.advance(4 * 60_000);
    expect(written()).toBe(first);
    cluster.change(NodeKind, { name: 'node-1' }, (node) => {
      node.status!.conditions!.at(-1)!.status = 'Unknown';
    });
    await clock.advance(60_000);
    expect(isReady()).toBe(true);
    health = { ...HEALTHY, pressure: new Set(['DiskPressure'] as const) };
    touch();
    await clock.advance(0);
    const pressure = held()?.status?.conditions?.find(({ type }) => type === 'DiskPressure');
    expect(pressure?.status).toBe('True');
  });

  test('a Node that somebody deletes comes back', async () => {
    keepRegistered(await registerNode(options), options);
    await clock.advance(0);
    await options.client.delete(NodeKind, { name: 'node-1' });
    await clock.advance(61_000);
    expect(isReady()).toBe(true);
  });
});
