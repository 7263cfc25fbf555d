import { beforeEach, expect, test } from 'vitest';
import { EndpointSliceKind } from '#api/kinds/endpoint-slice.ts';
import { PodKind } from '#api/kinds/pod.ts';
import { ServiceKind } from '#api/kinds/service.ts';
import { FakeCluster } from '#client/fake/fake-cluster.ts';
import { startInformer } from '#client/informer.ts';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { StatusError } from '#machinery/errors.ts';
import { silentLogger } from '#machinery/log.ts';
import { seededRandom } from '#machinery/random.ts';
import { Zone } from '#network/dns/zone.ts';
import { FakeNetwork } from '#network/fake/network.ts';
import { type ServiceSync, syncServices } from './sync.ts';

let clock: VirtualClock;
let cluster: FakeCluster;
let network: FakeNetwork;
let zone: Zone;
let stop: AbortController;

beforeEach(async () => {
  clock = new VirtualClock();
  cluster = new FakeCluster({ clock, random: seededRandom(1) });
  network = new FakeNetwork();
  zone = new Zone('cluster.local', false);
  stop = new AbortController();
  await network.start({
    instance: 'abc123',
    podCidrs: ['10.244.0.0/24'],
    clusterCidrs: ['10.244.0.0/16'],
    serviceCidrs: ['10.96.0.0/16'],
    nodePortRange: { from: 30000, to: 32767 },
    dnsAddress: '10.96.0.10',
  });
});

function start(): ServiceSync {
  const { client } = cluster;
  const common = {
    client,
    clock,
    random: seededRandom(2),
    log: silentLogger,
    network,
    zone,
    signal: stop.signal,
  };
  const pods = startInformer({ client, clock, random: seededRandom(3), kind: PodKind, signal: stop.signal });
  return syncServices({ ...common, pods, nodeName: 'node-1', clusterDomain: 'cluster.local' });
}

function service(name: string, clusterIP: string): void {
  cluster.create(ServiceKind, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'shop' },
    spec: { clusterIP, clusterIPs: [clusterIP], ports: [{ port: 80, protocol: 'TCP', targetPort: 8080 }] },
  });
}

function endpoints(name: string, ...addresses: string[]): void {
  cluster.create(EndpointSliceKind, {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `${name}-1`, namespace: 'shop', labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    ports: [{ port: 8080, protocol: 'TCP' }],
    endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
  });
}

const rules = () =>
  network.rules.map(
    ({ name, endpoints: all }) => `${name} -> ${all.map(({ address }) => address).join(' ')}`,
  );
const syncs = () => network.calls.filter((call) => call === 'syncServices').length;

test('Services and their endpoints become rules and names, and go again', async () => {
  service('web', '10.96.0.7');
  endpoints('web', '10.244.0.2', '10.244.0.3');
  const sync = start();
  await clock.advance(100);
  await sync.synced;
  expect(rules()).toEqual([expect.stringMatching(/^shop\/web.* -> 10\.244\.0\.2 10\.244\.0\.3$/)]);
  expect(zone.lookup('web.shop.svc.cluster.local')).toMatchObject([{ type: 'A', data: '10.96.0.7' }]);
  expect((await sync.services()).map(({ metadata }) => metadata.name)).toEqual(['web']);
  await cluster.client.delete(ServiceKind, { name: 'web', namespace: 'shop' });
  await clock.advance(100);
  expect(rules()).toEqual([]);
  expect(zone.lookup('web.shop.svc.cluster.local')).toBeUndefined();
});

test('changes that come together reach the kernel together', async () => {
  const sync = start();
  await clock.advance(100);
  await sync.synced;
  const before = syncs();
  for (let i = 1; i <= 50; i++) service(`web-${i}`, `10.96.1.${i}`);
  await clock.advance(100);
  expect(rules()).toHaveLength(50);
  expect(syncs() - before).toBeLessThanOrEqual(2);
});

test('rules that the kernel refused are tried again', async () => {
  service('web', '10.96.0.7');
  network.failNext('syncServices');
  const sync = start();
  await clock.advance(100);
  expect(rules()).toEqual([]);
  await clock.advance(1_000);
  await sync.synced;
  expect(rules()).toHaveLength(1);
});

test('while the server has not been heard, rules and names are left alone and containers wait', async () => {
  const back = cluster.intercept(() => new StatusError('ServiceUnavailable', 'away'));
  const sync = start();
  const services = sync.services();
  const refused = expect(services).rejects.toThrow('services have not yet been read at least once');
  await clock.advance(10_000);
  await refused;
  expect(syncs()).toBe(0);
  expect(zone.whole).toBe(false);
  back();
  await clock.advance(5_000);
  await sync.synced;
  expect(zone.whole).toBe(true);
  expect(await sync.services()).toEqual([]);
});
