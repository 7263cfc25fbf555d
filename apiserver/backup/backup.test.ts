import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '#machinery/clock.ts';
import { silentLogger } from '#machinery/log.ts';
import { systemRandom } from '#machinery/random.ts';
import { collect } from '#machinery/transport.ts';
import type { Store } from '#store/contract.ts';
import { openEtcdStore } from '#store/etcd/index.ts';
import { EtcdServer, whyNoEtcd } from '#store/etcd/testing/server.ts';
import { MemoryStore } from '#store/memory/index.ts';
import { openSqliteStore } from '#store/sqlite/index.ts';
import { readBase } from '../engine/base.ts';
import { keySpace } from '../engine/keys.ts';
import { callsTo, startTestServer, TEST_ADMIN } from '../fake/server.ts';
import { BackupFormatError, entryFrame, FRAME, frame, preamble } from './format.ts';
import { BACKUP_PATH } from './handler.ts';
import { HalfRestoredError, refuseHalfRestored } from './marker.ts';
import { checkBackup, raiseVersions, restoreBackup, StoreNotEmptyError } from './restore.ts';
import { writeBackup, writeBackupStream } from './write.ts';

const CLUSTER = 'test';
const keys = keySpace(CLUSTER);
const INFO = { time: 1, actor: 'test' };
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const key = (name: string) => `${keys.root}core/configmaps/default/${name}`;
const put = (store: Store, name: string, value: string) =>
  store.commit([{ op: 'put', key: key(name), value: Buffer.from(value) }], INFO);
const source = (store: Store) => ({ store, keys, cluster: CLUSTER, now: 7 });
const backupOf = async (store: Store) => Buffer.from(await collect(writeBackup(source(store))));

async function* inChunks(bytes: Uint8Array, size = 100_000) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const restore = (store: Store, file: Uint8Array, force = false, now = 9) =>
  restoreBackup({ store, keys, cluster: CLUSTER, read: () => inChunks(file), force, now: () => now });

async function contents(store: Store): Promise<Record<string, string>> {
  const { entries } = await store.list(keys.root);
  return Object.fromEntries(
    entries
      .filter((entry) => entry.key !== keys.base)
      .map((entry) => [entry.key, Buffer.from(entry.value).toString('latin1')]),
  );
}

function memory(): Store {
  const store = new MemoryStore();
  ends.push(() => store.close());
  return store;
}

async function sqlite(): Promise<Store> {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-backup-'));
  ends.push(() => rmSync(directory, { recursive: true, force: true }));
  const store = await openSqliteStore({ directory, clock: systemClock });
  ends.push(() => store.close());
  return store;
}

async function etcd(): Promise<Store> {
  const server = await new EtcdServer().start();
  ends.push(() => server.remove());
  const store = await openEtcdStore({
    endpoints: [server.endpoint],
    root: `/gantry/${CLUSTER}/`,
    clock: systemClock,
    random: systemRandom,
    log: silentLogger,
  });
  ends.push(() => store.close());
  return store;
}

async function filled(store: Store): Promise<Store> {
  for (let i = 0; i < 250; i++) await put(store, `m${i}`, `value ${i} ${'é'.repeat(i)}`);
  await put(store, 'large', 'x'.repeat(1_000_000));
  await put(store, 'empty', '');
  return store;
}

const missing = whyNoEtcd();
const WAYS: [string, () => Promise<Store>, string, () => Promise<Store>][] = [
  ['SQLite', sqlite, 'SQLite', sqlite],
  ['SQLite', sqlite, 'etcd', etcd],
  ['etcd', etcd, 'SQLite', sqlite],
];

for (const [fromName, from, toName, to] of WAYS)
  test.skipIf(missing && `${fromName}${toName}`.includes('etcd'))(
    `${fromName} to ${toName}: the same keys and values, and greater resourceVersions${missing ? ` (${missing})` : ''}`,
    async () => {
      const old = await filled(await from());
      const file = await backupOf(old);
      const target = await to();
      const done = await restore(target, file);
      expect(await contents(target)).toEqual(await contents(old));
      expect(done.end.entries).toBe(252);
      const base = await readBase(target, keys.base);
      expect(done.resourceVersion).toBe(base.version(await target.revision()));
      expect(base.base).toBeGreaterThan(await old.revision());
      await refuseHalfRestored(target, keys);
    },
  );

