import { afterEach, describe, expect, test } from 'vitest';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { MemoryStore } from '#store/memory/index.ts';
import { callsTo, startTestServer } from '../fake/server.ts';
import type { ApiServer } from '../server.ts';
import { readBase, versionBase } from './base.ts';
import { keySpace } from './keys.ts';

const MAPS = '/api/v1/namespaces/default/configmaps';
const KEY = keySpace('test').base;
const map = (name: string) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name } });

/** What a restore or a move to another engine does to the base. */
function raise(store: MemoryStore, base: unknown) {
  const value = Buffer.from(JSON.stringify({ base }));
  return store.commit([{ op: 'put', key: KEY, value }], { time: 0, actor: 'restore' });
}

test('versions and revisions are each other’s way back; what is older than the base is negative', () => {
  const base = versionBase(1000);
  expect(base.version(7)).toBe(1007);
  expect(base.revision(1007)).toBe(7);
  expect(base.revision(999)).toBe(-1);
});

test('a store without the key begins at 0; a key that holds no number is an error that says what to do', async () => {
  const store = new MemoryStore({ clock: new VirtualClock() });
  expect((await readBase(store, KEY)).base).toBe(0);
  await raise(store, 'many');
  await expect(readBase(store, KEY)).rejects.toThrow('restore it from a backup');
});

describe('after a restore that raised the base', () => {
  const running: ApiServer[] = [];
  afterEach(() => Promise.all(running.splice(0).map((server) => server.stop())));
  const serve = async (store?: MemoryStore) => {
    const server = await startTestServer(store && { store });
    running.push(server);
    return callsTo(server);
  };

  /** A client knows `seen` of the server that was; now a fresh store stands in its place. */
  async function restored() {
    const before = await serve();
    const { body } = await before('POST', MAPS, map('old'));
    const seen = Number(body.metadata.resourceVersion);
    const store = new MemoryStore({ clock: new VirtualClock() });
    await raise(store, seen);
    return { seen, call: await serve(store) };
  }

  test('resourceVersions go on above all that clients have seen', async () => {
    const { seen, call } = await restored();
    const first = await call('POST', MAPS, map('a'));
    expect(Number(first.body.metadata.resourceVersion)).toBeGreaterThan(seen);
    const list = await call('GET', MAPS);
    expect(Number(list.body.metadata.resourceVersion)).toBeGreaterThan(seen);
    const again = await call('GET', `${MAPS}/a`);
    expect(again.body.metadata.resourceVersion).toBe(first.body.metadata.resourceVersion);
  });

  test('what a client saw before is history that is gone: it lists anew', async () => {
    const { seen, call } = await restored();
    const exact = await call('GET', `${MAPS}?resourceVersion=${seen - 1}&resourceVersionMatch=Exact`);
    expect(exact).toMatchObject({ status: 410, body: { reason: 'Expired' } });
    const watch = await call('GET', `${MAPS}?watch=true&resourceVersion=${seen - 1}&timeoutSeconds=1`);
    expect(JSON.stringify(watch)).toContain('Expired');
  });

  test('an update of what was read before is a conflict, never a lost write', async () => {
    const { seen, call } = await restored();
    await call('POST', MAPS, map('a'));
    const stale = { ...map('a'), metadata: { name: 'a', resourceVersion: String(seen) } };
    expect(await call('PUT', `${MAPS}/a`, stale)).toMatchObject({
      status: 409,
      body: { reason: 'Conflict' },
    });
  });
});
