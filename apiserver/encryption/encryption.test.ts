import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '#machinery/clock.ts';
import { MemoryFiles } from '#machinery/files-memory.ts';
import { systemRandom } from '#machinery/random.ts';
import { collect } from '#machinery/transport.ts';
import type { Store } from '#store/contract.ts';
import { MemoryStore } from '#store/memory/index.ts';
import { openSqliteStore } from '#store/sqlite/index.ts';
import { decodeValue } from '#store/value.ts';
import { writeBackup } from '../backup/write.ts';
import { keySpace } from '../engine/keys.ts';
import { callsTo, startTestServer, TEST_ADMIN } from '../fake/server.ts';
import type { ApiServer } from '../server.ts';
import { EncryptionKeyError } from './codec.ts';
import { open, seal, sealedWith } from './envelope.ts';
import { ROTATION_PATH, type RotationLine } from './handler.ts';
import { keyFile } from './key-file.ts';
import type { KeyProvider } from './key-provider.ts';
import { type EncryptionSettings, KeyRing, wrappingKeys } from './key-ring.ts';

const keys = keySpace('test');
const FILE = '/keys.json';
const SECRETS = '/api/v1/namespaces/default/secrets';
const HEADER = { time: 5, actor: 'alice', cause: 'r-1' };
const PLAINTEXT = 'correct-horse-battery-staple';
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const settingsOf = (
  files: MemoryFiles,
  kinds: EncryptionSettings['kinds'] = [{ group: '', plural: 'secrets' }],
): EncryptionSettings => ({
  providers: [keyFile(FILE, { files, random: systemRandom, create: true })],
  kinds,
});

async function serve(store: Store, encryption?: EncryptionSettings): Promise<ApiServer> {
  const server = await startTestServer({ store, encryption, random: systemRandom });
  ends.push(() => server.stop());
  return server;
}

const secret = (name: string) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name },
  stringData: { password: PLAINTEXT },
});
const ENCODED = Buffer.from(PLAINTEXT).toString('base64');

async function valuesUnder(store: Store, prefix: string) {
  return (await store.list(`${keys.root}${prefix}`)).entries;
}

async function rotate(server: ApiServer, query = ''): Promise<RotationLine> {
  const { body } = await server
    .transport(TEST_ADMIN)
    .request({ method: 'POST', path: `${ROTATION_PATH}${query}`, headers: {} });
  const lines = Buffer.from(await collect(body))
    .toString()
    .trim()
    .split('\n');
  return JSON.parse(lines.at(-1)!) as RotationLine;
}

describe('an encrypted value', () => {
  const dataKey = { id: 'k1', secret: systemRandom.bytes(32) };
  const find = (id: string) => (id === dataKey.id ? dataKey.secret : undefined);
  const body = Buffer.from(JSON.stringify({ secret: PLAINTEXT }));
  const sealed = (key = 'a') => Buffer.from(seal(dataKey, key, HEADER, body, systemRandom));

  test('is read with its key at its place, and shows its header but not its body to others', () => {
    const value = sealed();
    const { header, body: read } = open(find, 'a', value);
    expect(header).toEqual(HEADER);
    expect(Buffer.from(read)).toEqual(body);
    expect(sealedWith(value)).toBe('k1');
    expect(value.includes(PLAINTEXT)).toBe(false);
    expect(() => decodeValue(value)).toThrow('encrypted');
  });

  test('is never written twice the same', () => {
    expect(sealed().equals(sealed())).toBe(false);
  });

  test('that was moved to another key is refused', () => {
    expect(() => open(find, 'b', sealed('a'))).toThrow(/moved from another key/);
  });

  test('with any one bit turned is refused', () => {
    const value = sealed();
    for (let at = 0; at < value.length * 8; at++) {
      const damaged = Buffer.from(value);
      damaged[at >> 3]! ^= 1 << (at & 7);
      expect(() => open(find, 'a', damaged), `bit ${at}`).toThrow();
    }
  });

  test('that was cut anywhere is refused', () => {
    const value = sealed();
    for (let length = 0; length < value.length; length++)
      expect(() => open(find, 'a', value.subarray(0, length)), `${length} bytes`).toThrow();
  });

  test('of the first release is still read', () => {
    const written =
      'AQEAE3sidCI6NSwiYSI6ImFsaWNlIn0CazEAAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eH0p1m7U+jHkywdy/O78BWin4tu0temWi';
    const first = Uint8Array.from({ length: 32 }, (_, i) => i);
    const value = Buffer.from(written, 'base64');
    expect(sealedWith(value)).toBe('k1');
    const { header, body: read } = open(() => first, '/a', value);
    expect(header).toEqual({ time: 5, actor: 'alice', cause: undefined });
    expect(Buffer.from(read).toString()).toBe('{"a":1}');
  });

  test('of an unknown key says which', () => {
    expect(() => open(() => undefined, 'a', sealed())).toThrow(EncryptionKeyError);
    expect(() => open(() => undefined, 'a', sealed())).toThrow('the key "k1"');
  });
});

