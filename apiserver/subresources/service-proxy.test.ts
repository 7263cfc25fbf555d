/** services/proxy, bindings and metrics.k8s.io, over nodes in the same process. */
import { createServer, type Server } from 'node:http';
import { type Duplex, duplexPair } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '#machinery/clock.ts';
import { FakeNodeLink } from '../fake/node-link.ts';
import { callsTo, startTestServer } from '../fake/server.ts';
import type { ApiServer } from '../server.ts';

const NS = '/api/v1/namespaces/default';
const METRICS = '/apis/metrics.k8s.io/v1beta1';

let server: ApiServer;
let call: ReturnType<typeof callsTo>;
let dialled: string[];
/** What the node's agent counts. */
let cpuNanoseconds: number;
let link: FakeNodeLink;

const inside = createServer((request, response) =>
  response.end(`${request.method} ${request.url} of ${request.headers.host}`),
);

function agent(): Server {
  return createServer((_request, response) => {
    cpuNanoseconds += 250_000_000;
    const container = { name: 'c', cpuNanoseconds, memoryBytes: 1, workingSetBytes: 2048, pids: 1 };
    const pods = [{ namespace: 'default', name: 'p', containers: [container] }];
    response.end(
      JSON.stringify({ machine: { cpuNanoseconds: cpuNanoseconds * 2, workingSetBytes: 4096 }, pods }),
    );
  });
}

async function dial(address: string): Promise<Duplex> {
  dialled.push(address);
  const [ours, theirs] = duplexPair();
  inside.emit('connection', theirs);
  return ours;
}

beforeEach(async () => {
  dialled = [];
  cpuNanoseconds = 0;
  link = new FakeNodeLink(systemClock);
  link.connect('n1', agent(), dial);
  server = await startTestServer({ nodeLink: link });
  call = callsTo(server);
  await call('POST', `${NS}/serviceaccounts`, { metadata: { name: 'default' } });
  await call('POST', '/api/v1/nodes', { metadata: { name: 'n1', labels: { disk: 'ssd' } } });
  const spec = { containers: [{ name: 'c', image: 'i' }] };
  await call('POST', `${NS}/pods`, { metadata: { name: 'p', labels: { app: 'web' } }, spec });
});
afterEach(() => server.stop());

describe('services/proxy', () => {
  const slice = (addresses: string[], more: object = {}) => ({
    metadata: { generateName: 'web-', labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080 }],
    endpoints: [{ addresses, nodeName: 'n1', ...more }],
  });
  const put = (object: object) =>
    call('POST', '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices', object);

  beforeEach(async () => {
    const ports = [{ name: 'http', port: 80 }];
    expect(
      (await call('POST', `${NS}/services`, { metadata: { name: 'web' }, spec: { ports } })).status,
    ).toBe(201);
  });

  it.each(['web', 'web:http', 'http:web:80'])('reaches a ready pod behind %s', async (name) => {
    await put(slice(['10.1.2.3']));
    await put(slice(['10.9.9.9'], { conditions: { ready: false } }));
    const answer = await call('GET', `${NS}/services/${name}/proxy/a/b?c=d`);
    expect([answer.status, answer.body]).toEqual([200, 'GET /a/b?c=d of 10.1.2.3:8080']);
    expect(dialled).toEqual(['10.1.2.3:8080']);
  });

  it.each<[string, string, number, string]>([
    ['nobody', 'web', 503, 'no endpoints available for service "web"'],
    ['no such port', 'web:other', 503, 'no service port "other" found for service "web"'],
    ['no such service', 'none', 404, 'services "none" not found'],
  ])('says when there is %s', async (_what, name, status, message) => {
    const answer = await call('GET', `${NS}/services/${name}/proxy/`);
    expect([answer.status, answer.body.message]).toEqual([status, message]);
  });

  it('is dialled by the node that has the pod', async () => {
    link.connect('n2', agent(), (address) => dial(`n2 ${address}`));
    await put(slice(['10.1.2.3'], { conditions: { ready: false } }));
    await put(slice(['10.4.5.6'], { nodeName: 'n2' }));
    const answer = await call('GET', `${NS}/services/web/proxy/a`);
    expect([answer.status, answer.body]).toEqual([200, 'GET /a of 10.4.5.6:8080']);
    expect(dialled).toEqual(['n2 10.4.5.6:8080']);
  });

  it('goes to no address that is no pod\u2019s', async () => {
    await put(slice(['127.0.0.1']));
    await put(slice(['169.254.169.254']));
    const answer = await call('GET', `${NS}/services/web/proxy/`);
    expect([503, 400]).toContain(answer.status);
    expect(dialled).toEqual([]);
  });
});

