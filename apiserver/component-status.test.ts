/** `kubectl get componentstatuses` as clients see it. */
import { afterEach, expect, it } from 'vitest';
import { componentStatusHandler } from './component-status.ts';
import { callsTo, startTestServer } from './fake/server.ts';
import type { ApiServer, ApiServerDeps } from './server.ts';

const PATH = '/api/v1/componentstatuses';
const started: ApiServer[] = [];
afterEach(() => Promise.all(started.splice(0).map((server) => server.stop())));

async function serve(probes?: ApiServerDeps['probes']): Promise<ReturnType<typeof callsTo>> {
  const server = await startTestServer({ ...(probes && { probes }) });
  started.push(server);
  return callsTo(server);
}

const status = (name: string, condition: object) => ({
  apiVersion: 'v1',
  kind: 'ComponentStatus',
  metadata: { name },
  conditions: [{ type: 'Healthy', ...condition }],
});

it('lists the parts as they are now, with a warning', async () => {
  let fault: string | undefined;
  const call = await serve({
    scheduler: () => fault,
    'controller-manager': async () => {
      throw new Error('no answer within 5 s');
    },
  });
  const first = await call('GET', PATH);
  expect(first.body).toEqual({
    kind: 'ComponentStatusList',
    apiVersion: 'v1',
    metadata: {},
    items: [
      status('scheduler', { status: 'True', message: 'ok' }),
      status('controller-manager', { status: 'False', error: 'no answer within 5 s' }),
      status('etcd-0', { status: 'True', message: 'ok' }),
    ],
  });
  expect(first.headers['warning']).toBe('299 - "v1 ComponentStatus is deprecated in v1.19+"');
  fault = 'the first lists are not complete';
  expect((await call('GET', `${PATH}/scheduler`)).body).toEqual(
    status('scheduler', { status: 'False', message: fault }),
  );
});

it('says so when it cannot know', async () => {
  const call = await serve();
  const { body } = await call('GET', `${PATH}?fieldSelector=metadata.name%3Dscheduler`);
  expect(body.items).toEqual([status('scheduler', { status: 'Unknown', message: 'runs somewhere else' })]);
  expect((await call('GET', `${PATH}?labelSelector=a%3Db`)).body.items).toEqual([]);
});

it('prints them as a table', async () => {
  const call = await serve({ scheduler: () => 'asleep', 'controller-manager': () => undefined });
  const accept = { accept: 'application/json;as=Table;g=meta.k8s.io;v=v1' };
  const { body } = await call('GET', PATH, undefined, accept);
  expect(body.columnDefinitions.map(({ name }: { name: string }) => name)).toEqual([
    'Name',
    'Status',
    'Message',
    'Error',
  ]);
  expect(body.rows.map(({ cells }: { cells: string[] }) => cells)).toEqual([
    ['scheduler', 'Unhealthy', 'asleep', ''],
    ['controller-manager', 'Healthy', 'ok', ''],
    ['etcd-0', 'Healthy', 'ok', ''],
  ]);
});

it('knows no others, and lets nobody write or watch them', async () => {
  const call = await serve();
  expect((await call('GET', `${PATH}/etcd-1`)).body).toMatchObject({
    code: 404,
    message: 'componentstatuses "etcd-1" not found',
  });
  expect((await call('POST', PATH, status('x', {}))).status).toBe(405);
  expect((await call('DELETE', `${PATH}/scheduler`)).status).toBe(405);
  expect((await call('GET', `${PATH}?watch=true`)).status).toBe(405);
  const { body } = await call('GET', '/api/v1');
  const found = body.resources.find(({ name }: { name: string }) => name === 'componentstatuses');
  expect(found).toMatchObject({
    singularName: 'componentstatus',
    shortNames: ['cs'],
    verbs: ['get', 'list'],
  });
});

it('asks every part anew each time', async () => {
  let asked = 0;
  const handler = componentStatusHandler({
    scheduler: () => void asked++,
    'controller-manager': undefined,
    'etcd-0': undefined,
  });
  await handler.objects!();
  await handler.objects!();
  expect(asked).toBe(2);
});