describe('a server', () => {
  test('writes Secrets encrypted and all else plain, and reads them again after a restart', async () => {
    const store = new MemoryStore();
    const files = new MemoryFiles();
    const first = await serve(store, settingsOf(files));
    await callsTo(first)('POST', SECRETS, secret('a'));
    await first.stop();
    const second = await serve(store, settingsOf(files));
    const { body } = await callsTo(second)('GET', `${SECRETS}/a`);
    expect(body.data.password).toBe(ENCODED);
    const [entry] = await valuesUnder(store, 'core/secrets/default/a');
    expect(sealedWith(entry!.value)).toBeDefined();
    for (const { value } of await valuesUnder(store, 'core/namespaces/'))
      expect(sealedWith(value)).toBeUndefined();
  });

  test('reads what was written before there was encryption', async () => {
    const store = new MemoryStore();
    const before = await serve(store);
    await callsTo(before)('POST', SECRETS, secret('old'));
    await before.stop();
    const after = await serve(store, settingsOf(new MemoryFiles()));
    expect((await callsTo(after)('GET', `${SECRETS}/old`)).body.data.password).toBe(ENCODED);
  });

  test('refuses to start without the right keys, changes nothing, and starts once they are back', async () => {
    const store = new MemoryStore();
    const files = new MemoryFiles();
    const first = await serve(store, settingsOf(files));
    await callsTo(first)('POST', SECRETS, secret('a'));
    await first.stop();
    const revision = await store.revision();
    const good = Buffer.from((await files.read(FILE))!).toString();
    const other = new MemoryFiles();
    await keyFile(FILE, { files: other, random: systemRandom, create: true }).renew();
    const id = JSON.parse(good).keys[0].id as string;
    const swapped = Buffer.from((await other.read(FILE))!)
      .toString()
      .replace(/file-\w+/, id);
    const cases: [string | undefined, RegExp][] = [
      [undefined, /keys\.json, which does not exist: bring it back/],
      [
        Buffer.from((await other.read(FILE))!).toString(),
        /the key "file-\w+", which \/keys\.json does not hold/,
      ],
      [swapped, /is not the one that values in the store are encrypted with/],
      ['{', /is no JSON/],
      ['{"format":1,"keys":[]}', /holds no keys/],
      ['{"format":1,"keys":[{"id":"a","secret":"c2hvcnQ="}]}', /"a" whose secret is not 32 bytes/],
    ];
    for (const [content, words] of cases) {
      const bad = new MemoryFiles();
      if (content !== undefined) await bad.write(FILE, content);
      const started = serve(store, settingsOf(bad));
      await expect(started).rejects.toBeInstanceOf(EncryptionKeyError);
      await expect(started).rejects.toThrow(words);
      const now = await bad.read(FILE);
      expect(now && Buffer.from(now).toString()).toBe(content);
    }
    await expect(serve(store)).rejects.toThrow(/see --encryption-keys/);
    expect(await store.revision()).toBe(revision);
    await serve(store, settingsOf(files));
  });
});

