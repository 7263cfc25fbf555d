import { closeSync, fsyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { systemClock } from '#machinery/clock.ts';
import { openSqliteStore } from '#store/sqlite/index.ts';
import { PAGE_BYTES } from '#store/sqlite/schema.ts';
import { percentile, type Section } from './table.ts';

const VALUE = Buffer.alloc(2048, 120);
const SECONDS = 2;

/**
 * Durable commits of 2 KB values, beside the disk's own fsync and raw SQLite with the same grouping: on pages as large as
 * ours, appending to a table without an index, which is the least there is to do.
 */
export const store: Section = async (report) => {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-bench-'));
  try {
    const fsyncs = fsyncRate(directory);
    report({ what: 'fsync of an 8 kB append', value: fsyncs, unit: '/s' });
    for (const writers of [1, 8, 32, 256]) {
      const raw = rawRate(join(directory, `raw-${writers}.db`), writers);
      const ours = await ourRate(join(directory, `ours-${writers}`), writers);
      report({
        what: `store: commits of 2 kB, ${writers} writers`,
        value: ours,
        unit: '/s',
        floor: { what: 'raw node:sqlite, same groups', value: raw },
      });
    }
    report({
      what: 'store: commit to event, p99',
      value: await eventDelay(join(directory, 'delay')),
      unit: 'ms',
      mark: { at: 'most', value: 2 },
    });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
};

function fsyncRate(directory: string): number {
  const file = openSync(join(directory, 'fsync'), 'w');
  const block = Buffer.alloc(8192);
  const end = performance.now() + 1000;
  let count = 0;
  while (performance.now() < end) {
    writeSync(file, block);
    fsyncSync(file);
    count += 1;
  }
  closeSync(file);
  return count;
}

function rawRate(file: string, group: number): number {
  const db = new DatabaseSync(file);
  db.exec(`PRAGMA page_size = ${PAGE_BYTES}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL`);
  db.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, k TEXT NOT NULL, v BLOB)');
  const insert = db.prepare('INSERT INTO t VALUES (?, ?, ?)');
  const end = performance.now() + SECONDS * 1000;
  let count = 0;
  while (performance.now() < end) {
    db.exec('BEGIN');
    for (let i = 0; i < group; i++) insert.run(count, `/bench/${count++ % 10_000}`, VALUE);
    db.exec('COMMIT');
  }
  db.close();
  return count / SECONDS;
}

async function ourRate(directory: string, writers: number): Promise<number> {
  const opened = await openSqliteStore({ directory, clock: systemClock });
  const end = performance.now() + SECONDS * 1000;
  let count = 0;
  const write = async () => {
    while (performance.now() < end) {
      const key = `/bench/${count++ % 10_000}`;
      await opened.commit([{ op: 'put', key, value: VALUE }], { time: count, actor: 'bench' });
    }
  };
  await Promise.all(Array.from({ length: writers }, write));
  await opened.close();
  return count / SECONDS;
}

async function eventDelay(directory: string): Promise<number> {
  const opened = await openSqliteStore({ directory, clock: systemClock });
  const stop = new AbortController();
  const events = opened.watch('/', undefined, stop.signal)[Symbol.asyncIterator]();
  const delays: number[] = [];
  for (let i = 0; i < 500; i++) {
    const started = performance.now();
    const seen = events.next();
    await opened.commit([{ op: 'put', key: `/k${i}`, value: VALUE }], { time: i, actor: 'bench' });
    await seen;
    delays.push(performance.now() - started);
  }
  stop.abort();
  await opened.close();
  return percentile(delays, 0.99);
}
