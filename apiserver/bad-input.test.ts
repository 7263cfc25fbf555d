/** What requests of chance have found (fuzz/), each by name: bad input is refused with a Status, and what is stored can be read. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isProtobuf } from '#machinery/protobuf/envelope.ts';
import { collect } from '#machinery/transport.ts';
import { type Answer, callsTo, startTestServer, TEST_ADMIN } from './fake/server.ts';
import type { ApiServer } from './server.ts';

const DEFAULT = '/api/v1/namespaces/default';
const MAPS = `${DEFAULT}/configmaps`;
const PODS = `${DEFAULT}/pods`;
const MERGE = { 'content-type': 'application/merge-patch+json' };
const JSON_PATCH = { 'content-type': 'application/json-patch+json' };
const STRATEGIC = { 'content-type': 'application/strategic-merge-patch+json' };

let server: ApiServer;
let call: ReturnType<typeof callsTo>;
let names = 0;

beforeAll(async () => {
  server = await startTestServer();
  call = callsTo(server);
  // Pods are refused without it.
  await made(`${DEFAULT}/serviceaccounts`, { metadata: { name: 'default' } });
});
afterAll(() => server.stop());

async function made(path: string, object: object): Promise<Answer['body']> {
  const { status, body } = await call('POST', path, object);
  expect(body).toMatchObject({ metadata: { name: expect.any(String) } });
  expect(status).toBe(201);
  return body;
}

/** The path of a new ConfigMap. */
async function newMap(rest: object = {}): Promise<string> {
  const name = `map-${++names}`;
  await made(MAPS, { metadata: { name, ...rest } });
  return `${MAPS}/${name}`;
}

async function newPod(): Promise<string> {
  const name = `pod-${++names}`;
  await made(PODS, { metadata: { name }, spec: { containers: [{ name: 'c', image: 'i' }] } });
  return `${PODS}/${name}`;
}

function failed(answer: Answer, code: number, reason: string, message: string | RegExp): void {
  expect(answer.body).toMatchObject({ kind: 'Status', code, reason });
  expect(answer.status).toBe(code);
  expect(answer.body.message).toEqual(typeof message === 'string' ? message : expect.stringMatching(message));
}

describe('errors', () => {
  const read = async (accept: string) => {
    const request = { method: 'GET', path: `${MAPS}/none`, headers: { accept } };
    const { headers, body } = await server.transport(TEST_ADMIN).request(request);
    return { type: headers['content-type'], bytes: await collect(body) };
  };

  it('say the format that they are in', async () => {
    const protobuf = await read('application/vnd.kubernetes.protobuf');
    expect(protobuf.type).toBe('application/vnd.kubernetes.protobuf');
    expect(isProtobuf(protobuf.bytes)).toBe(true);
    const yaml = await read('application/yaml');
    expect(yaml.type).toBe('application/yaml');
    expect(Buffer.from(yaml.bytes).toString()).toContain('reason: NotFound');
  });

  it('are JSON for who accepts nothing of ours', async () => {
    const { type, bytes } = await read('text/html');
    expect(type).toBe('application/json');
    expect(JSON.parse(Buffer.from(bytes).toString())).toMatchObject({ reason: 'NotFound' });
  });

  it('of a million elements tell the first of them', async () => {
    const finalizers = Array(300_000).fill('-');
    const { body } = await call('POST', MAPS, { metadata: { name: 'x', finalizers } });
    expect(body).toMatchObject({ code: 422, message: expect.stringMatching(/, \.\.\.\]$/) });
    expect(body.details.causes).toHaveLength(200);
  });

  it('and warnings of long names stay short', async () => {
    const fields = Object.fromEntries(Array.from({ length: 90 }, (_, i) => [`${i}${'x'.repeat(10_000)}`, 1]));
    const { status, headers } = await call('POST', MAPS, { metadata: { name: 'warned' }, ...fields });
    expect(status).toBe(201);
    expect(headers['warning']!.length).toBeLessThan(5_000);
    expect(headers['warning']).toMatch(/^299 - "unknown field \\"0x+", 299/);
  });
});

