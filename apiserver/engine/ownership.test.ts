/** metadata.managedFields as `kubectl get --show-managed-fields` shows them. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { callsTo, startTestServer } from '../fake/server.ts';
import type { ApiServer } from '../server.ts';

const MAPS = '/api/v1/namespaces/default/configmaps';
const PODS = '/api/v1/namespaces/default/pods';
const DEPLOYMENTS = '/apis/apps/v1/namespaces/default/deployments';

let server: ApiServer;
let call: ReturnType<typeof callsTo>;

beforeEach(async () => {
  server = await startTestServer();
  call = callsTo(server);
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default' } };
  await call('POST', '/api/v1/namespaces/default/serviceaccounts', account);
});
afterEach(() => server.stop());

interface Entry {
  manager: string;
  operation: string;
  subresource?: string;
  // biome-ignore lint/suspicious/noExplicitAny: sets of every shape
  fieldsV1: any;
}

async function owners(path: string): Promise<Entry[]> {
  return (await call('GET', path)).body.metadata.managedFields ?? [];
}

const map = {
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'm', labels: { a: 'b' } },
  data: { k: 'v' },
};
const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p' },
  spec: { containers: [{ name: 'c', image: 'nginx' }] },
};

describe('the owner of fields', () => {
  it('is who makes the object: by the name in the request, the program, or the user', async () => {
    await call('POST', `${MAPS}?fieldManager=kubectl-create`, map);
    expect(await owners(`${MAPS}/m`)).toEqual([
      {
        manager: 'kubectl-create',
        operation: 'Update',
        apiVersion: 'v1',
        time: expect.stringMatching(/Z$/),
        fieldsType: 'FieldsV1',
        fieldsV1: {
          'f:data': { '.': {}, 'f:k': {} },
          'f:metadata': { 'f:labels': { '.': {}, 'f:a': {} } },
        },
      },
    ]);
    await call('POST', MAPS, { ...map, metadata: { name: 'n' } }, { 'user-agent': 'helm/3.1 (linux)' });
    expect(await owners(`${MAPS}/n`)).toMatchObject([{ manager: 'helm' }]);
    await call('POST', MAPS, { ...map, metadata: { name: 'o' } });
    expect(await owners(`${MAPS}/o`)).toMatchObject([{ manager: 'admin' }]);
  });

  it('is nobody for what admission adds, the status of a new object, and a binding', async () => {
    const made = await call('POST', `${PODS}?fieldManager=kubectl-run`, pod);
    expect(made.body.spec.tolerations).not.toEqual([]);
    expect(made.status).toBe(201);
    const binding = {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name: 'p' },
      target: { kind: 'Node', name: 'n' },
    };
    expect((await call('POST', `${PODS}/p/binding`, binding)).status).toBe(201);
    const [entry, ...others] = await owners(`${PODS}/p`);
    expect(others).toEqual([]);
    expect(Object.keys(entry!.fieldsV1)).toEqual(['f:spec']);
    expect(entry!.fieldsV1['f:spec']).not.toHaveProperty('f:tolerations');
    expect(entry!.fieldsV1['f:spec']).not.toHaveProperty('f:nodeName');
    expect(entry!.fieldsV1['f:spec']).toHaveProperty('f:dnsPolicy');
  });

  it('of the status is who writes the status, apart', async () => {
    await call('POST', `${PODS}?fieldManager=kubectl-run`, pod);
    const patch = { status: { conditions: [{ type: 'Ready', status: 'True' }], podIP: '10.0.0.1' } };
    await call('PATCH', `${PODS}/p/status?fieldManager=kubelet`, patch, {
      'content-type': 'application/strategic-merge-patch+json',
    });
    const entries = await owners(`${PODS}/p`);
    expect(entries.map(({ manager, subresource }) => [manager, subresource])).toEqual([
      ['kubectl-run', undefined],
      ['kubelet', 'status'],
    ]);
    expect(entries[1]!.fieldsV1).toEqual({
      'f:status': {
        'f:conditions': { '.': {}, 'k:{"type":"Ready"}': { '.': {}, 'f:status': {}, 'f:type': {} } },
        'f:podIP': {},
        'f:podIPs': { '.': {}, 'k:{"ip":"10.0.0.1"}': { '.': {}, 'f:ip': {} } },
      },
    });
  });

  it('moves with a change, and a change of nothing leaves everything as it is', async () => {
    await call('POST', `${MAPS}?fieldManager=a`, map);
    const before = (await call('GET', `${MAPS}/m`)).body;
    const merge = { 'content-type': 'application/merge-patch+json' };
    const same = await call('PATCH', `${MAPS}/m?fieldManager=b`, { data: { k: 'v' } }, merge);
    expect(same.body).toEqual(before);
    await call('PATCH', `${MAPS}/m?fieldManager=b`, { data: { k: 'w', l: 'x' } }, merge);
    const entries = await owners(`${MAPS}/m`);
    expect(entries.map(({ manager, fieldsV1 }) => [manager, fieldsV1['f:data']])).toEqual([
      ['a', {}],
      ['b', { 'f:k': {}, 'f:l': {} }],
    ]);
  });

  it('of replicas is who scales', async () => {
    const spec = {
      selector: { matchLabels: { a: 'b' } },
      template: { metadata: { labels: { a: 'b' } }, spec: pod.spec },
    };
    const deployment = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'd' }, spec };
    await call('POST', `${DEPLOYMENTS}?fieldManager=a`, deployment);
    await call(
      'PATCH',
      `${DEPLOYMENTS}/d/scale?fieldManager=hpa`,
      { spec: { replicas: 3 } },
      {
        'content-type': 'application/merge-patch+json',
      },
    );
    const [a, hpa] = await owners(`${DEPLOYMENTS}/d`);
    expect(a!.fieldsV1['f:spec']).not.toHaveProperty('f:replicas');
    expect(hpa).toMatchObject({
      manager: 'hpa',
      subresource: 'scale',
      fieldsV1: { 'f:spec': { 'f:replicas': {} } },
    });
  });

  it('is dropped from an object that would be too large with it', async () => {
    const data = Object.fromEntries(Array.from({ length: 30_000 }, (_, at) => [`key-${at}`, 'x'.repeat(25)]));
    const made = await call('POST', MAPS, { ...map, data });
    expect(made.status).toBe(201);
    expect(made.body.metadata.managedFields).toBeUndefined();
  });
});
