import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ConfigMapKind } from '#api/kinds/config-map.ts';
import { LeaseKind } from '#api/kinds/lease.ts';
import { NodeKind } from '#api/kinds/node.ts';
import { PodKind } from '#api/kinds/pod.ts';
import { ServiceAccountKind } from '#api/kinds/service-account.ts';
import { boundKeys, NODE_KEYS } from '#api/semantics/node-keys.ts';
import { leavePath } from '#api/well-known.ts';
import { rfc3339Micro, systemClock } from '#machinery/clock.ts';
import { StatusError } from '#machinery/errors.ts';
import { collect } from '#machinery/transport.ts';
import { callsTo, startTestServer, TEST_ADMIN } from '../fake/server.ts';
import type { ApiServer } from '../server.ts';

let server: ApiServer;
/** Nodes that the store was told of, and the one without which it could not go on. */
const leftStore: string[] = [];
const NEEDED = 'needed';
let call: ReturnType<typeof callsTo>;
beforeAll(async () => {
  server = await startTestServer({
    async leaveStore(node) {
      leftStore.push(node);
      if (node === NEEDED) throw new StatusError('Conflict', 'the others could not go on');
    },
    config: {
      ...{ cluster: 'test', serviceCidr: '10.96.0.0/16', nodePorts: { from: 30_000, to: 32_767 } },
      node: { name: 'own', keyHash: 'a'.repeat(64) },
      advertise: { address: '192.0.2.1', port: 6443 },
    },
  });
  call = callsTo(server);
  const metadata = { name: 'default', namespace: 'default' };
  await server.engine.create(ServiceAccountKind, { apiVersion: 'v1', kind: 'ServiceAccount', metadata }, 't');
});
afterAll(() => server?.stop());

const post = (name: string, query = '') => call('POST', leavePath(name) + query);
const bind = (name: string, entry: string) =>
  server.engine.update(ConfigMapKind, NODE_KEYS.name, NODE_KEYS.namespace, 't', (map) => ({
    ...map,
    data: { ...map.data, [name]: entry },
  }));
const bound = (name: string) =>
  boundKeys(server.engine.get(ConfigMapKind, NODE_KEYS.name, NODE_KEYS.namespace)?.data, name);

/** A node at that address, with a pod and a Lease. */
async function join(name: string, address = '192.0.2.9'): Promise<void> {
  await bind(name, `${'f'.repeat(64)} registered`);
  await server.engine.create(NodeKind, { apiVersion: 'v1', kind: 'Node', metadata: { name } }, 't');
  const status = { addresses: [{ type: 'InternalIP', address }] };
  const merge = { 'content-type': 'application/merge-patch+json' };
  await call('PATCH', `/api/v1/nodes/${name}/status`, { status }, merge);
  const lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease' };
  await server.engine.create(LeaseKind, { ...lease, metadata: { name, namespace: 'kube-node-lease' } }, 't');
  const spec = { nodeName: name, containers: [{ name: 'c', image: 'i' }] };
  const metadata = { name: `on-${name}`, namespace: 'default' };
  await server.engine.create(PodKind, { apiVersion: 'v1', kind: 'Pod', metadata, spec }, 't');
}

/** A server's Lease, as it renews it. */
async function serve(address: string, renewTime?: string): Promise<void> {
  const labels = { 'apiserver.kubernetes.io/identity': 'kube-apiserver' };
  const annotations = { 'gantry.dev/address': JSON.stringify({ address, port: 6443 }) };
  const metadata = { name: `server-${address}`, namespace: 'kube-system', labels, annotations };
  const lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata };
  const spec = { leaseDurationSeconds: 20, ...(renewTime && { renewTime: renewTime as never }) };
  await server.engine.create(LeaseKind, { ...lease, spec }, 't');
}

describe('a node that is removed', () => {
  test('is gone with its pods and its Lease, and its name is free', async () => {
    await join('n1');
    expect(await post('n1')).toMatchObject({ status: 200, body: { node: 'n1', pods: 1, server: false } });
    expect(server.engine.get(NodeKind, 'n1')).toBeUndefined();
    expect(server.engine.get(PodKind, 'on-n1', 'default')).toBeUndefined();
    expect(server.engine.get(LeaseKind, 'n1', 'kube-node-lease')).toBeUndefined();
    expect(bound('n1')).toMatchObject({ registered: false, removedMs: expect.any(Number) });
    expect(await post('n1')).toMatchObject({
      status: 404,
      body: { message: 'no node has the name "n1"' },
    });
  });

  test('may have a name that was bound by a machine that never came', async () => {
    await bind('never', 'f'.repeat(64));
    expect(await post('never')).toMatchObject({ status: 200, body: { pods: 0 } });
    expect(bound('never')?.removedMs).toBeDefined();
  });

  test('is removed by itself, and by no other node', async () => {
    const as = async (node: string, name: string) => {
      const identity = { name: `system:node:${node}`, groups: ['system:nodes', 'system:authenticated'] };
      const transport = server.transport(identity);
      const request = { method: 'POST', path: leavePath(name), headers: {} };
      const { status, body } = await transport.request(request);
      return { status, text: Buffer.from(await collect(body)).toString() };
    };
    await join('n2');
    expect(await as('n3', 'n2')).toMatchObject({ status: 403 });
    expect(await as('n2', 'n2/leave/../n3')).toMatchObject({ status: 403 });
    expect(server.engine.get(NodeKind, 'n2')).toBeDefined();
    expect(await as('n2', 'n2')).toMatchObject({ status: 200 });
    expect(server.engine.get(NodeKind, 'n2')).toBeUndefined();
  });

  test('is nobody’s to remove who was not given that', async () => {
    const transport = server.transport({ name: 'eve', groups: ['system:authenticated'] });
    const request = { method: 'POST', path: leavePath('own'), headers: {} };
    expect((await transport.request(request)).status).toBe(403);
    expect(TEST_ADMIN.groups).toContain('system:masters');
  });
});

describe('the machine of a server', () => {
  test('leaves the store first, and stays when the others could not go on without it', async () => {
    await join('s0');
    await join(NEEDED);
    expect(await post('s0')).toMatchObject({ status: 200 });
    expect(await post(NEEDED)).toMatchObject({
      status: 409,
      body: { message: 'the others could not go on' },
    });
    expect(leftStore.slice(-2)).toEqual(['s0', NEEDED]);
    expect(server.engine.get(PodKind, `on-${NEEDED}`, 'default')).toBeDefined();
    expect(server.engine.get(NodeKind, NEEDED)).toBeDefined();
  });

  test('is not removed by itself, whatever is said', async () => {
    for (const query of ['', '?force=true'])
      expect(await post('own', query)).toMatchObject({
        status: 409,
        body: { message: expect.stringContaining('run "gantry leave" there') },
      });
  });

  test('is removed when that server has gone, or is said to be dead', async () => {
    await join('s1', '192.0.2.21');
    await join('s2', '192.0.2.22');
    await serve('192.0.2.21');
    await serve('192.0.2.22', rfc3339Micro(systemClock.now()));
    expect(await post('s1')).toMatchObject({ status: 200, body: { server: true } });
    expect(await post('s2')).toMatchObject({
      status: 409,
      body: { message: expect.stringContaining('at work') },
    });
    expect(server.engine.get(NodeKind, 's2')).toBeDefined();
    expect(await post('s2', '?force=true')).toMatchObject({ status: 200 });
    const left = server.engine.list(LeaseKind, 'kube-system').map(({ metadata }) => metadata.name);
    expect(left.filter((name) => name.startsWith('server-'))).toEqual([]);
  });
});
