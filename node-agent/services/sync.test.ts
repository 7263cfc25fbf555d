import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PodKind } from '#api/kinds/pod.ts';
import { ServiceKind } from '#api/kinds/service.ts';
import type { Pod, Service } from '#api/objects.ts';
import type { Informer } from '#client/contract.ts';
import { FakeCluster } from '#client/fake/fake-cluster.ts';
import { startInformer } from '#client/informer.ts';
import { settle, VirtualClock } from '#machinery/clock-virtual.ts';
import { silentLogger } from '#machinery/log.ts';
import { seededRandom } from '#machinery/random.ts';
import { Zone } from '#network/dns/zone.ts';
import { FakeNetwork } from '#network/fake/network.ts';
import { syncServices } from './sync.ts';

const web = (containerPort: number, hostPort?: number): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', namespace: 'shop' },
  spec: { nodeName: 'n1', containers: [{ name: 'main', ports: [{ containerPort, hostPort }] }] },
});
const service: Service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'api', namespace: 'shop' },
  spec: { type: 'ClusterIP', clusterIP: '10.96.0.7', clusterIPs: ['10.96.0.7'], ports: [{ port: 80 }] },
};
const NAME = '10-244-0-5.shop.pod.cluster.local';

let clock: VirtualClock;
let cluster: FakeCluster;
let network: FakeNetwork;
let zone: Zone;
let stop: AbortController;

beforeEach(async () => {
  clock = new VirtualClock();
  cluster = new FakeCluster({ clock, random: seededRandom(1) });
  network = new FakeNetwork();
  zone = new Zone('cluster.local');
  stop = new AbortController();
  await network.start({
    ...{ instance: 'test01', podCidrs: ['10.244.0.0/24'], clusterCidrs: [], serviceCidrs: [] },
    ...{ nodePortRange: { from: 1, to: 2 }, dnsAddress: '10.96.0.10' },
  });
});
afterEach(() => stop.abort());

function start() {
  const common = { client: cluster.client, clock, random: seededRandom(1), signal: stop.signal };
  const pods = startInformer({ ...common, kind: PodKind, fieldSelector: 'spec.nodeName=n1' });
  const log = silentLogger;
  return syncServices({
    ...common,
    log,
    network,
    zone,
    pods,
    nodeName: 'n1',
    clusterDomain: 'cluster.local',
  });
}

async function pass(ms = 10): Promise<void> {
  for (let i = 0; i < 20; i++) await settle();
  await clock.advance(ms);
  for (let i = 0; i < 20; i++) await settle();
}

async function giveStatus(status: Pod['status']): Promise<void> {
  const pod = cluster.get(PodKind, { namespace: 'shop', name: 'web' })!;
  await cluster.client.updateStatus(PodKind, { ...pod, status });
}

const RUNNING = { phase: 'Running', podIP: '10.244.0.5', podIPs: [{ ip: '10.244.0.5' }] };
const nodePorts = () => network.rules.flatMap(({ nodePort }) => nodePort ?? []);

describe('the rules and names of a node', () => {
  it('has the hostPort of a pod from its address to its end, beside the Services', async () => {
    await cluster.client.create(ServiceKind, service);
    await cluster.client.create(PodKind, web(8080, 80));
    start();
    await pass();
    expect(network.rules.map(({ name }) => name)).toEqual(['shop/api']);
    await giveStatus(RUNNING);
    await pass();
    expect(network.rules).toHaveLength(2);
    expect(network.rules[1]).toMatchObject({
      nodePort: 80,
      endpoints: [{ address: '10.244.0.5', port: 8080, local: true }],
    });
    await giveStatus({ ...RUNNING, phase: 'Succeeded' });
    await pass();
    expect(nodePorts()).toEqual([]);
  });

  it('takes a hostPort back with its pod', async () => {
    await cluster.client.create(PodKind, web(8080, 80));
    await giveStatus(RUNNING);
    start();
    await pass();
    expect(nodePorts()).toEqual([80]);
    await cluster.client.delete(PodKind, { namespace: 'shop', name: 'web' }, { graceSeconds: 0 });
    await pass();
    expect(nodePorts()).toEqual([]);
  });

  it('leaves the kernel alone when a pod without hostPorts changes', async () => {
    await cluster.client.create(PodKind, web(8080));
    start();
    await pass();
    const calls = network.calls.length;
    await giveStatus(RUNNING);
    await pass();
    expect(network.calls).toHaveLength(calls);
  });

  it('names a pod by its address for as long as it runs', async () => {
    await cluster.client.create(PodKind, web(8080));
    start();
    await pass();
    expect(zone.lookup(NAME)).toBeUndefined();
    await giveStatus(RUNNING);
    await pass();
    expect(zone.lookup(NAME)).toEqual([{ name: NAME, type: 'A', data: '10.244.0.5' }]);
    await cluster.client.delete(PodKind, { namespace: 'shop', name: 'web' }, { graceSeconds: 0 });
    await pass();
    expect(zone.lookup(NAME)).toBeUndefined();
  });

  it('changes nothing before the pods of the node are known', async () => {
    await cluster.client.create(ServiceKind, service);
    const common = { client: cluster.client, clock, random: seededRandom(1), signal: stop.signal };
    const pods = { synced: new Promise<void>(() => {}) } as Informer<Pod>;
    const log = silentLogger;
    syncServices({ ...common, log, network, zone, pods, nodeName: 'n1', clusterDomain: 'cluster.local' });
    await pass(1000);
    expect(network.calls).toEqual(['start']);
  });
});
