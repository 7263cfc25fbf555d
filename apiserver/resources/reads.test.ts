/** Lists and watches as clients see them. Source: Kubernetes API concepts. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { collect } from '#machinery/transport.ts';
import { MemoryStore } from '#store/memory/index.ts';
import { callsTo, startTestServer, TEST_ADMIN, watchOf } from '../fake/server.ts';
import type { ApiServer } from '../server.ts';

const MAPS = '/api/v1/namespaces/default/configmaps';

let clock: VirtualClock;
let store: MemoryStore;
let server: ApiServer;
let call: ReturnType<typeof callsTo>;

beforeEach(async () => {
  clock = new VirtualClock();
  store = new MemoryStore({ clock });
  server = await startTestServer({ clock, store });
  call = callsTo(server);
});
afterEach(() => server.stop());

const map = (name: string, labels: Record<string, string> = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, labels },
});

const make = async (...names: string[]) => {
  for (const name of names) await call('POST', MAPS, map(name, { n: name }));
};

const namesOf = (list: { items: { metadata: { name: string } }[] }) =>
  list.items.map(({ metadata }) => metadata.name);

describe('lists', () => {
  it('are in order of name and show every write that was answered', async () => {
    await make('b', 'a', 'c');
    const { body } = await call('GET', MAPS);
    expect(body).toMatchObject({ kind: 'ConfigMapList', apiVersion: 'v1' });
    expect(namesOf(body)).toEqual(['a', 'b', 'c']);
    expect(Number(body.metadata.resourceVersion)).toBeGreaterThanOrEqual(
      Math.max(
        ...body.items.map((item: { metadata: { resourceVersion: string } }) =>
          Number(item.metadata.resourceVersion),
        ),
      ),
    );
  });

  it('select by labels and fields, and refuse fields that cannot be selected by', async () => {
    await make('a', 'b', 'c');
    expect(namesOf((await call('GET', `${MAPS}?labelSelector=n!%3Da`)).body)).toEqual(['b', 'c']);
    expect(namesOf((await call('GET', `${MAPS}?fieldSelector=metadata.name%3Db`)).body)).toEqual(['b']);
    expect((await call('GET', `${MAPS}?fieldSelector=data.x%3Db`)).body.message).toBe(
      '"data.x" is not a known field selector: only "metadata.name", "metadata.namespace"',
    );
    expect((await call('GET', `${MAPS}?labelSelector=a%20in`)).status).toBe(400);
  });

  it('show the past at a time, as does a single object', async () => {
    const timeAfter = async (ms: number) => {
      await clock.advance(ms);
      return new Date(clock.now()).toISOString();
    };
    const start = new Date(clock.now() - 1_000).toISOString();
    await make('a');
    const one = await timeAfter(60_000);
    await timeAfter(60_000);
    await call(
      'PATCH',
      `${MAPS}/a`,
      { data: { k: 'new' } },
      { 'content-type': 'application/merge-patch+json' },
    );
    await make('b');
    const two = await timeAfter(60_000);
    await timeAfter(1_000);
    await call('DELETE', `${MAPS}/a`);
    const then = async (at: string) => namesOf((await call('GET', `${MAPS}?at=${at}`)).body);
    expect(await then(one)).toEqual(['a']);
    expect(await then(two)).toEqual(['a', 'b']);
    expect(namesOf((await call('GET', MAPS)).body)).toEqual(['b']);
    expect((await call('GET', `${MAPS}/a?at=${one}`)).body.data).toBeUndefined();
    expect((await call('GET', `${MAPS}/a?at=${two}`)).body.data).toEqual({ k: 'new' });
    expect((await call('GET', `${MAPS}/b?at=${one}`)).status).toBe(404);
    expect(await call('GET', `${MAPS}?at=${start}`)).toMatchObject({
      status: 410,
      body: { reason: 'Expired' },
    });
    expect((await call('GET', `${MAPS}?at=yesterday`)).body.message).toContain('at must be a time');
    expect((await call('GET', `${MAPS}?at=${one}&resourceVersion=1`)).status).toBe(400);
    await store.compact(await store.revision());
    expect((await call('GET', `${MAPS}/a?at=${one}`)).status).toBe(410);
  });

  it('come in chunks of one snapshot, whatever is written in between', async () => {
    await make('a', 'b', 'c', 'd', 'e');
    const first = (await call('GET', `${MAPS}?limit=2`)).body;
    expect(namesOf(first)).toEqual(['a', 'b']);
    expect(first.metadata.remainingItemCount).toBe(3);
    await call('DELETE', `${MAPS}/c`);
    await make('bb');
    const second = (await call('GET', `${MAPS}?limit=2&continue=${first.metadata.continue}`)).body;
    expect(namesOf(second)).toEqual(['c', 'd']);
    expect(second.metadata.resourceVersion).toBe(first.metadata.resourceVersion);
    const third = (await call('GET', `${MAPS}?limit=2&continue=${second.metadata.continue}`)).body;
    expect(namesOf(third)).toEqual(['e']);
    expect(third.metadata.continue).toBeUndefined();
  });

  it('refuse to go on when the snapshot was compacted, and tokens of others', async () => {
    await make('a', 'b');
    const { body } = await call('GET', `${MAPS}?limit=1`);
    await make('c');
    await store.compact(await store.revision());
    const gone = await call('GET', `${MAPS}?limit=1&continue=${body.metadata.continue}`);
    expect(gone.body).toMatchObject({ code: 410, reason: 'Expired' });
    expect((await call('GET', `${MAPS}?continue=nonsense`)).status).toBe(400);
  });

  it('show the past when asked for exactly that', async () => {
    await make('a');
    const { body } = await call('GET', MAPS);
    await make('b');
    const exact = `resourceVersion=${body.metadata.resourceVersion}&resourceVersionMatch=Exact`;
    expect(namesOf((await call('GET', `${MAPS}?${exact}`)).body)).toEqual(['a']);
    const newer = `resourceVersion=${body.metadata.resourceVersion}&resourceVersionMatch=NotOlderThan`;
    expect(namesOf((await call('GET', `${MAPS}?${newer}`)).body)).toEqual(['a', 'b']);
  });

  it('of the future fail after a while', async () => {
    const answer = call('GET', `${MAPS}?resourceVersion=99999`);
    await clock.advance(3_000);
    expect((await answer).body).toMatchObject({
      code: 504,
      message: expect.stringMatching(/^Timeout: Too large resource version: 99999/),
    });
  });

  it.each([
    ['?pretty=true', {}, true],
    ['?pretty=false', { 'user-agent': 'curl/8.0' }, false],
    ['', { 'user-agent': 'curl/8.0' }, true],
    ['', { 'user-agent': 'kubectl/1.33' }, false],
  ])('are indented for people: %s %j: %s', async (query, headers, indented) => {
    await make('a');
    for (const path of [MAPS, `${MAPS}/a`]) {
      const { body } = await server
        .transport(TEST_ADMIN)
        .request({ method: 'GET', path: path + query, headers });
      const text = Buffer.from(await collect(body)).toString();
      expect(text.startsWith('{\n  "')).toBe(indented);
    }
  });

  it('are tables for kubectl', async () => {
    await make('a');
    const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io';
    const { body } = await call('GET', MAPS, undefined, { accept });
    expect(body.kind).toBe('Table');
    expect(body.columnDefinitions.map(({ name }: { name: string }) => name)).toEqual(['Name', 'Data', 'Age']);
    expect(body.rows[0].cells).toEqual(['a', 0, '0s']);
    expect(body.rows[0].object).toMatchObject({ kind: 'PartialObjectMetadata', metadata: { name: 'a' } });
  });

  it('are metadata alone for collectors', async () => {
    await make('a');
    const accept = 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io';
    const { body } = await call('GET', MAPS, undefined, { accept });
    expect(body).toMatchObject({ kind: 'PartialObjectMetadataList', apiVersion: 'meta.k8s.io/v1' });
    expect(Object.keys(body.items[0]).sort()).toEqual(['apiVersion', 'kind', 'metadata']);
  });

  it('show events under both of their groups', async () => {
    const event = {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: 'e', namespace: 'default' },
      involvedObject: { kind: 'Pod', name: 'p', namespace: 'default' },
      message: 'it happened',
      reason: 'Happened',
      type: 'Normal',
      reportingComponent: 'test',
      source: {},
    };
    const made = await call('POST', '/api/v1/namespaces/default/events', event);
    expect(made.status).toBe(201);
    const path = '/apis/events.k8s.io/v1/namespaces/default/events';
    const { body } = await call('GET', `${path}?fieldSelector=regarding.name%3Dp`);
    expect(body.items[0]).toMatchObject({
      apiVersion: 'events.k8s.io/v1',
      note: 'it happened',
      regarding: { name: 'p' },
    });
  });
});

describe('watches', () => {
  const versionNow = async () => (await call('GET', MAPS)).body.metadata.resourceVersion;

  it('go on from a list without a gap', async () => {
    await make('a');
    const version = await versionNow();
    await make('b');
    const watch = await watchOf(server, `${MAPS}?watch=1&resourceVersion=${version}`);
    expect(await watch.next()).toMatchObject({ type: 'ADDED', object: { metadata: { name: 'b' } } });
    await call('PUT', `${MAPS}/a`, { ...map('a'), data: { x: 'y' } });
    expect(await watch.next()).toMatchObject({ type: 'MODIFIED', object: { data: { x: 'y' } } });
    await call('DELETE', `${MAPS}/a`);
    const deleted = await watch.next();
    expect(deleted).toMatchObject({ type: 'DELETED', object: { metadata: { name: 'a' }, data: { x: 'y' } } });
    expect(Number(deleted.object.metadata.resourceVersion)).toBe(Number(await versionNow()));
    watch.stop();
    expect(await watch.next()).toBeUndefined();
  });

  it('begin with what there is when no version is given', async () => {
    await make('a', 'b');
    const watch = await watchOf(server, `${MAPS}?watch=1`);
    expect((await watch.next()).object.metadata.name).toBe('a');
    expect((await watch.next()).object.metadata.name).toBe('b');
  });

  it('see objects come and go by their selector', async () => {
    await make('a');
    const version = await versionNow();
    const watch = await watchOf(server, `${MAPS}?watch=1&labelSelector=n%3Dx&resourceVersion=${version}`);
    await call('PUT', `${MAPS}/a`, map('a', { n: 'x' }));
    expect(await watch.next()).toMatchObject({ type: 'ADDED', object: { metadata: { name: 'a' } } });
    await call('PUT', `${MAPS}/a`, map('a', { n: 'x', more: '1' }));
    expect((await watch.next()).type).toBe('MODIFIED');
    await call('PUT', `${MAPS}/a`, map('a', { n: 'y' }));
    const gone = await watch.next();
    expect(gone).toMatchObject({ type: 'DELETED', object: { metadata: { labels: { n: 'x', more: '1' } } } });
    expect(gone.object.metadata.resourceVersion).toBe(await versionNow());
  });

  it('say 410 in an event when history no longer reaches back', async () => {
    await make('a');
    await store.compact(await store.revision());
    await server.stop();
    server = await startTestServer({ clock, store });
    const watch = await watchOf(server, `${MAPS}?watch=1&resourceVersion=1`);
    expect(await watch.next()).toMatchObject({ type: 'ERROR', object: { code: 410, reason: 'Expired' } });
    expect(await watch.next()).toBeUndefined();
  });

  it('stream the initial list and mark its end', async () => {
    await make('a');
    const query = 'watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true';
    const watch = await watchOf(server, `${MAPS}?${query}`);
    expect((await watch.next()).type).toBe('ADDED');
    expect(await watch.next()).toMatchObject({
      type: 'BOOKMARK',
      object: { kind: 'ConfigMap', metadata: { annotations: { 'k8s.io/initial-events-end': 'true' } } },
    });
    await make('b');
    expect((await watch.next()).object.metadata.name).toBe('b');
  });

  it('get bookmarks, and end when their time is over', async () => {
    const version = await versionNow();
    const query = `watch=1&resourceVersion=${version}&allowWatchBookmarks=true&timeoutSeconds=90`;
    const watch = await watchOf(server, `${MAPS}?${query}`);
    await clock.advance(60_000);
    expect((await watch.next()).type).toBe('BOOKMARK');
    await clock.advance(30_000);
    expect((await watch.next()).type).toBe('BOOKMARK');
    expect(await watch.next()).toBeUndefined();
  });

  it('are dropped when nobody reads them, and go on from the version they have', async () => {
    const version = await versionNow();
    const slow = await watchOf(server, `${MAPS}?watch=1&resourceVersion=${version}`);
    const big = 'x'.repeat(900_000);
    for (let i = 0; i < 12; i++) await call('POST', MAPS, { ...map(`m${i}`), data: { big } });
    expect(await slow.next()).toBeUndefined();
    const late = await watchOf(server, `${MAPS}?watch=1&resourceVersion=${Number(await versionNow()) - 1}`);
    expect(await late.next()).toMatchObject({ type: 'ADDED', object: { metadata: { name: 'm11' } } });
    late.stop();
  });

  it('end when the server stops', async () => {
    const watch = await watchOf(server, `${MAPS}?watch=1&resourceVersion=${await versionNow()}`);
    await server.stop();
    expect(await watch.next()).toBeUndefined();
  });

  it('are tables with columns once', async () => {
    const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io';
    const watch = await watchOf(server, `${MAPS}?watch=1&resourceVersion=${await versionNow()}`, { accept });
    await make('a', 'b');
    expect((await watch.next()).object.columnDefinitions).toHaveLength(3);
    const second = await watch.next();
    expect(second.object.columnDefinitions).toBeNull();
    expect(second.object.rows[0].cells[0]).toBe('b');
  });
});

describe('a server that starts again', () => {
  it('shows what was written before, at the same resourceVersions', async () => {
    await make('a', 'b');
    await call('DELETE', `${MAPS}/b`);
    const before = (await call('GET', MAPS)).body;
    await server.stop();
    server = await startTestServer({ clock, store });
    call = callsTo(server);
    const after = (await call('GET', MAPS)).body;
    expect(after.items).toEqual(before.items);
    expect(Number(after.metadata.resourceVersion)).toBeGreaterThanOrEqual(
      Number(before.metadata.resourceVersion),
    );
  });
});