describe('names that all objects of JavaScript have', () => {
  it.each(['constructor', '__proto__', 'toString', 'hasOwnProperty'])('%s is none of ours', async (name) => {
    failed(
      await call('GET', `${MAPS}?fieldSelector=${name}%3Dx`),
      400,
      'BadRequest',
      /is not a known field selector/,
    );
    failed(
      await call('GET', `${DEFAULT}/events?fieldSelector=${name}%3Dx`),
      400,
      'BadRequest',
      /not supported/,
    );
    failed(
      await call('PATCH', `${MAPS}/x`, {}, { 'content-type': name }),
      415,
      'UnsupportedMediaType',
      /unknown format/,
    );
    failed(await call('GET', MAPS, undefined, { accept: name }), 406, 'NotAcceptable', /media types/);
    const shape = `application/json;as=${name};v=v1;g=meta.k8s.io`;
    failed(await call('GET', MAPS, undefined, { accept: shape }), 406, 'NotAcceptable', /media types/);
  });

  it('are data like all other where data is kept', async () => {
    const name = `map-${++names}`;
    const data = '{"__proto__":"a","constructor":"b","toString":"c"}';
    await call('POST', MAPS, `{"metadata":{"name":"${name}"},"data":${data}}`);
    const request = { method: 'GET', path: `${MAPS}/${name}`, headers: {} };
    const { body } = await server.transport(TEST_ADMIN).request(request);
    expect(Buffer.from(await collect(body)).toString()).toContain(`"data":${data}`);
  });
});

