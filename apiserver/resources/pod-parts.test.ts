/** Subresources that change a part of an object: scale, resize, ephemeralcontainers. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { callsTo, startTestServer } from '../fake/server.ts';
import type { ApiServer } from '../server.ts';

const PODS = '/api/v1/namespaces/default/pods';
const DEPLOYMENTS = '/apis/apps/v1/namespaces/default/deployments';
const STRATEGIC = { 'content-type': 'application/strategic-merge-patch+json' };
const APPLY = { 'content-type': 'application/apply-patch+yaml' };

let server: ApiServer;
let call: ReturnType<typeof callsTo>;

const pod = (resources: object = { requests: { cpu: '1' } }) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p' },
  spec: { containers: [{ name: 'c', image: 'i', resources }] },
});

beforeEach(async () => {
  server = await startTestServer();
  call = callsTo(server);
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default' } };
  await call('POST', '/api/v1/namespaces/default/serviceaccounts', account);
  expect((await call('POST', PODS, pod())).status).toBe(201);
});
afterEach(() => server.stop());

const resize = (resources: object) => ({
  spec: { containers: [{ name: 'c', resources }], nodeName: 'other' },
});
const debug = (more: object = {}) => ({
  spec: { ephemeralContainers: [{ name: 'd', image: 'b', ...more }] },
});

describe('pods/resize', () => {
  it('gives containers other amounts and changes nothing else', async () => {
    const { body, status } = await call(
      'PATCH',
      `${PODS}/p/resize`,
      resize({ requests: { cpu: '2' } }),
      STRATEGIC,
    );
    expect(status).toBe(200);
    expect(body.spec.containers[0]).toMatchObject({ image: 'i', resources: { requests: { cpu: '2' } } });
    expect(body.spec.nodeName).toBeUndefined();
    expect(body.metadata.generation).toBe(2);
    expect((await call('GET', `${PODS}/p/resize`)).body).toEqual(body);
    expect(body.metadata.managedFields.at(-1)).toMatchObject({ subresource: 'resize' });
  });

  it('refuses in the words of Kubernetes, by PUT and by apply too', async () => {
    const put = await call('PUT', `${PODS}/p/resize`, { ...pod({}), metadata: { name: 'p' } });
    expect([put.status, put.body.details.causes.map(({ message }: { message: string }) => message)]).toEqual([
      422,
      [
        'Invalid value: "Burstable": Pod QOS Class may not change as a result of resizing',
        'Forbidden: resource requests cannot be removed',
      ],
    ]);
    const config = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'p' },
      ...resize({ requests: { cpu: '3' } }),
    };
    const url = `${PODS}/p/resize?fieldManager=me`;
    expect((await call('PATCH', url, config, APPLY)).status).toBe(409);
    const forced = await call('PATCH', `${url}&force=true`, config, APPLY);
    expect(forced.body.spec.containers[0].resources.requests.cpu).toBe('3');
    expect(forced.body.metadata.managedFields[0]).toMatchObject({
      ...{ manager: 'me', operation: 'Apply', subresource: 'resize' },
    });
  });
});

describe('pods/ephemeralcontainers', () => {
  it('adds containers, which then stay', async () => {
    const added = await call('PATCH', `${PODS}/p/ephemeralcontainers`, debug(), STRATEGIC);
    expect(added.status).toBe(200);
    expect(added.body.spec.ephemeralContainers[0]).toMatchObject({
      name: 'd',
      terminationMessagePolicy: 'File',
    });
    const gone = await call('PUT', `${PODS}/p/ephemeralcontainers`, { ...pod(), metadata: { name: 'p' } });
    expect([gone.status, gone.body.details.causes[0].message]).toEqual([
      422,
      'Forbidden: existing ephemeral containers "d" may not be removed\n',
    ]);
  });

  it('judges what is added, and asks admission', async () => {
    const twice = await call('PATCH', `${PODS}/p/ephemeralcontainers`, debug({ name: 'c' }), STRATEGIC);
    expect([twice.status, twice.body.message]).toEqual([
      422,
      'Pod "p" is invalid: spec.ephemeralContainers[0].name: Duplicate value: "c"',
    ]);
    const restricted = { metadata: { labels: { 'pod-security.kubernetes.io/enforce': 'baseline' } } };
    await call('PATCH', '/api/v1/namespaces/default', restricted, {
      'content-type': 'application/merge-patch+json',
    });
    const privileged = debug({ securityContext: { privileged: true } });
    const refused = await call('PATCH', `${PODS}/p/ephemeralcontainers`, privileged, STRATEGIC);
    expect([refused.status, refused.body.message]).toEqual([
      403,
      expect.stringMatching(/violates PodSecurity "baseline:latest": privileged/),
    ]);
  });
});

describe('scale', () => {
  beforeEach(async () => {
    const labels = { app: 'web' };
    const template = { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'i' }] } };
    const spec = { selector: { matchLabels: labels }, template };
    const deployment = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'd' }, spec };
    await call('POST', `${DEPLOYMENTS}?fieldManager=maker`, deployment);
  });
  const scale = (replicas: number) => ({
    apiVersion: 'autoscaling/v1',
    kind: 'Scale',
    metadata: { name: 'd' },
    spec: { replicas },
  });

  it('can be applied, and owns the replicas then', async () => {
    const url = `${DEPLOYMENTS}/d/scale?fieldManager=hpa`;
    const refused = await call('PATCH', url, scale(3), APPLY);
    expect([refused.status, refused.body.message]).toEqual([
      409,
      expect.stringMatching(
        /^Apply failed with 1 conflict: conflict with "maker" using apps\/v1: .spec.replicas$/,
      ),
    ]);
    const applied = await call('PATCH', `${url}&force=true`, scale(3), APPLY);
    expect(applied.body).toMatchObject({
      kind: 'Scale',
      spec: { replicas: 3 },
      status: { selector: 'app=web' },
    });
    const { metadata, spec } = (await call('GET', `${DEPLOYMENTS}/d`)).body;
    expect(spec.replicas).toBe(3);
    expect(metadata.managedFields[0]).toMatchObject({
      ...{ manager: 'hpa', operation: 'Apply', apiVersion: 'apps/v1', subresource: 'scale' },
      fieldsV1: { 'f:spec': { 'f:replicas': {} } },
    });
  });

  it('refuses fewer than none', async () => {
    const refused = await call('PUT', `${DEPLOYMENTS}/d/scale`, scale(-1));
    expect([refused.status, refused.body.message]).toEqual([
      422,
      'Scale.autoscaling "d" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0',
    ]);
  });
});
