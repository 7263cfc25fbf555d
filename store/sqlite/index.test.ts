import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { storeConformance } from '../conformance.ts';
import { CompactedError, type Store, StoreFailedError, StoreLockedError } from '../contract.ts';
import { openSqliteStore } from './index.ts';

let directory: string;

storeConformance('sqlite', {
  async open() {
    directory = mkdtempSync(join(tmpdir(), 'gantry-store-'));
    const clock = new VirtualClock();
    const watcherLimitBytes = 64 * 1024;
    return {
      store: await openSqliteStore({ directory, clock, watcherLimitBytes }),
      clock,
      watcherLimitBytes,
    };
  },
  async cleanup() {
    rmSync(directory, { recursive: true, force: true });
  },
});

describe('sqlite: across restarts', () => {
  const clock = new VirtualClock();
  const open = () => openSqliteStore({ directory, clock });
  const write = async (store: Store, key: string, text: string) => {
    const result = await store.commit([{ op: 'put', key, value: Buffer.from(text) }], {
      time: 1,
      actor: 'test',
    });
    return result.ok ? result.revision : -1;
  };

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'gantry-store-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  test('values, revisions and history stay', async () => {
    const before = await open();
    const first = await write(before, '/a', 'one');
    await write(before, '/a', 'two');
    await before.close();

    const after = await open();
    expect(await after.revision()).toBe(first + 1);
    expect(Buffer.from((await after.get('/a', first))!.value).toString()).toBe('one');
    const events = after.watch('/', 0, AbortSignal.timeout(5_000))[Symbol.asyncIterator]();
    expect((await events.next()).value.revision).toBe(first);
    await after.close();
  });

  test('a small value travels alone, without the pool of memory it was made in', async () => {
    const store = await open();
    const stop = new AbortController();
    const events = store.watch('/', undefined, stop.signal)[Symbol.asyncIterator]();
    await write(store, '/a', 'one');
    const { value: batch } = await events.next();
    const [event] = batch!.events;
    expect(event?.type === 'put' && event.entry.value.buffer.byteLength).toBe('one'.length);
    stop.abort();
    await store.close();
  });

  test('a revision is not used again though all of its history was compacted', async () => {
    const before = await open();
    await write(before, '/a', 'one');
    await before.commit([{ op: 'delete', key: '/a' }], { time: 1, actor: 'test' });
    await before.compact(await before.revision());
    await before.close();

    const after = await open();
    expect(await after.revision()).toBe(2);
    expect(await write(after, '/b', 'x')).toBe(3);
    await expect(after.get('/b', 1)).rejects.toThrow(CompactedError);
    await after.close();
  });

  test('compaction gives space back: many updates of few keys stay a small file', async () => {
    const store = await open();
    const text = 'x'.repeat(4_000);
    for (let round = 0; round < 20; round++) {
      await Promise.all(Array.from({ length: 200 }, (_, i) => write(store, `/k${i % 10}`, text)));
      await store.compact(await store.revision());
    }
    await store.close();
    // 4,000 versions of 4 kB were written: 16 MB.
    expect(statSync(join(directory, 'store.db')).size).toBeLessThan(3_000_000);
  });

  test('a lease starts anew', async () => {
    const before = await open();
    const lease = await before.grantLease(1_000);
    await before.commit([{ op: 'put', key: '/l', value: Buffer.from('x'), lease }], {
      time: 1,
      actor: 'test',
    });
    await before.close();

    const after = await open();
    expect(await after.get('/l')).toBeDefined();
    const events = after.watch('/l', undefined, AbortSignal.timeout(5_000))[Symbol.asyncIterator]();
    await clock.advance(1_001);
    expect((await events.next()).value.events[0].type).toBe('delete');
    await after.close();
  });

  test('a second owner is refused, and let in when the first has left', async () => {
    const first = await open();
    await expect(open()).rejects.toThrow(StoreLockedError);
    await first.close();
    await (await open()).close();
  });

  test('a file that is no database is refused and left alone', async () => {
    writeFileSync(
      join(directory, 'store.db'),
      'this is not a database, and it is long enough to be looked at',
    );
    await expect(open()).rejects.toThrow(StoreFailedError);
  });
});