describe('bindings', () => {
  const binding = (name: string) => ({ metadata: { name }, target: { kind: 'Node', name: 'n1' } });

  it('put a pod on a node, once', async () => {
    expect((await call('POST', `${NS}/bindings`, binding('p'))).status).toBe(201);
    expect((await call('GET', `${NS}/pods/p`)).body.spec.nodeName).toBe('n1');
    const again = await call('POST', `${NS}/bindings`, binding('p'));
    expect([again.status, again.body.message]).toEqual([
      409,
      'Operation cannot be fulfilled on pods/binding "p": pod p is already assigned to node "n1"',
    ]);
    expect((await call('POST', `${NS}/bindings`, binding(''))).status).toBe(400);
  });
});

describe('metrics', () => {
  beforeEach(async () => {
    const binding = { metadata: { name: 'p' }, target: { kind: 'Node', name: 'n1' } };
    expect((await call('POST', `${NS}/bindings`, binding)).status).toBe(201);
  });

  it('of others are told when a node tells nothing, no numbers, too much or half a pod', async () => {
    const machine = { cpuNanoseconds: 1, workingSetBytes: 1 };
    const bad = [
      {},
      { machine: { ...machine, cpuNanoseconds: 'much' }, pods: [] },
      { machine, pods: [], more: 'x'.repeat(5_000_000) },
      { machine, pods: [{ name: 'p' }] },
    ];
    for (const [at, answer] of bad.entries()) {
      await call('POST', '/api/v1/nodes', { metadata: { name: `bad-${at}` } });
      link.connect(
        `bad-${at}`,
        createServer((_request, response) => response.end(JSON.stringify(answer))),
      );
    }
    const { body } = await call('GET', `${METRICS}/nodes`);
    expect(body.items.map((item: { metadata: { name: string } }) => item.metadata.name)).toEqual(['n1']);
  });

  it('of a pod come from its own node', async () => {
    await call('POST', '/api/v1/nodes', { metadata: { name: 'n2' } });
    link.connect('n2', agent());
    expect((await call('GET', `${METRICS}/namespaces/default/pods`)).body.items).toHaveLength(1);
  });

  it('of nodes and pods are rates of what agents count, and amounts', async () => {
    const nodes = await call('GET', `${METRICS}/nodes`);
    expect(nodes.body).toMatchObject({ kind: 'NodeMetricsList', apiVersion: 'metrics.k8s.io/v1beta1' });
    const [node] = nodes.body.items;
    expect(node).toMatchObject({
      kind: 'NodeMetrics',
      metadata: { name: 'n1', labels: { disk: 'ssd' } },
      timestamp: expect.stringMatching(/Z$/),
      window: expect.stringMatching(/^[0-9.]+s$/),
      usage: { memory: '4Ki' },
    });
    // Half a core in a look of a second, give or take what a busy machine adds to it.
    expect(Number.parseInt(node.usage.cpu, 10)).toBeGreaterThan(50_000_000);
    expect(Number.parseInt(node.usage.cpu, 10)).toBeLessThanOrEqual(500_000_000);
    const pod = await call('GET', `${METRICS}/namespaces/default/pods/p`);
    expect(pod.body).toMatchObject({
      kind: 'PodMetrics',
      metadata: { name: 'p', namespace: 'default', labels: { app: 'web' } },
      containers: [{ name: 'c', usage: { cpu: expect.stringMatching(/^\d+n$/), memory: '2Ki' } }],
    });
    expect((await call('GET', `${METRICS}/namespaces/other/pods`)).body.items).toEqual([]);
    expect((await call('GET', `${METRICS}/nodes/none`)).status).toBe(404);
  });
});