describe('rotation', () => {
  async function filled(count: number) {
    const store = new MemoryStore();
    const files = new MemoryFiles();
    const plain = await serve(store);
    for (let i = 0; i < count; i++) await callsTo(plain)('POST', SECRETS, secret(`plain-${i}`));
    await plain.stop();
    const server = await serve(store, settingsOf(files));
    for (let i = 0; i < count; i++) await callsTo(server)('POST', SECRETS, secret(`sealed-${i}`));
    return { store, files, server };
  }

  const keysOf = async (store: Store) =>
    new Set((await valuesUnder(store, 'core/secrets/default/')).map(({ value }) => sealedWith(value)));

  test('encrypts what was plain and what had an older key, keeps who wrote it, and drops the old data key', async () => {
    const { store, files, server } = await filled(120);
    expect((await keysOf(store)).size).toBe(2);
    const before = await callsTo(server)('GET', SECRETS);
    const line = await rotate(server);
    expect(line).toMatchObject({ result: { rewritten: 240, unusedKeysDropped: false } });
    const { dataKey, droppedDataKeys, unusedKeys } = (line as Extract<RotationLine, { result: unknown }>)
      .result;
    expect(droppedDataKeys).toHaveLength(1);
    expect(unusedKeys).toHaveLength(1);
    expect([...(await keysOf(store))]).toEqual([dataKey]);
    const after = await callsTo(server)('GET', SECRETS);
    const withoutVersions = (list: { items: { metadata: object }[] }) =>
      list.items.map((item) => ({ ...item, metadata: { ...item.metadata, resourceVersion: '' } }));
    expect(withoutVersions(after.body)).toEqual(withoutVersions(before.body));

    const ring = await KeyRing.open({
      store,
      keys,
      settings: settingsOf(files),
      random: systemRandom,
      now: () => 0,
      shared: false,
    });
    const [entry] = await valuesUnder(store, 'core/secrets/default/plain-0');
    expect(ring.decode(entry!.key, entry!.value).header.actor).toBe('admin');
    expect(ring.ids).toEqual([dataKey]);
    const [newest] = JSON.parse(Buffer.from((await files.read(FILE))!).toString()).keys;
    expect(await wrappingKeys(store, keys)).toEqual([`file/${newest.id}`]);
    // The old key of keys stays in the file for older backups, until it is told to go.
    expect(await rotate(server, '?dropUnusedKeys=true')).toMatchObject({
      result: { unusedKeysDropped: true },
    });
    expect(JSON.parse(Buffer.from((await files.read(FILE))!).toString()).keys).toHaveLength(1);
    await server.stop();
    await serve(store, settingsOf(files));
  });

  test('loses no write of others that come meanwhile', async () => {
    const { store, server } = await filled(60);
    const call = callsTo(server);
    let stopped = false;
    let written = 0;
    const writing = (async () => {
      while (!stopped) {
        const name = `sealed-${written % 60}`;
        const data = { password: ENCODED, count: Buffer.from(String(written)).toString('base64') };
        const { status } = await call('PUT', `${SECRETS}/${name}`, {
          ...secret(name),
          stringData: undefined,
          data,
        });
        expect(status).toBe(200);
        written++;
      }
    })();
    await rotate(server);
    stopped = true;
    await writing;
    expect((await keysOf(store)).size).toBe(1);
    for (let i = Math.max(0, written - 60); i < written; i++) {
      const { body } = await call('GET', `${SECRETS}/sealed-${i % 60}`);
      expect(Buffer.from(body.data.count, 'base64').toString()).toBe(String(i));
    }
  });

  test('that was stopped at any commit can be read at once, and finished by another', async () => {
    for (let allowed = 0; allowed < 12; allowed++) {
      const { store, files, server } = await filled(3);
      await server.stop();
      const broken = await serve(failingAfter(store, allowed), settingsOf(files));
      const line = await rotate(broken);
      await broken.stop();
      const again = await serve(store, settingsOf(files));
      expect((await callsTo(again)('GET', SECRETS)).body.items).toHaveLength(6);
      expect(await rotate(again)).toHaveProperty('result');
      expect((await keysOf(store)).size).toBe(1);
      await again.stop();
      if ('result' in line) return;
    }
    expect.unreachable('a rotation of six values takes fewer commits');
  });

  test('is one at a time; a client that goes without reading leaves the way free for the next', async () => {
    const { server } = await filled(3);
    const ask = () =>
      server.transport(TEST_ADMIN).request({ method: 'POST', path: ROTATION_PATH, headers: {} });
    const first = await ask();
    expect((await ask()).status).toBe(409);
    if (first.body instanceof Uint8Array) throw new Error('no stream');
    await first.body[Symbol.asyncIterator]().return?.();
    expect(await rotate(server)).toHaveProperty('result');
  });

  test('moves to another holder of keys, after which the first is not needed', async () => {
    const { store, files, server } = await filled(3);
    await server.stop();
    const turned = (bytes: Uint8Array) => Uint8Array.from(bytes, (byte) => byte ^ 0xff);
    const service: KeyProvider = {
      name: 'service',
      wrap: async (_id, bytes) => ({ wrappedBy: 's1', wrapped: turned(bytes) }),
      unwrap: async (_id, { wrapped }) => turned(wrapped),
      renew: async () => undefined,
      unused: async () => [],
    };
    const { providers, kinds } = settingsOf(files);
    const both = await serve(store, { providers: [service, ...providers], kinds });
    expect(await rotate(both)).toMatchObject({ result: { rewritten: 6 } });
    await both.stop();
    expect(await wrappingKeys(store, keys)).toEqual(['service/s1']);
    const moved = await serve(store, { providers: [service], kinds });
    expect((await callsTo(moved)('GET', `${SECRETS}/plain-0`)).body.data.password).toBe(ENCODED);
  });

  test('back to plain, when nothing is to be encrypted', async () => {
    const { store, files, server } = await filled(3);
    await server.stop();
    const off = await serve(store, settingsOf(files, []));
    expect(await rotate(off)).toMatchObject({ result: { rewritten: 3, dataKey: null } });
    await off.stop();
    const without = await serve(store);
    expect((await callsTo(without)('GET', SECRETS)).body.items).toHaveLength(6);
  });

  test('by another server: this one starts anew instead of writing with a key that is gone', async () => {
    const { store, files, server } = await filled(3);
    await server.stop();
    const config = {
      cluster: 'test',
      sharedStore: true,
      serviceCidr: '10.96.0.0/16',
      nodePorts: { from: 30_000, to: 32_767 },
    };
    const start = async () => {
      const one = await startTestServer({
        store,
        config,
        encryption: settingsOf(files),
        random: systemRandom,
      });
      ends.push(() => one.stop());
      return one;
    };
    const [rotating, other] = [await start(), await start()];
    expect(await rotate(rotating)).toHaveProperty('result');
    const late = await callsTo(other)('POST', SECRETS, secret('late'));
    expect(late.status).not.toBe(201);
    expect(other.health()).toMatchObject({ ok: false });
    expect((await keysOf(store)).size).toBe(1);
  });
});

