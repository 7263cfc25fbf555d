/** Objects that come to match a selector and cease to, as every encoding tells of it; and selectors with an index. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ApiObject } from '#api/objects.ts';
import { decodeProtobuf } from '#machinery/protobuf/envelope.ts';
import { Reader } from '#machinery/protobuf/wire.ts';
import { generatedSchemas } from '#machinery/schema/load.ts';
import { callsTo, startTestServer, TEST_ADMIN, watchOf } from '../fake/server.ts';
import type { ApiServer } from '../server.ts';

const PODS = '/api/v1/namespaces/default/pods';

let server: ApiServer;
let call: ReturnType<typeof callsTo>;

beforeAll(async () => {
  server = await startTestServer({ admission: [] });
  call = callsTo(server);
});
afterAll(() => server.stop());

const pod = (name: string, labels: Record<string, string> = {}, nodeName?: string) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, labels },
  spec: { nodeName, containers: [{ name: 'c', image: 'i' }] },
});

const patch = (name: string, body: object, subresource = '') =>
  call('PATCH', `${PODS}/${name}${subresource}`, body, { 'content-type': 'application/merge-patch+json' });

const versionNow = async () => (await call('GET', `${PODS}?limit=1`)).body.metadata.resourceVersion as string;

/** An event whose object is of any shape. */
interface Told {
  type: string;
  metadata: ApiObject['metadata'];
}

type Events = () => Promise<Told>;

const json =
  (accept: string, metadataOf: (object: never) => ApiObject['metadata']) =>
  async (path: string): Promise<Events> => {
    const watch = await watchOf(server, path, { accept });
    return async () => {
      const { type, object } = await watch.next();
      return { type, metadata: metadataOf(object as never) };
    };
  };

