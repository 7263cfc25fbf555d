import { describe, expect, test } from 'vitest';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { silentLogger } from '#machinery/log.ts';
import { CompactedError } from '#store/contract.ts';
import { MemoryStore } from '#store/memory/index.ts';
import { compactionsDue, type HistoryBudget, keepCompacted } from './compaction.ts';

const LARGE = {
  ...{ keepMs: 1e9, keepBytes: 1e9, keepRevisions: 1e9, keepUntoldRevisions: 1e9, keepShortLivedMs: 1e9 },
};

/** A key that changes at these times, each value as large as two of its names. */
async function storeWith(times: number[]): Promise<MemoryStore> {
  const store = new MemoryStore();
  for (const time of times)
    await store.commit([{ op: 'put', key: '/key', value: Buffer.from('value') }], { time, actor: 'test' });
  return store;
}

describe('compaction', () => {
  test.each<[string, number[], Partial<HistoryBudget>, number | undefined]>([
    ['all is young and little', [100, 200, 300], {}, undefined],
    ['what is older than the time', [100, 200, 900], { keepMs: 500 }, 2],
    ['what is more than the bytes', [100, 200, 300, 400], { keepBytes: 18 }, 2],
    ['what is more than the count', [100, 200, 300], { keepRevisions: 1 }, 2],
    ['the strictest of all', [100, 200, 300, 400], { keepBytes: 18, keepMs: 650 }, 3],
  ])('%s', async (_, times, budget, target) => {
    const due = await compactionsDue(await storeWith(times), [], { ...LARGE, ...budget }, 1000);
    expect(due).toEqual(target === undefined ? [] : [{ prefix: '', revision: target }]);
  });

  test('what is short-lived goes sooner', async () => {
    const due = await compactionsDue(
      await storeWith([100, 200, 900]),
      ['/leases/', '/events/'],
      { ...LARGE, keepShortLivedMs: 500 },
      1000,
    );
    expect(due).toEqual([
      { prefix: '/leases/', revision: 2 },
      { prefix: '/events/', revision: 2 },
    ]);
  });

  test('an engine that does not tell its bytes keeps a number of revisions', async () => {
    const store = await storeWith([100, 200, 300]);
    store.revisionKeeping = async () => undefined as never;
    expect(await compactionsDue(store, [], { ...LARGE, keepUntoldRevisions: 1 }, 1000)).toEqual([
      { prefix: '', revision: 2 },
    ]);
  });

  test('goes on by itself, and ends with the signal', async () => {
    const clock = new VirtualClock(0);
    const store = await storeWith([0, 0, 0]);
    const stop = new AbortController();
    keepCompacted(store, [], { ...LARGE, keepMs: 1 }, { clock, log: silentLogger, signal: stop.signal });
    await clock.advance(61_000);
    await expect(store.get('/key', 1)).rejects.toThrow(CompactedError);
    stop.abort();
    await clock.advance(120_000);
    expect(clock.next).toBeUndefined();
  });
});
