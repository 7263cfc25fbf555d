import { createServer } from 'node:http';
import { Duplex } from 'node:stream';
import { expect, test, vi } from 'vitest';
import { EndpointSliceKind } from '#api/kinds/endpoint-slice.ts';
import type { EndpointSlice } from '#api/objects.ts';
import { FakeCluster } from '#client/fake/fake-cluster.ts';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { silentLogger } from '#machinery/log.ts';
import { seededRandom } from '#machinery/random.ts';
import type { Transport } from '#machinery/transport.ts';
import { keepTunnels, serverUrls } from './servers.ts';

const slice = (...addresses: string[]): EndpointSlice => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: 'kubernetes', namespace: 'default' },
  addressType: 'IPv4',
  endpoints: addresses.map((address) => ({ addresses: [address] })),
  ports: [{ name: 'https', port: 6443, protocol: 'TCP' }],
});

test('servers are where the Service kubernetes has its endpoints', () => {
  expect(serverUrls(slice('192.0.2.2', '192.0.2.1'))).toEqual([
    'https://192.0.2.1:6443',
    'https://192.0.2.2:6443',
  ]);
  expect(serverUrls(slice('fd00::1'))).toEqual(['https://[fd00::1]:6443']);
  expect(serverUrls({ ...slice('192.0.2.1'), ports: [] })).toEqual([]);
});

test('a tunnel is open to each server, as they come and go', async () => {
  const clock = new VirtualClock();
  const random = seededRandom(1);
  const { client } = new FakeCluster({ clock, random });
  const open = new Set<string>();
  const closed: string[] = [];
  const transportTo = (url: string): Transport => ({
    request: () => Promise.reject(new Error('not asked')),
    async upgrade({ signal }) {
      open.add(url);
      // One that takes everything and says nothing.
      const stream = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
      signal?.addEventListener('abort', () => {
        open.delete(url);
        closed.push(url);
        stream.destroy();
      });
      return { status: 101, headers: {}, stream };
    },
  });
  let learned: readonly string[] = ['https://first:6443'];
  const servers = {
    each: () => learned,
    transportTo,
    learn: async (urls: readonly string[]) => {
      learned = urls;
    },
    trusted: () => '',
    trust: async () => {},
    held: () => ({ certificate: '', key: '' }),
    keep: async () => {},
  };
  const stop = new AbortController();
  const deps = { servers, client, clock, random, log: silentLogger, signal: stop.signal };
  keepTunnels(deps, {
    node: 'n1',
    server: createServer(),
    dialPod: () => Promise.reject(new Error('no pods')),
  });
  const settles = (...urls: string[]) =>
    vi.waitFor(async () => {
      await clock.advance(1_000);
      expect([...open].sort()).toEqual(urls);
    });
  await settles('https://first:6443');
  const made = await client.create(EndpointSliceKind, slice('192.0.2.1', '192.0.2.2'));
  await settles('https://192.0.2.1:6443', 'https://192.0.2.2:6443');
  const { endpoints } = slice('192.0.2.2', '192.0.2.3');
  const changed = await client.update(EndpointSliceKind, { ...made, endpoints });
  await settles('https://192.0.2.2:6443', 'https://192.0.2.3:6443');
  expect(closed).not.toContain('https://192.0.2.2:6443');
  await client.update(EndpointSliceKind, { ...changed, endpoints: [] });
  await settles('https://192.0.2.2:6443', 'https://192.0.2.3:6443');
  stop.abort();
  await settles();
});
