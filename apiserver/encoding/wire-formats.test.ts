import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { kubectlBinary, type Served, serve } from '../testing/served.ts';

/** Patches, apply and formats as the real kubectl sends them to the real server. */
const here = test.skipIf(!kubectlBinary('1.33'));
let api: Served;

beforeAll(async () => {
  api = await serve();
});
afterAll(() => api?.stop());

const configMap = (data: Record<string, string>) =>
  JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'cm' }, data });
const apply = (data: Record<string, string>, ...parameters: string[]) =>
  api.kubectl(['apply', '--server-side', '-f', '-', ...parameters], { input: configMap(data) });
const data = async () => JSON.parse((await api.kubectl(['get', 'cm', 'cm', '-o', 'jsonpath={.data}'])).out);

describe('server-side apply', () => {
  here('creates, changes, and takes out what is no longer named', async () => {
    expect((await apply({ a: '1', b: '2' })).out).toBe('configmap/cm serverside-applied\n');
    expect((await apply({ a: '3' })).out).toBe('configmap/cm serverside-applied\n');
    expect(await data()).toEqual({ a: '3' });
  });

  here('refuses to take from another manager, unless it is forced', async () => {
    const refused = await apply({ a: '4' }, '--field-manager=other');
    expect(refused.code).toBe(1);
    expect(refused.err).toContain('Apply failed with 1 conflict: conflict with "kubectl": .data.a');
    expect(await data()).toEqual({ a: '3' });
    expect((await apply({ a: '4' }, '--field-manager=other', '--force-conflicts')).code).toBe(0);
    expect(await data()).toEqual({ a: '4' });
  });

  here('knows who patched an applied object since', async () => {
    await api.kubectl(['patch', 'cm', 'cm', '--type=merge', '-p', '{"data":{"a":"9"}}']);
    expect((await apply({ a: '5' }, '--field-manager=other')).err).toMatch(
      /conflict with "kubectl-patch" using v1: \.data\.a/,
    );
  });
});

describe('patches', () => {
  here('of all three types', async () => {
    await api.kubectl(['create', 'configmap', 'three', '--from-literal=a=1']);
    const patch = (type: string, body: unknown) =>
      api.kubectl(['patch', 'cm', 'three', `--type=${type}`, '-p', JSON.stringify(body)]);
    await patch('strategic', { data: { b: '2' } });
    await patch('merge', { data: { a: null } });
    await patch('json', [{ op: 'add', path: '/data/c', value: '3' }]);
    const { out } = await api.kubectl(['get', 'cm', 'three', '-o', 'jsonpath={.data}']);
    expect(JSON.parse(out)).toEqual({ b: '2', c: '3' });
    const failed = await patch('json', [{ op: 'test', path: '/data/c', value: '4' }]);
    expect(failed.err).toContain('the server rejected our request due to an error in our request');
  });
});

describe('protobuf bodies, which kubectl sends since 1.32', () => {
  here('give the same objects as JSON, without the zeros that Go writes', async () => {
    const created = async (...parameters: string[]) => {
      const { out, err } = await api.kubectl(['create', ...parameters, '-o', 'json']);
      if (err) throw new Error(err);
      return JSON.parse(out);
    };
    const deployment = await created('deployment', 'web', '--image=nginx', '--replicas=0', '--port=80');
    expect(deployment).toMatchObject({
      metadata: { name: 'web', labels: { app: 'web' } },
      spec: {
        replicas: 0,
        template: { spec: { containers: [{ name: 'nginx', ports: [{ containerPort: 80 }] }] } },
      },
    });
    const stored = JSON.parse((await api.kubectl(['get', 'deploy', 'web', '-o', 'json'])).out);
    expect(JSON.stringify(stored)).not.toMatch(
      /"(nodeName|serviceAccountName|hostname|workingDir|hostNetwork)"/,
    );
    const secret = await created('secret', 'generic', 's', '--from-literal=a=\u00e4');
    expect(secret).toMatchObject({ type: 'Opaque', data: { a: Buffer.from('\u00e4').toString('base64') } });
    expect(await created('role', 'r', '--verb=get', '--resource=pods')).toMatchObject({
      rules: [{ verbs: ['get'] }],
    });
    const service = await created('service', 'clusterip', 'svc', '--tcp=80:http');
    expect(service).toMatchObject({ spec: { ports: [{ port: 80, targetPort: 'http' }] } });
  });
});

describe('faults of an object', () => {
  here('an unknown field and a wrong type are named', async () => {
    const pod = (container: object) =>
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'p' },
        spec: { containers: [container] },
      });
    const create = (input: string) => api.kubectl(['create', '-f', '-'], { input });
    expect((await create(pod({ name: 'c', imag: 'x' }))).err).toContain(
      'Pod in version "v1" cannot be handled as a Pod: strict decoding error: unknown field "spec.containers[0].imag"',
    );
    expect((await create(pod({ name: 1, image: 'x' }))).err).toContain(
      'json: cannot unmarshal number into Go struct field Container.spec.containers.name of type string',
    );
  });
});
