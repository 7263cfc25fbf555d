import { afterAll, beforeAll, expect, test } from 'vitest';
import { ServiceAccountKind } from '#api/kinds/service-account.ts';
import { kubectlBinary, type Served, serve } from '../testing/served.ts';

/** What kubectl shows of the rules by which kinds are written. */
const here = test.skipIf(!kubectlBinary('1.33'));
let api: Served;

beforeAll(async () => {
  api = await serve();
  const metadata = { name: 'default', namespace: 'default' };
  await api.server.engine.create(
    ServiceAccountKind,
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
    't',
  );
});
afterAll(() => api?.stop());

const kubectl = (parameters: string[], object?: object) =>
  api.kubectl(parameters, object && { input: JSON.stringify(object) });

here('a pod is made with what people should know of it', async () => {
  const env = [
    { name: 'A', value: '1' },
    { name: 'A', value: '2' },
  ];
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'a.b' },
    spec: { containers: [{ name: 'c', image: 'i', env }], terminationGracePeriodSeconds: -1 },
  };
  expect(await kubectl(['create', '-f', '-'], pod)).toEqual({
    code: 0,
    out: 'pod/a.b created\n',
    err: [
      "Warning: metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended: [must not contain dots]",
      'Warning: spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply',
      'Warning: spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1',
      '',
    ].join('\n'),
  });
});

here('what is missing is replaced where its kind lets it', async () => {
  const metadata = { name: 'x' };
  const range = { apiVersion: 'v1', kind: 'LimitRange', metadata, spec: { limits: [] } };
  expect(await kubectl(['replace', '-f', '-'], range)).toMatchObject({
    code: 0,
    out: 'limitrange/x replaced\n',
  });
  const map = { apiVersion: 'v1', kind: 'ConfigMap', metadata };
  expect(await kubectl(['replace', '-f', '-'], map)).toMatchObject({
    code: 1,
    err: 'Error from server (NotFound): error when replacing "STDIN": configmaps "x" not found\n',
  });
});

here('the pods of a job are left when it is deleted by its bare path', async () => {
  const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } };
  const job = { apiVersion: 'batch/v1', kind: 'Job', metadata: { name: 'j' }, spec: { template } };
  await kubectl(['create', '-f', '-'], job);
  const { err } = await kubectl(['delete', '--raw', '/apis/batch/v1/namespaces/default/jobs/j']);
  expect(err).toContain(
    'Warning: child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning',
  );
});
