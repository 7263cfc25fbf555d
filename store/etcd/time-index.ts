import type { Revision } from '../contract.ts';

/** A commit's revision and wall time. */
export interface CommitTime {
  revision: Revision;
  time: number;
}

/**
 * The newest commit at or before `time`, by bisection over the history of the record of commits: some 20 reads for a
 * million revisions, and no more space than the history itself. Where servers' clocks disagree, so may the answer.
 *
 * `at` reads the record as it was at a revision: undefined when there was none yet, or when that is compacted.
 */
export async function newestAt(
  time: number,
  newest: CommitTime | undefined,
  first: Revision,
  at: (revision: Revision) => Promise<CommitTime | undefined>,
): Promise<Revision | undefined> {
  if (!newest) return undefined;
  if (newest.time <= time) return newest.revision;
  let low = first;
  let high = newest.revision - 1;
  let best: Revision | undefined;
  while (low <= high) {
    const middle = Math.floor((low + high) / 2);
    const commit = await at(middle);
    if (!commit) low = middle + 1;
    else if (commit.time <= time) {
      best = commit.revision;
      low = middle + 1;
    } else high = commit.revision - 1;
  }
  return best;
}
