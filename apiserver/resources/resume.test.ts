/** Watches that began before the server did: what they have missed comes from the store's log. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { MemoryStore } from '#store/memory/index.ts';
import { callsTo, startTestServer, watchOf } from '../fake/server.ts';
import type { ApiServer } from '../server.ts';

const MAPS = '/api/v1/namespaces/default/configmaps';

let clock: VirtualClock;
let store: MemoryStore;
let server: ApiServer;
let call: ReturnType<typeof callsTo>;

beforeEach(async () => {
  clock = new VirtualClock();
  store = new MemoryStore({ clock });
  await start();
});
afterEach(() => server.stop());

async function start(): Promise<void> {
  server = await startTestServer({ clock, store });
  call = callsTo(server);
}

async function restart(): Promise<void> {
  await server.stop();
  await start();
}

const map = (name: string, labels: Record<string, string>, data: Record<string, string> = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, labels },
  data,
});

const versionNow = async () => (await call('GET', MAPS)).body.metadata.resourceVersion as string;

/** `count` events of a watch from `version`, as `TYPE name`. */
async function eventsAfter(version: string, count: number, query = ''): Promise<string[]> {
  const watch = await watchOf(server, `${MAPS}?watch=1&resourceVersion=${version}${query}`);
  const seen: string[] = [];
  while (seen.length < count) {
    const { type, object } = await watch.next();
    seen.push(`${type} ${object.metadata.name ?? object.code}`);
  }
  watch.stop();
  return seen;
}

describe('a watch from before the start of the server', () => {
  it('brings each event since, once and in order, also those of the new server', async () => {
    await call('POST', MAPS, map('a', {}));
    const version = await versionNow();
    await call('POST', MAPS, map('b', {}));
    await call('PUT', `${MAPS}/a`, map('a', {}, { x: '1' }));
    await call('DELETE', `${MAPS}/b`);
    await restart();
    await call('POST', MAPS, map('c', {}));
    const expected = ['ADDED b', 'MODIFIED a', 'DELETED b', 'ADDED c'];
    expect(await eventsAfter(version, 4)).toEqual(expected);
    // Read once: the next one finds it in the cache.
    store.watch = () => {
      throw new Error('the log was read again');
    };
    expect(await eventsAfter(version, 4)).toEqual(expected);
  });

  it('knows what a selector held before each change', async () => {
    await call('POST', MAPS, map('in', { n: 'x' }));
    await call('POST', MAPS, map('out', { n: 'y' }));
    await call('POST', MAPS, map('going', { n: 'x' }));
    const version = await versionNow();
    await call('PUT', `${MAPS}/in`, map('in', { n: 'y' }, { still: 'here' }));
    await call('PUT', `${MAPS}/out`, map('out', { n: 'x' }));
    await call('PUT', `${MAPS}/out`, map('out', { n: 'x' }, { more: '1' }));
    await call('DELETE', `${MAPS}/going`);
    await restart();
    const expected = ['DELETED in', 'ADDED out', 'MODIFIED out', 'DELETED going'];
    expect(await eventsAfter(version, 4, '&labelSelector=n%3Dx')).toEqual(expected);
  });

  it('carries deletions at their own version, in the last state', async () => {
    await call('POST', MAPS, map('a', {}, { last: 'words' }));
    const version = await versionNow();
    await call('DELETE', `${MAPS}/a`);
    const deleted = await versionNow();
    await restart();
    const watch = await watchOf(server, `${MAPS}?watch=1&resourceVersion=${version}`);
    const { type, object } = await watch.next();
    expect({ type, data: object.data }).toEqual({ type: 'DELETED', data: { last: 'words' } });
    expect(object.metadata.resourceVersion).toBe(deleted);
    watch.stop();
  });

  it('reaches back in steps, further each time somebody asks', async () => {
    const versions: string[] = [];
    for (let n = 0; n < 3; n++) {
      versions.push(await versionNow());
      await call('POST', MAPS, map(`m${n}`, {}));
      for (let i = 0; i < 1_200; i++)
        await store.commit([{ op: 'put', key: '/gantry/test/v1/other', value: Buffer.from('x') }], {
          time: 0,
          actor: 'somebody',
        });
    }
    await restart();
    expect(await eventsAfter(versions[2]!, 1)).toEqual(['ADDED m2']);
    const [first, second] = await Promise.all([eventsAfter(versions[0]!, 3), eventsAfter(versions[1]!, 2)]);
    expect(first).toEqual(['ADDED m0', 'ADDED m1', 'ADDED m2']);
    expect(second).toEqual(['ADDED m1', 'ADDED m2']);
  });

  it('is refused with 410 when the log was compacted, and served from where it was', async () => {
    const old = await versionNow();
    await call('POST', MAPS, map('a', {}));
    await store.compact(await store.revision());
    const kept = await versionNow();
    await call('POST', MAPS, map('b', {}));
    await restart();
    expect(await eventsAfter(old, 1)).toEqual(['ERROR 410']);
    expect(await eventsAfter(kept, 1)).toEqual(['ADDED b']);
  });

  it('goes on where less is kept of other resources', async () => {
    const version = await versionNow();
    await call('POST', MAPS, map('a', {}));
    await call('POST', '/apis/coordination.k8s.io/v1/namespaces/default/leases', { metadata: { name: 'l' } });
    await store.compact(await store.revision(), '/gantry/test/v1/coordination.k8s.io/leases/');
    await restart();
    expect(await eventsAfter(version, 1)).toEqual(['ADDED a']);
    const leases = '/apis/coordination.k8s.io/v1/namespaces/default/leases';
    const watch = await watchOf(server, `${leases}?watch=1&resourceVersion=${version}`);
    expect(await watch.next()).toMatchObject({ type: 'ERROR', object: { code: 410 } });
  });

  it('is refused with 410 when the log does not answer in time', async () => {
    const old = await versionNow();
    await call('POST', MAPS, map('a', {}));
    await restart();
    store.watch = async function* (_prefix, _from, signal) {
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
    };
    const seen = eventsAfter(old, 1);
    await clock.advance(10_000);
    expect(await seen).toEqual(['ERROR 410']);
  });
});
