/** Files that were damaged at rest: the store refuses them, or everything is as it was. Never a wrong value. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '#machinery/clock.ts';
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
