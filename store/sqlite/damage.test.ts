/** Files that were damaged at rest: the store refuses them, or everything is as it was. Never a wrong value. */
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sleep, systemClock } from '#machinery/clock.ts';
import { type Random, seededRandom } from '#machinery/random.ts';
import { CompactedError, StoreFailedError } from '../contract.ts';
import { openSqliteStore } from './index.ts';
import { Acknowledged } from './testing/acknowledged.ts';
import { WriterProcess } from './testing/writers.ts';

const TIMES = process.env['GANTRY_FULL'] ? 400 : 25;

let workspace: string;
const seen = { folded: new Acknowledged(), logged: new Acknowledged() };

/** One store that was closed, all in its main file, and one that was killed, the newest of it in the write-ahead log. */
beforeAll(async () => {
  workspace = mkdtempSync(join(tmpdir(), 'gantry-damage-'));
  const folded = new WriterProcess({
    ...{ directory: join(workspace, 'folded'), run: 'folded', seen: seen.folded, flags: ['--commits=60'] },
  });
  await folded.ended;
  const logged = new WriterProcess({
    directory: join(workspace, 'logged'),
    run: 'logged',
    seen: seen.logged,
  });
  await logged.ready;
  await logged.more(300, /^\//);
  await logged.kill();
}, 60_000);
afterAll(() => rmSync(workspace, { recursive: true, force: true }));

type Damage = (path: string, random: Random) => void;

const flipBit: Damage = (path, random) => {
  const bytes = readFileSync(path);
  const at = Math.floor(random.next() * bytes.length);
  bytes[at]! ^= 1 << Math.floor(random.next() * 8);
  writeFileSync(path, bytes);
};

const zeroPage: Damage = (path, random) => {
  const bytes = readFileSync(path);
  const at = Math.floor((random.next() * bytes.length) / 4096) * 4096;
  bytes.fill(0, at, Math.min(at + 4096, bytes.length));
  writeFileSync(path, bytes);
};

const cut: Damage = (path, random) => {
  truncateSync(path, Math.floor(random.next() * readFileSync(path).length));
};

/** What became of it: refused in words, or as it was. Rejects when it is neither. */
async function openDamaged(from: 'folded' | 'logged', file: string, damage: Damage, seed: number) {
  const directory = mkdtempSync(join(workspace, 'case-'));
  try {
    for (const name of readdirSync(join(workspace, from)))
      if (!name.endsWith('-shm')) cpSync(join(workspace, from, name), join(directory, name));
    damage(join(directory, file), seededRandom(seed));
    const store = await openSqliteStore({ directory, clock: systemClock }).catch((error: unknown) => error);
    if (store instanceof StoreFailedError) {
      expect(store.message).toContain(directory);
      return 'refused';
    }
    if (store instanceof Error) throw store;
    const opened = store as Awaited<ReturnType<typeof openSqliteStore>>;
    try {
      await seen[from].check(opened);
      return 'whole';
    } finally {
      await opened.close();
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

test.each([
  ['a bit of the main file', 'folded', 'store.db', flipBit],
  ['a page of the main file', 'folded', 'store.db', zeroPage],
  ['the end of the main file', 'folded', 'store.db', cut],
  // SQLite takes a damaged place of the log for its end: the head tells that more was acknowledged.
  ['a bit of the log', 'logged', 'store.db-wal', flipBit],
  ['a page of the log', 'logged', 'store.db-wal', zeroPage],
  ['the end of the log', 'logged', 'store.db-wal', cut],
] as const)(
  '%s: refused, or all is as it was',
  async (_, from, file, damage) => {
    const outcomes: string[] = [];
    for (let seed = 1; seed <= TIMES; seed++) outcomes.push(await openDamaged(from, file, damage, seed));
    expect(outcomes).toContain('refused');
  },
  300_000,
);

/** A database whose pages are whole, each for itself, as when a disk puts some of them back to an older state. */
const changed =
  (sql: string): Damage =>
  (path) => {
    const db = new DatabaseSync(path);
    db.exec(sql);
    db.close();
  };

test.each([
  [
    'a commit is missing',
    'DELETE FROM log WHERE id / 256 = (SELECT max(id) / 256 - 5 FROM log)',
    /revision \d+ are missing/,
  ],
  [
    'the newest commit is missing',
    'DELETE FROM log WHERE id / 256 = (SELECT max(id) / 256 FROM log)',
    /was acknowledged/,
  ],
  [
    'a part of a commit is missing',
    'DELETE FROM log WHERE id = (SELECT max(id) FROM log WHERE id % 256 = 1)',
    /revision \d+ are missing/,
  ],
  [
    'the first part of a commit is missing',
    'DELETE FROM log WHERE id = (SELECT max(id) - 1 FROM log WHERE id % 256 = 1)',
    /revision \d+ are missing/,
  ],
  [
    'a value became a number',
    'UPDATE log SET value = 7 WHERE id = (SELECT max(id) FROM log)',
    /not what was written/,
  ],
  [
    'a key is another',
    "UPDATE log SET key = '/x' WHERE id = (SELECT max(id) FROM log)",
    /not what was written/,
  ],
  [
    'the compacted revision is another',
    "UPDATE meta SET value = '7' WHERE name = 'compacted'",
    /meta and leases/,
  ],
  ['a lease appeared', "INSERT INTO leases VALUES ('lease-9', 1)", /meta and leases/],
] as const)('%s: refused', async (_, sql, message) => {
  const directory = mkdtempSync(join(workspace, 'case-'));
  for (const name of ['store.db', 'store.head'])
    cpSync(join(workspace, 'folded', name), join(directory, name));
  const compacted = await openSqliteStore({ directory, clock: systemClock });
  await compacted.compact(10);
  await compacted.close();
  changed(sql)(join(directory, 'store.db'), seededRandom(1));
  await expect(openSqliteStore({ directory, clock: systemClock })).rejects.toThrow(message);
});

test('a log that is folded and that nobody writes to is emptied: it could only bring older pages back', async () => {
  const directory = mkdtempSync(join(workspace, 'case-'));
  const store = await openSqliteStore({ directory, clock: systemClock });
  const ops = [{ op: 'put', key: '/a', value: Buffer.from('x') }] as const;
  await store.commit(ops, { time: 1, actor: 'test' });
  const log = join(directory, 'store.db-wal');
  expect(statSync(log).size).toBeGreaterThan(0);
  while (statSync(log).size > 0) await sleep(systemClock, 10);
  await store.close();
});

test('what the disk has lost is said, and when that is accepted no revision is used again', async () => {
  const directory = mkdtempSync(join(workspace, 'case-'));
  for (const name of ['store.db', 'store.head', 'store.db-wal'])
    cpSync(join(workspace, 'logged', name), join(directory, name));
  cut(join(directory, 'store.db-wal'), { ...seededRandom(1), next: () => 0.5 });
  const open = (acceptLoss: boolean) => openSqliteStore({ directory, clock: systemClock, acceptLoss });
  await expect(open(false)).rejects.toThrow(
    /ends at revision \d+, but \d+ was acknowledged.*--accept-lost-writes/,
  );
  const store = await open(true);
  const before = await store.revision();
  expect(before).toBeGreaterThanOrEqual(seen.logged.newest);
  await expect(store.list('/', { revision: before - 1 })).rejects.toThrow(CompactedError);
  const ops = [{ op: 'put', key: '/after', value: Buffer.from('x') }] as const;
  expect(await store.commit(ops, { time: 1, actor: 'test' })).toEqual({ ok: true, revision: before + 1 });
  await store.close();
  await (await open(false)).close();
});
