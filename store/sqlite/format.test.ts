/** Data directories of every format that was ever written are opened, and nothing in them is lost. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { CompactedError, type Store, StoreFailedError } from '../contract.ts';
import { openSqliteStore } from './index.ts';
import { FORMAT, PAGE_BYTES } from './schema.ts';

const FORMATS = [1, 2];

let directory: string;
const clock = new VirtualClock();
const open = () => openSqliteStore({ directory, clock });
const golden = (format: number) =>
  readFileSync(new URL(`./testing/golden/format-${format}.sql`, import.meta.url), 'utf8');

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gantry-format-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function change(sql: string): void {
  const db = new DatabaseSync(join(directory, 'store.db'));
  db.exec(sql);
  db.close();
}

const text = (value: Uint8Array | undefined) => value && Buffer.from(value).toString();

/** Everything of the past that was not compacted, as a watcher tells it. */
async function pastOf(store: Store, from: number): Promise<string[]> {
  const told: string[] = [];
  const stop = new AbortController();
  const newest = await store.revision();
  for await (const { revision, events } of store.watch('/', from, stop.signal)) {
    for (const event of events) {
      const previous = text(event.previous?.value) ?? '';
      told.push(
        event.type === 'put'
          ? `${revision} ${event.entry.key}=${text(event.entry.value)} (${event.entry.createRevision}) <${previous}`
          : `${revision} -${event.key} <${previous}`,
      );
    }
    if (revision === newest) stop.abort();
  }
  return told;
}

test('there is a golden directory of each format', () => {
  expect(FORMATS.at(-1)).toBe(FORMAT);
});

test.each(FORMATS)('format %i is opened with all that is in it', async (format) => {
  change(golden(format));
  // Twice: as it was written, and as it was left by the first time.
  for (let time = 0; time < 2; time++) {
    const store = await open();
    expect(await store.revision()).toBe(9);
    expect(await pastOf(store, 4)).toEqual([
      '5 /leased=l5 (5) <',
      '6 /a=a6 (1) <a2',
      '6 /b=b6 (4) <b4',
      '7 /c=c7 (7) <',
      '8 -/c <c7',
      '9 /b=b9 (4) <b6',
    ]);
    const then = await store.list('/', { revision: 4 });
    expect(then.entries.map(({ key, value, revision }) => `${key}=${text(value)} ${revision}`)).toEqual([
      '/a=a2 2',
      '/b=b4 4',
    ]);
    await expect(store.get('/a', 3)).rejects.toThrow(CompactedError);
    expect(await store.revisionAt(7_500)).toBe(6);
    expect(await store.revisionAt(5_000)).toBeUndefined();
    expect(await store.renewLease('lease-1')).toBe(true);
    await store.close();
  }
});

test('a file of an older format gets pages of our size', async () => {
  change(golden(1));
  await (await open()).close();
  const db = new DatabaseSync(join(directory, 'store.db'));
  expect(db.prepare('PRAGMA page_size').get()).toEqual({ page_size: PAGE_BYTES });
  expect(db.prepare('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'wal' });
  db.close();
});

test('the lease of an older format still ends its keys', async () => {
  change(golden(1));
  const store = await open();
  const events = store.watch('/leased', 9, AbortSignal.timeout(10_000))[Symbol.asyncIterator]();
  await clock.advance(60_001);
  expect((await events.next()).value.events[0]).toMatchObject({ type: 'delete', key: '/leased' });
  await store.close();
});

test('a newer format is refused and left alone', async () => {
  change(golden(2));
  change("UPDATE meta SET value = '99' WHERE name = 'format'");
  const before = readFileSync(join(directory, 'store.db'));
  await expect(open()).rejects.toThrow(
    new StoreFailedError(`${directory}/store.db has format 99; this version reads formats 1 to ${FORMAT}`),
  );
  expect(readFileSync(join(directory, 'store.db')).equals(before)).toBe(true);
});