/** Frames of four bytes of length and a WatchEvent: 1 = type, 2 = RawExtension with the object in its field 1. */
async function protobuf(path: string): Promise<Events> {
  const headers = { accept: 'application/vnd.kubernetes.protobuf' };
  const { body } = await server.transport(TEST_ADMIN).request({ method: 'GET', path, headers });
  const chunks = (body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
  let held = Buffer.alloc(0);
  return async () => {
    while (held.length < 4 || held.length < 4 + held.readUInt32BE())
      held = Buffer.concat([held, (await chunks.next()).value!]);
    const end = 4 + held.readUInt32BE();
    const frame = fieldsOf(held.subarray(4, end));
    held = held.subarray(end);
    const raw = fieldsOf(frame.get(2)!).get(1)!;
    const object = decodeProtobuf(
      raw,
      generatedSchemas().type('io.k8s.api.core.v1.Pod'),
    ) as unknown as ApiObject;
    return { type: Buffer.from(frame.get(1)!).toString(), metadata: object.metadata };
  };
}

function fieldsOf(message: Uint8Array): Map<number, Uint8Array> {
  const reader = new Reader(message);
  const fields = new Map<number, Uint8Array>();
  while (!reader.done) fields.set(reader.tag().number, reader.bytes());
  return fields;
}

const meta = (of: string) => `application/json;as=${of};v=v1;g=meta.k8s.io`;
const ENCODINGS: Record<string, (path: string) => Promise<Events>> = {
  JSON: json('application/json', (object: ApiObject) => object.metadata),
  protobuf,
  Table: json(meta('Table'), (table: { rows: { object: ApiObject }[] }) => table.rows[0]!.object.metadata),
  PartialObjectMetadata: json(meta('PartialObjectMetadata'), (object: ApiObject) => object.metadata),
};

describe.each(Object.entries(ENCODINGS))('in %s', (encoding, open) => {
  const name = (what: string) => `${what}-${encoding.toLowerCase()}`;

  it('an object that leaves a label selector is DELETED, as it last matched', async () => {
    const query = `watch=1&labelSelector=team%3D${encoding}&resourceVersion=${await versionNow()}`;
    const next = await open(`${PODS}?${query}`);
    await call('POST', PODS, pod(name('label'), { team: 'other' }));
    await patch(name('label'), { metadata: { labels: { team: encoding } } });
    expect(await next()).toMatchObject({ type: 'ADDED', metadata: { name: name('label') } });
    await patch(name('label'), { metadata: { annotations: { a: 'b' } } });
    expect(await next()).toMatchObject({ type: 'MODIFIED', metadata: { annotations: { a: 'b' } } });
    const { body } = await patch(name('label'), {
      metadata: { labels: { team: 'other' }, annotations: null },
    });
    expect(await next()).toMatchObject({
      type: 'DELETED',
      metadata: {
        labels: { team: encoding },
        annotations: { a: 'b' },
        resourceVersion: body.metadata.resourceVersion,
      },
    });
  });

  it('an object that leaves a field selector is DELETED, and one that is deleted outside of it is no news', async () => {
    const query = `watch=1&fieldSelector=status.phase%3DPending,spec.nodeName%3D${name('n')}`;
    const next = await open(`${PODS}?${query}&resourceVersion=${await versionNow()}`);
    await call('POST', PODS, pod(name('field'), {}, name('n')));
    expect(await next()).toMatchObject({ type: 'ADDED', metadata: { name: name('field') } });
    const { body } = await patch(name('field'), { status: { phase: 'Running' } }, '/status');
    const { resourceVersion } = body.metadata;
    expect(await next()).toMatchObject({
      type: 'DELETED',
      metadata: { name: name('field'), resourceVersion },
    });
    await call('DELETE', `${PODS}/${name('field')}?gracePeriodSeconds=0`);
    await call('POST', PODS, pod(name('after'), {}, name('n')));
    expect(await next()).toMatchObject({ type: 'ADDED', metadata: { name: name('after') } });
  });
});

describe('pods of a node', () => {
  const namesOf = ({ body }: { body: { items: ApiObject[] } }) =>
    body.items.map(({ metadata }) => metadata.name);
  const list = (query: string, path = PODS) =>
    call('GET', `${path}?fieldSelector=${encodeURIComponent(query)}`);

  it('are listed in order of name, in chunks too, through every change', async () => {
    for (const [name, node] of [
      ['c', 'one'],
      ['a', 'one'],
      ['b', 'two'],
    ] as const)
      await call('POST', PODS, pod(name, {}, node));
    await call('POST', PODS, pod('floating'));
    expect(namesOf(await list('spec.nodeName=one'))).toEqual(['a', 'c']);
    expect(namesOf(await list('spec.nodeName=one', '/api/v1/pods'))).toEqual(['a', 'c']);
    expect(namesOf(await list('spec.nodeName=one', '/api/v1/namespaces/other/pods'))).toEqual([]);
    expect(namesOf(await list('spec.nodeName=one,metadata.name!=a'))).toEqual(['c']);
    expect(namesOf(await list('spec.nodeName='))).toContain('floating');
    const first = await call('GET', `${PODS}?limit=1&fieldSelector=spec.nodeName%3Done`);
    const token = first.body.metadata.continue;
    const second = await call('GET', `${PODS}?limit=1&fieldSelector=spec.nodeName%3Done&continue=${token}`);
    expect([...namesOf(first), ...namesOf(second)]).toEqual(['a', 'c']);
    await call('DELETE', `${PODS}/a?gracePeriodSeconds=0`);
    await call('POST', `${PODS}/floating/binding`, { target: { kind: 'Node', name: 'one' } });
    expect(namesOf(await list('spec.nodeName=one'))).toEqual(['c', 'floating']);
  });

  it('are watched from what there is, and by one who watches that node alone', async () => {
    await call('POST', PODS, pod('first', {}, 'three'));
    const watch = await watchOf(server, `/api/v1/pods?watch=1&fieldSelector=spec.nodeName%3Dthree`);
    expect((await watch.next()).object.metadata.name).toBe('first');
    await call('POST', PODS, pod('elsewhere', {}, 'four'));
    await call('POST', PODS, pod('second', {}, 'three'));
    expect((await watch.next()).object.metadata.name).toBe('second');
    watch.stop();
  });
});
