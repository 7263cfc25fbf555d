/** Forgets the past of the store in time: without it the file would grow for ever. */
import { type Clock, every } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import type { Logger } from '#machinery/log.ts';
import type { Revision, Store } from '#store/contract.ts';

/** How much history is kept: what is older than the time, or further back than the count, goes. */
export interface HistoryBudget {
  keepMs: number;
  keepRevisions: number;
}

/** A day of a small cluster; a hundred thousand changes of a busy one (some 250 MB of 2 kB objects). */
export const DEFAULT_HISTORY: HistoryBudget = { keepMs: 24 * 3_600_000, keepRevisions: 100_000 };

const EVERY_MS = 60_000;

/** The revision to compact to; undefined when all of the past is within the budget. */
export async function compactionTarget(
  store: Pick<Store, 'revision' | 'revisionAt'>,
  budget: HistoryBudget,
  nowMs: number,
): Promise<Revision | undefined> {
  const byCount = (await store.revision()) - budget.keepRevisions;
  const byTime = (await store.revisionAt(nowMs - budget.keepMs)) ?? 0;
  const target = Math.max(byCount, byTime);
  return target > 0 ? target : undefined;
}

/** Compacts once a minute until the signal aborts. A failure is logged and tried again: it is never urgent. */
export function keepCompacted(
  store: Store,
  budget: HistoryBudget,
  { clock, log, signal }: { clock: Clock; log: Logger; signal: AbortSignal },
): void {
  every(clock, EVERY_MS, signal, async () => {
    try {
      const target = await compactionTarget(store, budget, clock.now());
      if (target !== undefined) await store.compact(target);
    } catch (error) {
      if (!signal.aborted) log.warn('History could not be compacted', { error: messageOf(error) });
    }
  });
}
