/** Forgets the past of the store in time: without it the file would grow for ever. */
import { type Clock, every } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import type { Logger } from '#machinery/log.ts';
import type { Revision, Store } from '#store/contract.ts';

/** How much history is kept: what is older than the time, or beyond the bytes, goes. */
export interface HistoryBudget {
  keepMs: number;
  keepBytes: number;
  /** Each revision takes some memory, also when it left nothing in the history. */
  keepRevisions: number;
  /** In place of the bytes, for engines that do not tell what their history takes. */
  keepUntoldRevisions: number;
  /** Of what changes all the time and of which nobody asks for the past: enough for a watch to go on after a break. */
  keepShortLivedMs: number;
}

/** A day of a small cluster, 256 MB of a busy one. Source of the five minutes: kube-apiserver's compaction interval. */
export const DEFAULT_HISTORY: HistoryBudget = {
  keepMs: 24 * 3_600_000,
  keepBytes: 256_000_000,
  keepRevisions: 1_000_000,
  keepUntoldRevisions: 100_000,
  keepShortLivedMs: 5 * 60_000,
};

const EVERY_MS = 60_000;

/** What to compact: a prefix of the keys, empty for all, and the revision. */
export interface Compaction {
  prefix: string;
  revision: Revision;
}

/** What is out of the budget. `shortLived`: prefixes of the keys of Leases and Events. */
export async function compactionsDue(
  store: Pick<Store, 'revision' | 'revisionAt' | 'revisionKeeping'>,
  shortLived: readonly string[],
  budget: HistoryBudget,
  nowMs: number,
): Promise<Compaction[]> {
  const newest = await store.revision();
  const byBytes = (await store.revisionKeeping(budget.keepBytes)) ?? newest - budget.keepUntoldRevisions;
  const byTime = (await store.revisionAt(nowMs - budget.keepMs)) ?? 0;
  const recent = (await store.revisionAt(nowMs - budget.keepShortLivedMs)) ?? 0;
  const all = [
    { prefix: '', revision: Math.max(byBytes, byTime, newest - budget.keepRevisions) },
    ...shortLived.map((prefix) => ({ prefix, revision: recent })),
  ];
  return all.filter(({ revision }) => revision > 0);
}

export interface CompactionDeps {
  clock: Clock;
  log: Logger;
  signal: AbortSignal;
}

/** Compacts once a minute until the signal aborts. A failure is logged and tried again: it is never urgent. */
export function keepCompacted(
  store: Store,
  shortLived: readonly string[],
  budget: HistoryBudget,
  { clock, log, signal }: CompactionDeps,
): void {
  every(clock, EVERY_MS, signal, async () => {
    try {
      for (const { prefix, revision } of await compactionsDue(store, shortLived, budget, clock.now()))
        await store.compact(revision, prefix);
    } catch (error) {
      if (!signal.aborted) log.warn('History could not be compacted', { error: messageOf(error) });
    }
  });
}
