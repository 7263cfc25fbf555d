import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '#machinery/clock.ts';
import { systemFiles } from '#machinery/files.ts';
import type { Files } from '#machinery/io.ts';
import { silentLogger } from '#machinery/log.ts';
import { systemRandom } from '#machinery/random.ts';
import { openSqliteStore } from '#store/sqlite/index.ts';
import { addUpOptions, settle, toArguments, type UpFlags } from '../options.ts';
import { pathsOf } from '../paths.ts';
import { oldStorePath, setOldStoreAside } from './old-store.ts';
import { CLUSTER, openStore } from './store.ts';
import { parseStore } from './store-choice.ts';
import {
  etcdFlagsOf,
  inCharge,
  PromotedStoreError,
  readStoreRecord,
  storeRecord,
  withRecord,
  writeStoreRecord,
} from './store-record.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'gantry-record-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));
const files = systemFiles();

const PROMOTED = { id: 'p1', base: 7, entries: 1, bytes: 2, sha256: 'ab', heldMs: 3 };
const TO = parseStore('etcd://192.0.2.9:2379')!;
const record = () => storeRecord(TO, etcdFlagsOf({ etcdCa: '/ca.pem', etcdUsername: 'root' }), PROMOTED, 0);
const flagsOf = (...args: string[]) => {
  const all = ['--data-dir', root, '--advertise-address', '192.0.2.1', ...args];
  return settle(addUpOptions(new Command()).parse(all, { from: 'user' }).opts<UpFlags>());
};

describe('where the state is, once a cluster was moved', () => {
  test('the flags of before lead to etcd, in the program that starts the server and in the server', async () => {
    expect((await inCharge(flagsOf())).store).toEqual({ kind: 'sqlite' });
    await writeStoreRecord(files, pathsOf(root), record());
    const given = flagsOf('--pod-cidr', '10.9.0.0/16');
    const server = settle(
      addUpOptions(new Command()).parse(toArguments(given), { from: 'user' }).opts<UpFlags>(),
    );
    for (const flags of [given, server])
      expect(await inCharge(flags)).toMatchObject({
        ...{ store: TO, etcdCa: '/ca.pem', etcdUsername: 'root', podCidr: '10.9.0.0/16' },
      });
  });

  test('SQLite by name is refused with the reason', async () => {
    await writeStoreRecord(files, pathsOf(root), record());
    const given = flagsOf('--store', 'sqlite');
    await expect(inCharge(given)).rejects.toBeInstanceOf(PromotedStoreError);
    await expect(inCharge(given)).rejects.toThrow(/moved to etcd:\/\/192.0.2.9:2379 at 1970/);
    expect(toArguments(given)).toContain('sqlite');
  });

  test('who names an etcd, or other files of it, is believed', () => {
    const there = flagsOf('--store', 'etcd://192.0.2.8:2379');
    expect(withRecord(there, record())).toBe(there);
    const { etcdCa, store } = withRecord(flagsOf('--etcd-ca', '/new.pem'), record());
    expect([etcdCa, store]).toEqual(['/new.pem', TO]);
  });

  test('a record of another version, and a damaged one, are told', async () => {
    for (const text of ['{"version":2}', '{', '{"version":1,"store":"sqlite"}']) {
      writeFileSync(join(root, 'store.json'), text);
      await expect(readStoreRecord(files, pathsOf(root))).rejects.toThrow('store.json cannot be used');
    }
  });
});

describe('when the record cannot be written', () => {
  const failing = (write: Files['write']): Files => ({ ...files, write });
  const full = async () => {
    throw new Error('no space');
  };

  test('and is not there, the old store stays in charge', async () => {
    await expect(writeStoreRecord(failing(full), pathsOf(root), record())).rejects.toThrow('no space');
    expect(await readStoreRecord(files, pathsOf(root))).toBeUndefined();
  });

  test('but has its name, it decides', async () => {
    const unsynced: Files['write'] = async (...args) => {
      await files.write(...args);
      throw new Error('the directory could not be synced');
    };
    await writeStoreRecord(failing(unsynced), pathsOf(root), record());
    expect(await readStoreRecord(files, pathsOf(root))).toMatchObject({ promoted: PROMOTED });
  });
});

describe('the old store', () => {
  const paths = () => pathsOf(root);
  const open = () => openSqliteStore({ directory: paths().store, clock: systemClock });
  const deps = { clock: systemClock, random: systemRandom, log: silentLogger };
  const key = `/gantry/${CLUSTER}/v1/a`;

  async function filled() {
    const store = await open();
    await store.commit([{ op: 'put', key, value: Buffer.from('x') }], { time: 1, actor: 'test' });
    await store.close();
  }

  test('put aside at any point of it, it is whole, read only, and nothing starts in its place', async () => {
    for (let allowed = 0; ; allowed++) {
      await filled();
      let left = allowed;
      const step = async () => {
        if (left-- <= 0) throw new Error('killed');
      };
      const broken: Files = {
        ...files,
        rename: (...args) => step().then(() => files.rename(...args)),
        write: (...args) => step().then(() => files.write(...args)),
      };
      const aside = (with_: Files) => setOldStoreAside(with_, paths(), 'etcd://x', chmod);
      const ended = await aside(broken).then(
        () => true,
        () => false,
      );
      await aside(files);
      await aside(files);
      expect(statSync(oldStorePath(paths())).mode & 0o777).toBe(0o400);
      expect(readFileSync(join(paths().store, 'store.db'), 'utf8')).toContain('was moved to etcd://x');
      await expect(open()).rejects.toThrow('not a database');
      const settings = { store: { kind: 'sqlite' as const }, paths: paths() };
      await expect(openStore(settings, CLUSTER, deps)).rejects.toBeInstanceOf(PromotedStoreError);
      rmSync(join(paths().store, 'store.db'));
      await files.rename(oldStorePath(paths()), join(paths().store, 'store.db'));
      const again = await open();
      expect(await again.get(key)).toBeDefined();
      await again.close();
      rmSync(paths().store, { recursive: true });
      if (ended) break;
    }
  });
});