test.each([
  ['off', false],
  ['on', true],
])(
  'with encryption %s, the plaintext of a Secret on the disk or in a backup: %s is hidden',
  async (_, hidden) => {
    const directory = mkdtempSync(join(tmpdir(), 'gantry-rest-'));
    ends.push(() => rmSync(directory, { recursive: true, force: true }));
    const store = await openSqliteStore({ directory, clock: systemClock });
    ends.push(() => store.close());
    const server = await serve(store, hidden ? settingsOf(new MemoryFiles()) : undefined);
    const call = callsTo(server);
    await call('POST', SECRETS, secret('a'));
    await call('PUT', `${SECRETS}/a`, {
      ...secret('a'),
      type: 'Opaque',
      metadata: { name: 'a', labels: { a: 'b' } },
    });
    const places = [
      ...readdirSync(directory).map((name) => readFileSync(join(directory, name))),
      Buffer.from(await collect(writeBackup({ store, keys, cluster: 'test', now: 0 }))),
    ];
    const found = places.filter((bytes) => bytes.includes(ENCODED) || bytes.includes(PLAINTEXT));
    expect(found.length > 0).toBe(!hidden);
    // Else the files were not looked into.
    expect(places.slice(0, -1).some((bytes) => bytes.includes(ENCODED))).toBe(!hidden);
    expect(places.at(-1)!.includes(ENCODED)).toBe(!hidden);
  },
);

test.each([true, false])(
  'a key file that is away for the moment is not made anew (create: %s)',
  async (create) => {
    const files = new MemoryFiles();
    await keyFile(FILE, { files, random: systemRandom, create: true }).renew();
    const store = new MemoryStore();
    const ring = await KeyRing.open({
      ...{ store, keys, random: systemRandom, now: () => 0, shared: false },
      settings: {
        providers: [keyFile(FILE, { files, random: systemRandom, create })],
        kinds: [{ group: '', plural: 'secrets' }],
      },
    });
    await files.remove(FILE);
    await expect(ring.add()).rejects.toThrow(EncryptionKeyError);
    expect(await files.read(FILE)).toBeUndefined();
    const empty = keyFile(FILE, { files, random: systemRandom, create: false });
    await expect(empty.renew()).rejects.toThrow(/does not exist/);
    await store.close();
  },
);

/** Lets some commits of a rotation through; then the store is gone. */
function failingAfter(store: Store, allowed: number): Store {
  let left = allowed;
  return new Proxy(store, {
    get(target, name) {
      const value = Reflect.get(target, name, target) as unknown;
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        const info = args[1] as { cause?: string } | undefined;
        const counts = name === 'commit' && /rotat|key ring/.test(info?.cause ?? '');
        if (counts && left-- <= 0) throw new Error('the power went');
        return value.apply(target, args);
      };
    },
  });
}