describe('a backup', () => {
  test('under writes is one revision, with all that was acknowledged before', async () => {
    const store = await sqlite();
    // Both keys of a pair always hold the same number; the pairs lie in different pages.
    let written = 0;
    const write = async () => {
      const value = Buffer.from(String(++written));
      const ops = ['a', 'z'].map((name) => ({ op: 'put' as const, key: key(name), value }));
      await store.commit(ops, INFO);
    };
    await filled(store);
    await write();
    let stopped = false;
    const writing = (async () => {
      while (!stopped) await write();
    })();
    for (let round = 0; round < 5; round++) {
      const acknowledged = written - 1;
      const file = await backupOf(store);
      const target = memory();
      await restore(target, file);
      const { [key('a')]: first, [key('z')]: last } = await contents(target);
      expect(first).toBe(last);
      expect(Number(first)).toBeGreaterThanOrEqual(acknowledged);
    }
    stopped = true;
    await writing;
    expect(written).toBeGreaterThan(5);
  });

  test('that fails in its middle says why in the stream, and is refused', async () => {
    const store = await filled(memory());
    const chunks: Uint8Array[] = [];
    for await (const chunk of writeBackupStream(source(store))) {
      chunks.push(chunk);
      if (chunks.length > 1) continue;
      await put(store, 'later', 'a');
      await store.compact(await store.revision());
    }
    const broken = Buffer.concat(chunks);
    await expect(checkBackup(inChunks(broken))).rejects.toThrow(/the backup failed: history .* compacted/);
  });

  test('is read the same in chunks of every size', async () => {
    const store = memory();
    await put(store, 'a', 'one');
    await put(store, 'b', 'two');
    const file = await backupOf(store);
    const whole = await checkBackup(inChunks(file));
    expect(whole).toMatchObject({
      header: { cluster: CLUSTER, revision: 2, base: 0, time: 7 },
      end: { entries: 2 },
    });
    for (let size = 1; size < 40; size++) expect(await checkBackup(inChunks(file, size))).toEqual(whole);
  });
});

test('a backup of the first release is still read', async () => {
  const written =
    'R0FOVFJZQksAAQEAAAAxeyJjbHVzdGVyIjoidGVzdCIsInJldmlzaW9uIjoxLCJiYXNlIjowLCJ0aW1lIjo3fQIAAAAwAAAAKS9nYW50cnkvdGVz' +
    'dC92MS9jb3JlL2NvbmZpZ21hcHMvZGVmYXVsdC9hb25lAwAAAGR7ImVudHJpZXMiOjEsImJ5dGVzIjo0NCwic2hhMjU2IjoiMGJkMTNiNTM4Yjkw' +
    'YzcwNWM1NWFhNWE4MzJhOTQ4NTY0NmVmNTI0NmE1ZmYwOGQ5ZTk4ODZkZDY5NDBkMzk2ZiJ9';
  const target = memory();
  await restore(target, Buffer.from(written, 'base64'));
  expect(await contents(target)).toEqual({ [key('a')]: 'one' });
});

describe('what is refused, with nothing changed', () => {
  async function refused(file: Uint8Array, words: RegExp) {
    const target = memory();
    await put(target, 'mine', 'kept');
    const revision = await target.revision();
    await expect(restore(target, file, true)).rejects.toThrow(words);
    await expect(restore(target, file, true)).rejects.toBeInstanceOf(BackupFormatError);
    expect(await target.revision()).toBe(revision);
    expect(await contents(target)).toEqual({ [key('mine')]: 'kept' });
  }

  async function small(): Promise<Buffer> {
    const store = memory();
    await put(store, 'a', 'one');
    await put(store, 'b', 'two');
    return backupOf(store);
  }

  test('a file that was cut anywhere', async () => {
    const file = await small();
    for (let length = 0; length < file.length; length++)
      await expect(checkBackup(inChunks(file.subarray(0, length)))).rejects.toBeInstanceOf(BackupFormatError);
    await refused(file.subarray(0, file.length - 1), /cut short/);
  });

  test('a file with any one bit turned', async () => {
    const file = await small();
    for (let at = 0; at < file.length * 8; at++) {
      const damaged = Buffer.from(file);
      damaged[at >> 3]! ^= 1 << (at & 7);
      await expect(checkBackup(inChunks(damaged)), `bit ${at}`).rejects.toBeInstanceOf(BackupFormatError);
    }
  });

  test('a newer format, something that is no backup, another cluster, a key from elsewhere', async () => {
    const newer = await small();
    newer.writeUInt16BE(2, 8);
    await refused(newer, /has format 2, this version reads up to 1/);
    await refused(Buffer.from('PK\u0003\u0004 a zip file'), /no backup of Gantry/);
    const other = { ...source(memory()), keys: keySpace('other'), cluster: 'other' };
    await refused(await collect(writeBackup(other)), /of the cluster "other", this one is "test"/);
    const header = frame(FRAME.header, Buffer.from(JSON.stringify({ cluster: CLUSTER })));
    const alien = Buffer.concat([preamble(), header, entryFrame('/etc/passwd', Buffer.from('x'))]);
    await refused(alien, /not its own: \/etc\/passwd/);
  });

  test('a store that is not empty, without force', async () => {
    const target = memory();
    await put(target, 'mine', 'kept');
    await expect(restore(target, await small())).rejects.toBeInstanceOf(StoreNotEmptyError);
    expect(await contents(target)).toEqual({ [key('mine')]: 'kept' });
  });
});