describe('parameters', () => {
  it.each([
    ['POST', MAPS, 'CreateOptions', { metadata: { name: 'options' } }, {}],
    ['PUT', `${MAPS}/x`, 'UpdateOptions', { metadata: { name: 'x' } }, {}],
    ['PATCH', `${MAPS}/x`, 'PatchOptions', {}, MERGE],
    ['PUT', `${PODS}/x/status`, 'UpdateOptions', { metadata: { name: 'x' } }, {}],
  ])('of %s %s are checked like fields', async (method, path, kind, body, headers) => {
    const manager = encodeURIComponent(`${'m'.repeat(128)}\u0007`);
    const query = `fieldValidation=strict&dryRun=Some&fieldManager=${manager}`;
    const answer = await call(method, `${path}?${query}`, body, headers);
    failed(answer, 422, 'Invalid', /^\w+\.meta\.k8s\.io "" is invalid: \[fieldManager: Too long/);
    expect(answer.body.details).toMatchObject({ kind, group: 'meta.k8s.io' });
    expect(answer.body.details.causes).toMatchObject([
      { reason: 'FieldValueTooLong', field: 'fieldManager' },
      { reason: 'FieldValueInvalid', field: 'fieldManager', message: expect.stringMatching(/U\+0007/) },
      {
        field: 'dryRun',
        reason: 'FieldValueNotSupported',
        message: 'Unsupported value: ["Some"]: supported values: "All"',
      },
      {
        field: 'fieldValidation',
        message: 'Unsupported value: "strict": supported values: "", "Ignore", "Strict", "Warn"',
      },
    ]);
  });

  it('of DELETE are checked like fields, in the query and in the body', async () => {
    const path = await newMap();
    const query = await call('DELETE', `${path}?propagationPolicy=orphan`);
    failed(
      query,
      422,
      'Invalid',
      'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: "orphan": supported values: "Foreground", "Background", "Orphan", "nil"',
    );
    const both = {
      orphanDependents: true,
      propagationPolicy: 'Orphan',
      dryRun: ['No'],
    };
    const body = await call('DELETE', path, both);
    expect(body.body.details.causes.map(({ field }: { field: string }) => field)).toEqual([
      'propagationPolicy',
      'dryRun',
    ]);
    expect((await call('GET', path)).status).toBe(200);
  });

  it.each(['bnVsbA', 'W10', 'e30', 'MQ', 'Ww', '*'])('a continue token of %s is refused', async (token) => {
    failed(await call('GET', `${MAPS}?continue=${token}`), 400, 'BadRequest', /continue key is not valid/);
  });
});

describe('patches', () => {
  it('cannot take the metadata away', async () => {
    const path = await newMap({ labels: { a: 'b' } });
    for (const headers of [MERGE, STRATEGIC]) {
      expect((await call('PATCH', path, { metadata: null }, headers)).status).toBe(200);
      expect((await call('GET', path)).body.metadata).toMatchObject({ name: path.split('/').at(-1) });
    }
  });

  it('cannot take the metadata of a view away', async () => {
    const spec = { scaleTargetRef: { kind: 'Deployment', name: 'web' }, maxReplicas: 2 };
    const path = '/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers';
    await made(path, { metadata: { name: 'view' }, spec });
    expect((await call('PATCH', `${path}/view`, { metadata: null }, MERGE)).status).toBe(200);
  });

  it('cannot take the type away or make it another one', async () => {
    const path = await newMap();
    for (const headers of [MERGE, STRATEGIC]) {
      for (const patch of [{ kind: null, apiVersion: null }, { kind: 'Secret' }, { apiVersion: 'v2' }])
        await call('PATCH', path, patch, headers);
      expect((await call('GET', path)).body).toMatchObject({ apiVersion: 'v1', kind: 'ConfigMap' });
    }
  });

  it('cannot hang a document off itself', async () => {
    const path = await newMap();
    const patch = [{ op: 'move', from: '', path: '/metadata/-' }];
    failed(
      await call('PATCH', path, patch, JSON_PATCH),
      422,
      'Invalid',
      /^the server rejected our request due to an error in our request/,
    );
  });

  it.each([
    ['JSON', JSON_PATCH, (deep: string) => `[{"op":"add","path":"/data","value":${deep}}]`],
    ['merge', MERGE, (deep: string) => `{"data":${deep}}`],
    ['strategic', STRATEGIC, (deep: string) => `{"metadata":{"labels":${deep}}}`],
  ])('a %s patch that is nested without end is refused', async (_, headers, patch) => {
    const path = await newMap();
    for (const deep of [
      '['.repeat(100_000) + ']'.repeat(100_000),
      `${'{"a":'.repeat(9_999)}1${'}'.repeat(9_999)}`,
    ])
      failed(await call('PATCH', path, patch(deep), headers), 400, 'BadRequest', /exceeded max depth$/);
  });
});

describe('objects', () => {
  it('of which a part is missing are refused, not stumbled over', async () => {
    failed(
      await call('POST', PODS, { metadata: { name: 'p' }, spec: {} }),
      422,
      'Invalid',
      /spec\.containers: Required/,
    );
    const subsets = [{ addresses: [{}], notReadyAddresses: [{}], ports: [{}] }];
    const endpoints = { metadata: { name: 'e' }, subsets };
    failed(await call('POST', `${DEFAULT}/endpoints`, endpoints), 422, 'Invalid', /addresses\[0\]\.ip/);
  });

  it('without containers are refused in namespaces with limits and quotas too', async () => {
    await made('/api/v1/namespaces', { metadata: { name: 'limited' } });
    const root = '/api/v1/namespaces/limited';
    await made(`${root}/serviceaccounts`, { metadata: { name: 'default' } });
    const limits = [
      { type: 'Container', default: { cpu: '1' } },
      { type: 'Pod', max: { cpu: '2' } },
    ];
    await made(`${root}/limitranges`, { metadata: { name: 'l' }, spec: { limits } });
    await made(`${root}/resourcequotas`, {
      metadata: { name: 'q' },
      spec: { hard: { 'requests.cpu': '4' } },
    });
    const answer = await call('POST', `${root}/pods`, { metadata: { name: 'p' }, spec: {} });
    expect(answer.body).toMatchObject({ kind: 'Status', status: 'Failure' });
    expect(answer.status).toBeLessThan(500);
  });

  it('of a job without a name are refused', async () => {
    const spec = { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } } };
    const path = '/apis/batch/v1/namespaces/default/jobs';
    failed(await call('POST', path, { spec }), 422, 'Invalid', /metadata\.name: Required value/);
  });

  it('lose a selfLink and owners of fields that nobody can read', async () => {
    const path = await newMap({ selfLink: '/x', managedFields: [{ operation: 'Sometimes' }, {}] });
    const { body } = await call('GET', path);
    expect(body.metadata).not.toHaveProperty('selfLink');
    expect(body.metadata).not.toHaveProperty('managedFields');
  });

  it('have no halves of surrogate pairs', async () => {
    const name = `map-${++names}`;
    await call('POST', MAPS, `{"metadata":{"name":"${name}"},"data":{"a":"x\\ud800y"}}`);
    expect((await call('GET', `${MAPS}/${name}`)).body.data).toEqual({ a: 'x\ufffdy' });
  });

  it('keep metadata that is right when the status is written', async () => {
    const path = await newPod();
    const patch = { metadata: { labels: { a: '-wrong-' } } };
    failed(
      await call('PATCH', `${path}/status`, patch, MERGE),
      422,
      'Invalid',
      /metadata\.labels: Invalid value: "-wrong-"/,
    );
  });

  it('of a daemon set keep the number of its template when the status is written', async () => {
    const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
    const spec = { selector: { matchLabels: { a: 'b' } }, template };
    const path = '/apis/apps/v1/namespaces/default/daemonsets';
    await made(path, { metadata: { name: 'set' }, spec });
    const { body } = await call('PATCH', `${path}/set/status`, { metadata: { annotations: null } }, MERGE);
    expect(body.metadata.annotations).toEqual({ 'deprecated.daemonset.template.generation': '1' });
  });

  it('are judged whole when debug containers are added', async () => {
    const path = await newPod();
    const patch = (ephemeralContainers: object[]) =>
      call('PATCH', `${path}/ephemeralcontainers`, { spec: { ephemeralContainers } }, STRATEGIC);
    failed(
      await patch([{ name: 'A B', image: 'i' }]),
      422,
      'Invalid',
      /spec\.ephemeralContainers\[0\]\.name/,
    );
    expect((await patch([])).body.spec).not.toHaveProperty('ephemeralContainers');
  });

  it('are judged whole when a namespace is finalized, with or without metadata', async () => {
    await made('/api/v1/namespaces', { metadata: { name: 'finalized' } });
    const path = '/api/v1/namespaces/finalized/finalize';
    failed(await call('PUT', path, { spec: { finalizers: ['-'] } }), 422, 'Invalid', /spec\.finalizers/);
    expect((await call('PUT', path, {})).status).toBe(200);
  });

  it('say how large they would be to store, and how large they may be', async () => {
    const create = (bytes: number) => {
      const containers = [{ name: 'c', image: 'i', args: ['x'.repeat(bytes)] }];
      const template = { metadata: { labels: { a: 'b' } }, spec: { containers } };
      const spec = { selector: { matchLabels: { a: 'b' } }, template };
      const metadata = { name: `large-${++names}` };
      return call('POST', '/apis/apps/v1/namespaces/default/deployments', { metadata, spec });
    };
    failed(await create(1_573_000), 413, 'RequestEntityTooLarge', /1572864 bytes \(1\.5 MiB\) are allowed$/);
    // What is taken must fit into a request to etcd even when it is encrypted.
    const { body } = await create(1_571_600);
    expect(body).toMatchObject({ code: 413, reason: 'RequestEntityTooLarge' });
    const [, json, stored] =
      /^deployments\.apps "large-\d+" is too large: storing its (\d+) bytes of JSON takes (\d+) bytes/.exec(
        body.message,
      )!;
    expect(Number(json)).toBeLessThan(1_572_864);
    expect(Number(stored)).toBeGreaterThan(1_572_864);
    expect((await create(1_570_000)).status).toBe(201);
  });

  it('that claim more values than a commit takes are refused, dry or not', async () => {
    const ports = Array.from({ length: 130 }, (_, i) => ({ name: `p${i}`, port: i + 1 }));
    const service = { metadata: { name: 'many' }, spec: { type: 'NodePort', ports } };
    for (const query of ['', '?dryRun=All'])
      failed(
        await call('POST', `${DEFAULT}/services${query}`, service),
        413,
        'RequestEntityTooLarge',
        'services "many" is too large: it claims 131 values, at most 126 are allowed',
      );
  });
});
