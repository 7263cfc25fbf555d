import { getEventListeners } from 'node:events';
import { expect, test, vi } from 'vitest';
import { NodeKind } from '#api/kinds/node.ts';
import type { Node } from '#api/objects.ts';
import { FakeCluster } from '#client/fake/fake-cluster.ts';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { type LogLine, memoryLogger } from '#machinery/log.ts';
import { seededRandom } from '#machinery/random.ts';
import { TEST_CONFIG } from '#network/conformance.ts';
import { FakeNetwork } from '#network/fake/network.ts';
import { keepPeers } from './peers.ts';

const node = (name: string, podCIDR: string, ...addresses: string[]): Node => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name },
  spec: podCIDR ? { podCIDR, podCIDRs: [podCIDR] } : {},
  status: {
    addresses: [
      { type: 'Hostname', address: name },
      ...addresses.map((address) => ({ type: 'InternalIP', address })),
    ],
  },
});
const peer = (name: string, cidr: string, ...addresses: string[]) => ({ name, addresses, podCidrs: [cidr] });

async function world(kernel: 'well' | 'failing at first' = 'well') {
  const clock = new VirtualClock();
  const random = seededRandom(1);
  const { client, ...rest } = new FakeCluster({ clock, random });
  const network = new FakeNetwork();
  await network.start(TEST_CONFIG);
  if (kernel !== 'well') network.failNext('syncPeers');
  const stop = new AbortController();
  const lines: LogLine[] = [];
  await client.create(NodeKind, node('me', '10.244.0.0/24', '192.0.2.1'));
  await client.create(NodeKind, node('b', '10.244.1.0/24', '192.0.2.2', '2001:db8::2'));
  const options = { client, clock, random, log: memoryLogger(lines), network, nodeName: 'me' };
  const { synced, ended } = keepPeers({ ...options, signal: stop.signal });
  const settles = (peers: object[]) =>
    vi.waitFor(async () => {
      await clock.advance(1_000);
      expect(network.peers).toEqual(peers);
    });
  const end = async () => {
    stop.abort();
    await ended;
  };
  return { client, network, lines, settles, rest, synced, end, signal: stop.signal };
}

const B = peer('b', '10.244.1.0/24', '192.0.2.2', '2001:db8::2');

test('the network knows the other nodes as they come, change and go', async () => {
  const { client, settles, end } = await world();
  await settles([B]);
  const c = await client.create(NodeKind, node('c', '', '192.0.2.3'));
  await settles([B]);
  const spec = { podCIDR: '10.244.2.0/24', podCIDRs: ['10.244.2.0/24'] };
  const placed = await client.update(NodeKind, { ...c, spec });
  await settles([B, peer('c', '10.244.2.0/24', '192.0.2.3')]);
  const addresses = [{ type: 'InternalIP', address: '192.0.2.33' }];
  await client.updateStatus(NodeKind, { ...placed, status: { addresses } });
  await settles([B, peer('c', '10.244.2.0/24', '192.0.2.33')]);
  await client.delete(NodeKind, { name: 'c' });
  await settles([B]);
  await end();
});

test('heartbeats change nothing, and what fails is tried again', async () => {
  const { client, network, lines, settles, end } = await world();
  await settles([B]);
  const calls = () => network.calls.filter((call) => call === 'syncPeers').length;
  const before = calls();
  const b = await client.get(NodeKind, { name: 'b' });
  await client.updateStatus(NodeKind, {
    ...b,
    status: { ...b.status, conditions: [{ type: 'Ready', status: 'True' }] },
  });
  await settles([B]);
  expect(calls()).toBe(before);
  network.failNext('syncPeers');
  await client.create(NodeKind, node('c', '10.244.2.0/24'));
  await settles([B, peer('c', '10.244.2.0/24')]);
  expect(calls()).toBe(before + 2);
  expect(lines.map(({ message }) => message)).toEqual([
    'The ways to other nodes could not be made',
    'There is no way to the pods of a node',
  ]);
  await end();
});

test('a node that has only just registered is waited for, without a warning', async () => {
  const { client, lines, settles, end } = await world();
  const c = node('c', '10.244.2.0/24', '192.0.2.3');
  const { status, ...registered } = c;
  const created = await client.create(NodeKind, registered);
  await settles([B]);
  await client.updateStatus(NodeKind, { ...created, ...(status && { status }) });
  await settles([B, peer('c', '10.244.2.0/24', '192.0.2.3')]);
  expect(lines).toEqual([]);
  await end();
});

test('heartbeats leave nothing behind', async () => {
  const { client, settles, end, signal } = await world();
  await settles([B]);
  const listeners = () => getEventListeners(signal, 'abort').length;
  const before = listeners();
  for (const status of ['True', 'False', 'True', 'False']) {
    const b = await client.get(NodeKind, { name: 'b' });
    await client.updateStatus(NodeKind, {
      ...b,
      status: { ...b.status, conditions: [{ type: 'Ready', status }] },
    });
    await settles([B]);
  }
  expect(listeners()).toBe(before);
  await end();
});

test('the network is synced once the kernel has taken the first whole list', async () => {
  const { network, lines, synced, settles, end } = await world('failing at first');
  let isSynced = false;
  void synced.then(() => {
    isSynced = true;
  });
  await vi.waitFor(() => expect(lines).toHaveLength(1));
  expect(isSynced).toBe(false);
  await settles([B]);
  await synced;
  expect(network.calls.filter((call) => call === 'syncPeers')).toHaveLength(2);
  await end();
});