describe('after a restore', () => {
  test('over a store that went on, the state is the old one and resourceVersions go on above both pasts', async () => {
    const store = memory();
    await put(store, 'a', 'one');
    const file = await backupOf(store);
    await put(store, 'a', 'two');
    await put(store, 'b', 'new');
    const before = (await readBase(store, keys.base)).version(await store.revision());
    const first = await restore(store, file, true);
    expect(await contents(store)).toEqual({ [key('a')]: 'one' });
    expect(first.resourceVersion).toBeGreaterThan(before);
    const again = await restore(store, file, true);
    expect(again.resourceVersion).toBeGreaterThan(first.resourceVersion);
  });

  test('into a new store, when another one that was filled with the same backup is lost: above that one too', async () => {
    const file = await backupOf(await filled(memory()));
    const lost = memory();
    const { resourceVersion } = await restore(lost, file, false, 1_700_000_000_000);
    for (let i = 0; i < 50; i++) await put(lost, 'busy', `${i}`);
    const again = await restore(memory(), file, false, 1_700_000_000_000 + 60_000);
    expect(again.resourceVersion).toBeGreaterThan(resourceVersion + 50);
  });

  test('that was interrupted at any commit, the server refuses to start until it is run to its end', async () => {
    const file = await backupOf(await filled(memory()));
    for (let allowed = 1; ; allowed++) {
      const store = memory();
      await put(store, 'mine', 'old');
      const error = await restore(failingAfter(store, allowed), file, true).then(
        () => undefined,
        (reason: Error) => reason,
      );
      if (!error) {
        expect(allowed).toBeGreaterThan(5);
        break;
      }
      expect(error.message).toBe('the power went');
      await expect(startTestServer({ store })).rejects.toBeInstanceOf(HalfRestoredError);
      await expect(backupOf(store)).rejects.toBeInstanceOf(HalfRestoredError);
      await restore(store, file, true);
      expect(Object.keys(await contents(store))).toHaveLength(252);
      await refuseHalfRestored(store, keys);
    }
  });

  test('of a served cluster, objects are back and watchers from before are told to list anew', async () => {
    const store = memory();
    const server = await startTestServer({ store });
    const call = callsTo(server);
    const maps = '/api/v1/namespaces/default/configmaps';
    const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' } };
    await call('POST', maps, { ...object, data: { is: 'old' } });
    const answer = await server
      .transport(TEST_ADMIN)
      .request({ method: 'POST', path: BACKUP_PATH, headers: {} });
    const file = await collect(answer.body);
    const changed = await call('PUT', `${maps}/a`, { ...object, data: { is: 'new' } });
    const seen = Number(changed.body.metadata.resourceVersion);
    await server.stop();

    await restore(store, file, true);
    const restarted = await startTestServer({ store });
    ends.push(() => restarted.stop());
    const ask = callsTo(restarted);
    const found = await ask('GET', `${maps}/a`);
    expect(found.body.data).toEqual({ is: 'old' });
    expect(Number(found.body.metadata.resourceVersion)).toBeGreaterThan(seen);
    for (const version of [1, seen]) {
      const watch = await ask('GET', `${maps}?watch=true&resourceVersion=${version}&timeoutSeconds=1`);
      expect(JSON.stringify(watch)).toContain('Expired');
    }
  });
});

test('after versions were raised none comes a second time, and what was seen before is told to list anew', async () => {
  const store = memory();
  const server = await startTestServer({ store });
  const maps = '/api/v1/namespaces/default/configmaps';
  const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' } };
  const made = await callsTo(server)('POST', maps, object);
  const seen = Number(made.body.metadata.resourceVersion);
  await server.stop();
  const newest = await raiseVersions(store, keys, INFO);
  expect(newest).toBeGreaterThan(seen + 999_999_999);
  const again = await startTestServer({ store });
  ends.push(() => again.stop());
  const call = callsTo(again);
  const found = await call('GET', `${maps}/a`);
  expect(found.body.metadata.uid).toBe(made.body.metadata.uid);
  expect(Number(found.body.metadata.resourceVersion)).toBeGreaterThan(seen);
  const watch = await call('GET', `${maps}?watch=true&resourceVersion=${seen}&timeoutSeconds=1`);
  expect(JSON.stringify(watch)).toContain('Expired');
});

test('only an administrator gets a backup from a server', async () => {
  const server = await startTestServer();
  ends.push(() => server.stop());
  const ask = async (name: string, groups: string[], method = 'POST') => {
    const transport = server.transport({ name, groups: [...groups, 'system:authenticated'] });
    const { status, body } = await transport.request({ method, path: BACKUP_PATH, headers: {} });
    await collect(body);
    return status;
  };
  expect(await ask('admin', ['system:masters'])).toBe(200);
  expect(await ask('somebody', [])).toBe(403);
  // Some roles may get every path.
  expect(await ask('system:kube-controller-manager', [])).toBe(403);
  expect(await ask('system:node:a', ['system:nodes'])).toBe(403);
});

/** Lets some commits through; then the store is gone. */
function failingAfter(store: Store, allowed: number): Store {
  let left = allowed;
  return new Proxy(store, {
    get(target, name) {
      const value = Reflect.get(target, name, target) as unknown;
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        if (name === 'commit' && left-- <= 0) throw new Error('the power went');
        return value.apply(target, args);
      };
    },
  });
}
