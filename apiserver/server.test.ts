/** The API as clients see it, over a store in memory. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Answer, callsTo, startTestServer } from './fake/server.ts';
import type { ApiServer } from './server.ts';

const MAPS = '/api/v1/namespaces/default/configmaps';
const DEPLOYMENTS = '/apis/apps/v1/namespaces/default/deployments';
const PODS = '/api/v1/namespaces/default/pods';
const SERVICES = '/api/v1/namespaces/default/services';

let server: ApiServer;
let call: ReturnType<typeof callsTo>;

beforeEach(async () => {
  server = await startTestServer();
  call = callsTo(server);
});
afterEach(() => server.stop());

const map = (name: string, more: object = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, ...more },
  data: { a: 'b' },
});

const deployment = (name: string, image = 'nginx') => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name },
  spec: {
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'c', image }] } },
  },
});

const service = (name: string, spec: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name },
  spec: { ports: [{ port: 80 }], ...spec },
});

function failed(answer: Answer, status: number, reason: string, message: string | RegExp): void {
  expect(answer.body).toMatchObject({ kind: 'Status', status: 'Failure', code: status, reason });
  expect(answer.status).toBe(status);
  if (typeof message === 'string') expect(answer.body.message).toBe(message);
  else expect(answer.body.message).toMatch(message);
}

describe('creating', () => {
  it('answers 201 with identity and defaults', async () => {
    const { status, body } = await call('POST', DEPLOYMENTS, deployment('web'));
    expect(status).toBe(201);
    expect(body.metadata).toMatchObject({ name: 'web', namespace: 'default', generation: 1 });
    expect(body.metadata.uid).toMatch(/^[0-9a-f-]{36}$/);
    expect(body.metadata.creationTimestamp).toMatch(/Z$/);
    expect(body.spec.replicas).toBe(1);
    const read = await call('GET', `${DEPLOYMENTS}/web`);
    expect(read.body).toEqual(body);
  });

  it('says what Kubernetes says when it cannot', async () => {
    await call('POST', MAPS, map('a'));
    failed(await call('POST', MAPS, map('a')), 409, 'AlreadyExists', 'configmaps "a" already exists');
    failed(
      await call('POST', '/api/v1/namespaces/nope/configmaps', map('a')),
      404,
      'NotFound',
      'namespaces "nope" not found',
    );
    failed(
      await call('POST', MAPS, { ...map('b'), kind: 'Secret' }),
      400,
      'BadRequest',
      /Secret in version "v1" cannot be handled as a ConfigMap/,
    );
    failed(
      await call('POST', MAPS, map('b', { namespace: 'other' })),
      400,
      'BadRequest',
      'the namespace of the provided object does not match the namespace sent on the request',
    );
    failed(await call('POST', MAPS, '{'), 400, 'BadRequest', /couldn't get version\/kind; json parse error/);
    failed(
      await call('POST', MAPS, map('b'), { 'content-type': 'text/plain' }),
      415,
      'UnsupportedMediaType',
      /the body of the request was in an unknown format/,
    );
    failed(
      await call('GET', '/api/v1/gadgets'),
      404,
      'NotFound',
      'the server could not find the requested resource',
    );
  });

  it('names every fault of an invalid object with its cause', async () => {
    const bad = deployment('Web');
    bad.spec.template.metadata.labels.app = 'other';
    const answer = await call('POST', DEPLOYMENTS, bad);
    failed(
      answer,
      422,
      'Invalid',
      /^Deployment\.apps "Web" is invalid: \[metadata\.name: Invalid value: "Web": /,
    );
    expect(answer.body.details).toMatchObject({ name: 'Web', group: 'apps', kind: 'Deployment' });
    expect(answer.body.details.causes[0]).toMatchObject({
      reason: 'FieldValueInvalid',
      field: 'metadata.name',
    });
  });

  it('refuses, warns of or ignores unknown fields as asked', async () => {
    const object = { ...map('a'), dta: {} };
    failed(
      await call('POST', `${MAPS}?fieldValidation=Strict`, object),
      400,
      'BadRequest',
      /strict decoding error: unknown field "dta"/,
    );
    const warned = await call('POST', MAPS, object);
    expect(warned.status).toBe(201);
    expect(warned.headers['warning']).toBe('299 - "unknown field \\"dta\\""');
    expect(warned.body.dta).toBeUndefined();
    const ignored = await call('POST', `${MAPS}?fieldValidation=Ignore`, { ...map('b'), dta: {} });
    expect(ignored.headers['warning']).toBeUndefined();
  });

  it('refuses what is too large, before and after decoding', async () => {
    const large = deployment('a', 'x'.repeat(1_600_000));
    failed(await call('POST', DEPLOYMENTS, large), 413, 'RequestEntityTooLarge', /at most 1572864 bytes/);
    const huge = { ...map('a'), data: { a: 'x'.repeat(4_000_000) } };
    failed(
      await call('POST', MAPS, huge),
      413,
      'RequestEntityTooLarge',
      'Request entity too large: limit is 3145728',
    );
  });

  it('stores nothing on a dry run', async () => {
    expect((await call('POST', `${MAPS}?dryRun=All`, map('a'))).status).toBe(201);
    failed(await call('GET', `${MAPS}/a`), 404, 'NotFound', 'configmaps "a" not found');
  });

  it('reads YAML bodies', async () => {
    const yaml = 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: from-yaml\ndata:\n  b: "1"\n';
    const { status, body } = await call('POST', MAPS, yaml, { 'content-type': 'application/yaml' });
    expect(status).toBe(201);
    expect(body.data).toEqual({ b: '1' });
  });
});

describe('paths', () => {
  it('that name too much or too little are refused', async () => {
    failed(await call('POST', `${MAPS}/a`, map('a')), 405, 'MethodNotAllowed', /does not allow this method/);
    failed(await call('PUT', MAPS, map('a')), 405, 'MethodNotAllowed', /does not allow this method/);
    expect((await call('GET', '/api/v1/namespaces/default/nodes')).status).toBe(404);
    expect((await call('GET', '/api/v1/configmaps/a')).status).toBe(404);
    expect((await call('DELETE', '/api/v1/namespaces')).status).toBe(405);
  });

  it('tell discovery in both of its forms', async () => {
    const legacy = await call('GET', '/apis');
    expect(legacy.body.groups.map(({ name }: { name: string }) => name)).toContain('apps');
    const { body } = await call('GET', '/apis/apps/v1');
    expect(body.resources.find(({ name }: { name: string }) => name === 'deployments/scale')).toMatchObject({
      group: 'autoscaling',
      kind: 'Scale',
    });
    for (const version of ['v2', 'v2beta1']) {
      const accept = `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList,application/json`;
      const aggregated = await call('GET', '/api', undefined, { accept });
      expect(aggregated.headers['content-type']).toContain(`v=${version}`);
      expect(aggregated.body).toMatchObject({
        kind: 'APIGroupDiscoveryList',
        apiVersion: `apidiscovery.k8s.io/${version}`,
      });
      const pods = aggregated.body.items[0].versions[0].resources.find(
        ({ resource }: { resource: string }) => resource === 'pods',
      );
      expect(pods.subresources.map(({ subresource }: { subresource: string }) => subresource)).toContain(
        'log',
      );
    }
  });

  it('tell health, whole and in parts', async () => {
    expect((await call('GET', '/readyz')).body).toBe('ok');
    expect((await call('GET', '/readyz?verbose')).body).toContain('[+]bootstrap ok');
    expect((await call('GET', '/livez/ping')).status).toBe(200);
    expect((await call('GET', '/livez/nothing')).status).toBe(404);
  });

  it('tell what was asked and how much there is, without series that clients make up', async () => {
    await call('GET', MAPS);
    for (const i of [1, 2, 3]) await call('GET', `/apis/made-up/v${i}/things`);
    await call('GET', `${MAPS}/a/made-up`);
    const { body } = await call('GET', '/metrics');
    expect(body).toMatch(/^apiserver_request_total\{verb="LIST",.*resource="configmaps".*code="200"\} 1$/m);
    expect(body).toMatch(/^apiserver_request_total\{verb="LIST",.*resource="".*code="404"\} 3$/m);
    expect(body).toMatch(/^apiserver_storage_objects\{resource="namespaces"\} 4$/m);
    expect(body).toMatch(/^kubernetes_healthcheck\{name="bootstrap",type="readyz"\} 1$/m);
    expect(body).not.toMatch(/^kubernetes_healthcheck\{name="bootstrap",type="livez"\}/m);
    expect(body).not.toContain('made-up');
  });

  it('lead pods to the server', async () => {
    const { body } = await call('GET', `${SERVICES}/kubernetes`);
    expect(body.spec).toMatchObject({ clusterIP: '10.96.0.1', ports: [{ port: 443, targetPort: 6443 }] });
    const endpoints = await call('GET', '/api/v1/namespaces/default/endpoints/kubernetes');
    expect(endpoints.body.subsets[0].addresses).toEqual([{ ip: '192.0.2.1' }]);
  });
});

describe('changing', () => {
  it('counts changes of the spec as generations, and nothing else', async () => {
    await call('POST', DEPLOYMENTS, deployment('web'));
    const path = `${DEPLOYMENTS}/web`;
    const merge = { 'content-type': 'application/merge-patch+json' };
    const labelled = await call('PATCH', path, { metadata: { labels: { a: 'b' } } }, merge);
    expect(labelled.body.metadata.generation).toBe(1);
    const scaled = await call('PATCH', path, { spec: { replicas: 3 } }, merge);
    expect(scaled.body.metadata.generation).toBe(2);
    const status = await call(
      'PATCH',
      `${path}/status`,
      { spec: { replicas: 9 }, status: { replicas: 2 } },
      merge,
    );
    expect(status.body.spec.replicas).toBe(3);
    expect(status.body.status.replicas).toBe(2);
    expect(status.body.metadata.generation).toBe(2);
    const ignored = await call('PATCH', path, { status: { replicas: 7 } }, merge);
    expect(ignored.body.status.replicas).toBe(2);
  });

  it('counts changes of webhooks as generations, though they have no spec', async () => {
    const path = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations';
    const made = await call('POST', path, { metadata: { name: 'none' } });
    expect(made.body.metadata.generation).toBe(1);
    const merge = { 'content-type': 'application/merge-patch+json' };
    const clientConfig = { url: 'https://example.com' };
    const webhook = {
      name: 'a.example.com',
      admissionReviewVersions: ['v1'],
      sideEffects: 'None',
      clientConfig,
    };
    const changed = await call('PATCH', `${path}/none`, { webhooks: [webhook] }, merge);
    expect(changed.body.metadata.generation).toBe(2);
  });

  it('writes nothing when nothing changes', async () => {
    const { body } = await call('POST', MAPS, map('a'));
    const again = await call('PUT', `${MAPS}/a`, map('a'));
    expect(again.body.metadata.resourceVersion).toBe(body.metadata.resourceVersion);
  });

  it('refuses a change of an older revision, another uid or another name', async () => {
    const { body } = await call('POST', MAPS, map('a'));
    await call('PUT', `${MAPS}/a`, { ...map('a'), data: { n: '2' } });
    failed(
      await call('PUT', `${MAPS}/a`, { ...body, data: { n: '3' } }),
      409,
      'Conflict',
      'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again',
    );
    failed(
      await call('PUT', `${MAPS}/a`, map('a', { uid: 'other' })),
      409,
      'Conflict',
      /Precondition failed: UID in precondition: other, UID in object meta: /,
    );
    failed(
      await call('PUT', `${MAPS}/a`, map('b')),
      400,
      'BadRequest',
      'the name of the object (b) does not match the name on the URL (a)',
    );
    failed(await call('PUT', `${MAPS}/zz`, map('zz')), 404, 'NotFound', 'configmaps "zz" not found');
  });

  it('brings all of many unconditional patches at once home', async () => {
    await call('POST', MAPS, map('a'));
    const keys = Array.from({ length: 20 }, (_, i) => `k${i}`);
    const merge = { 'content-type': 'application/merge-patch+json' };
    const answers = await Promise.all(
      keys.map((key) => call('PATCH', `${MAPS}/a`, { data: { [key]: '1' } }, merge)),
    );
    expect(answers.map(({ status }) => status)).toEqual(keys.map(() => 200));
    const { body } = await call('GET', `${MAPS}/a`);
    expect(Object.keys(body.data).sort()).toEqual(['a', ...keys].sort());
  });

  it('patches by JSON patch and strategic merge patch', async () => {
    await call('POST', DEPLOYMENTS, deployment('web'));
    const path = `${DEPLOYMENTS}/web`;
    const json = await call('PATCH', path, [{ op: 'replace', path: '/spec/replicas', value: 4 }], {
      'content-type': 'application/json-patch+json',
    });
    expect(json.body.spec.replicas).toBe(4);
    const strategic = await call(
      'PATCH',
      path,
      { spec: { template: { spec: { containers: [{ name: 'd', image: 'x' }] } } } },
      { 'content-type': 'application/strategic-merge-patch+json' },
    );
    const names = strategic.body.spec.template.spec.containers.map(({ name }: { name: string }) => name);
    expect(names.sort()).toEqual(['c', 'd']);
    failed(
      await call('PATCH', path, {}, { 'content-type': 'application/x' }),
      415,
      'UnsupportedMediaType',
      /unknown format/,
    );
  });

  it('scales through the scale subresource', async () => {
    await call('POST', DEPLOYMENTS, deployment('web'));
    const merge = { 'content-type': 'application/merge-patch+json' };
    const scale = await call('PATCH', `${DEPLOYMENTS}/web/scale`, { spec: { replicas: 5 } }, merge);
    expect(scale.body).toMatchObject({
      kind: 'Scale',
      apiVersion: 'autoscaling/v1',
      spec: { replicas: 5 },
      status: { selector: 'app=web' },
    });
    expect((await call('GET', `${DEPLOYMENTS}/web`)).body.spec.replicas).toBe(5);
  });
});

describe('deleting', () => {
  it('waits for finalizers and goes with the last', async () => {
    await call('POST', MAPS, map('a', { finalizers: ['example.com/hold'] }));
    const first = await call('DELETE', `${MAPS}/a`);
    expect(first.body.metadata).toMatchObject({ deletionGracePeriodSeconds: 0 });
    expect(first.body.metadata.deletionTimestamp).toBeTruthy();
    failed(
      await call('PUT', `${MAPS}/a`, map('a', { finalizers: ['example.com/hold', 'example.com/more'] })),
      422,
      'Invalid',
      /found new finalizers \[\]string\{"example.com\/more"\}/,
    );
    expect((await call('PUT', `${MAPS}/a`, map('a'))).status).toBe(200);
    failed(await call('GET', `${MAPS}/a`), 404, 'NotFound', 'configmaps "a" not found');
  });

  it('answers Success with uid, and keeps to preconditions', async () => {
    const { body } = await call('POST', MAPS, map('a'));
    failed(
      await call('DELETE', `${MAPS}/a`, { preconditions: { uid: 'other' } }),
      409,
      'Conflict',
      /the UID in the precondition \(other\) does not match the UID in record/,
    );
    const { uid } = body.metadata;
    const gone = await call('DELETE', `${MAPS}/a`, { preconditions: { uid } });
    expect(gone.body).toMatchObject({ kind: 'Status', status: 'Success', details: { name: 'a', uid } });
  });

  it('leaves finalizers for the garbage collector as the propagation policy says', async () => {
    for (const [policy, finalizer] of [
      ['Foreground', 'foregroundDeletion'],
      ['Orphan', 'orphan'],
    ]) {
      await call('POST', DEPLOYMENTS, deployment(policy!.toLowerCase()));
      const { body } = await call('DELETE', `${DEPLOYMENTS}/${policy!.toLowerCase()}`, {
        propagationPolicy: policy,
      });
      expect(body.metadata.finalizers).toEqual([finalizer]);
    }
  });

  it('removes an unscheduled pod at once and a scheduled one after its node agreed', async () => {
    await call('POST', '/api/v1/namespaces/default/serviceaccounts', {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: 'default' },
    });
    const pod = (name: string) => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name },
      spec: { containers: [{ name: 'c', image: 'x' }] },
    });
    await call('POST', PODS, pod('waiting'));
    await call('DELETE', `${PODS}/waiting`);
    expect((await call('GET', `${PODS}/waiting`)).status).toBe(404);

    await call('POST', PODS, pod('running'));
    const binding = {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name: 'running' },
      target: { kind: 'Node', name: 'n1' },
    };
    expect((await call('POST', `${PODS}/running/binding`, binding)).status).toBe(201);
    failed(
      await call('POST', `${PODS}/running/binding`, binding),
      409,
      'Conflict',
      'Operation cannot be fulfilled on pods/binding "running": pod running is already assigned to node "n1"',
    );
    const { body } = await call('DELETE', `${PODS}/running`);
    expect(body.metadata.deletionGracePeriodSeconds).toBe(30);
    expect((await call('GET', `${PODS}/running`)).status).toBe(200);
    await call('DELETE', `${PODS}/running`, { gracePeriodSeconds: 0 });
    expect((await call('GET', `${PODS}/running`)).status).toBe(404);
  });

  it('marks a namespace Terminating and removes it when it is finalized', async () => {
    await call('POST', '/api/v1/namespaces', {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: 'x' },
    });
    const { body } = await call('DELETE', '/api/v1/namespaces/x');
    expect(body.status.phase).toBe('Terminating');
    failed(
      await call('POST', '/api/v1/namespaces/x/configmaps', map('a')),
      403,
      'Forbidden',
      /because it is being terminated/,
    );
    await call('PUT', '/api/v1/namespaces/x/finalize', { ...body, spec: { finalizers: [] } });
    expect((await call('GET', '/api/v1/namespaces/x')).status).toBe(404);
  });

  it('deletes a collection by selector', async () => {
    for (const name of ['a', 'b', 'c']) await call('POST', MAPS, map(name, { labels: { n: name } }));
    const { body } = await call('DELETE', `${MAPS}?labelSelector=n%20in%20(a,b)`);
    expect(body.items.map(({ metadata }: { metadata: { name: string } }) => metadata.name).sort()).toEqual([
      'a',
      'b',
    ]);
    expect((await call('GET', MAPS)).body.items).toHaveLength(1);
  });
});

describe('allocating', () => {
  it('gives services addresses and ports of their own, and takes them back', async () => {
    const first = await call('POST', SERVICES, service('a', { type: 'NodePort' }));
    const { clusterIP, ports } = first.body.spec;
    expect(clusterIP).toMatch(/^10\.96\./);
    expect(ports[0].nodePort).toBeGreaterThanOrEqual(30_000);
    failed(
      await call('POST', SERVICES, service('b', { clusterIP })),
      422,
      'Invalid',
      new RegExp(
        `spec.clusterIPs: Invalid value: .*failed to allocate IP ${clusterIP}: provided IP is already allocated`,
      ),
    );
    failed(
      await call(
        'POST',
        SERVICES,
        service('b', { type: 'NodePort', ports: [{ port: 80, nodePort: ports[0].nodePort }] }),
      ),
      422,
      'Invalid',
      /spec.ports\[0\].nodePort: Invalid value: \d+: provided port is already allocated/,
    );
    failed(
      await call('POST', SERVICES, service('b', { clusterIP: '10.0.0.1' })),
      422,
      'Invalid',
      /is not in the valid range/,
    );
    await call('DELETE', `${SERVICES}/a`);
    expect((await call('POST', SERVICES, service('b', { clusterIP }))).status).toBe(201);
  });

  it('never gives one value twice when many ask at once', async () => {
    const names = Array.from({ length: 60 }, (_, i) => `s${i}`);
    const made = await Promise.all(names.map((name) => call('POST', SERVICES, service(name))));
    expect(made.map(({ status }) => status)).toEqual(names.map(() => 201));
    expect(new Set(made.map(({ body }) => body.spec.clusterIP)).size).toBe(60);
  });

  it('says when a pool is empty', async () => {
    await server.stop();
    server = await startTestServer({
      config: { cluster: 'small', serviceCidr: '10.96.0.0/29', nodePorts: { from: 30_000, to: 30_001 } },
    });
    call = callsTo(server);
    for (const i of [1, 2, 3, 4, 5, 6])
      expect((await call('POST', SERVICES, service(`s${i}`))).status).toBe(201);
    failed(await call('POST', SERVICES, service('s7')), 422, 'Invalid', /range is full/);
  });
});
