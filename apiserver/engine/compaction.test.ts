import { describe, expect, test } from 'vitest';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { silentLogger } from '#machinery/log.ts';
import { CompactedError } from '#store/contract.ts';
import { MemoryStore } from '#store/memory/index.ts';
import { compactionTarget, keepCompacted } from './compaction.ts';

async function storeWith(times: number[]): Promise<MemoryStore> {
  const store = new MemoryStore();
  for (const time of times) {
    await store.commit([{ op: 'put', key: '/k', value: Buffer.from(String(time)) }], { time, actor: 'test' });
  }
  return store;
}

describe('compaction', () => {
  test.each([
    ['all is young and little', [100, 200, 300], { keepMs: 1000, keepRevisions: 10 }, undefined],
    ['what is older than the time', [100, 200, 900], { keepMs: 500, keepRevisions: 10 }, 2],
    ['what is more than the count', [100, 200, 300], { keepMs: 10_000, keepRevisions: 1 }, 2],
  ])('%s', async (_, times, budget, target) => {
    expect(await compactionTarget(await storeWith(times), budget, 1000)).toBe(target);
  });

  test('goes on by itself, and ends with the signal', async () => {
    const clock = new VirtualClock(0);
    const store = await storeWith([0, 0, 0]);
    const stop = new AbortController();
    keepCompacted(store, { keepMs: 1, keepRevisions: 1 }, { clock, log: silentLogger, signal: stop.signal });
    await clock.advance(61_000);
    await expect(store.get('/k', 1)).rejects.toThrow(CompactedError);
    stop.abort();
    await clock.advance(120_000);
    expect(clock.next).toBeUndefined();
  });
});
