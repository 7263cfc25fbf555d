import type { Entry, Store } from '#store/contract.ts';
import type { KeySpace } from '../engine/keys.ts';

/** A restore or a promotion has begun to fill this store and has not come to its end: it holds parts of two clusters, or of one. */
export class HalfRestoredError extends Error {
  override readonly name = 'HalfRestoredError';
}

/** Who fills a store: the mark lies in it from the first commit to the last. */
export type FillMark =
  /** A restore of the backup with this checksum. */
  | { sha256: string }
  /** A promotion, by the cluster `owner`; `whole` once nothing is missing and only the switch remains. */
  | { promotion: string; owner: string; whole: boolean };

export function fillMark({ value }: Entry): FillMark {
  return JSON.parse(Buffer.from(value).toString()) as FillMark;
}

/** Rejects with HalfRestoredError when the mark of a restore or of a promotion is there. */
export async function refuseHalfRestored(store: Pick<Store, 'get'>, keys: KeySpace): Promise<void> {
  const entry = await store.get(keys.restoring);
  if (!entry) return;
  throw new HalfRestoredError(
    'promotion' in fillMark(entry)
      ? 'a promotion fills this store, or was interrupted: only the server that promotes may start on it; run "gantry promote" there again'
      : 'a restore of this store was interrupted and it holds only a part: run "gantry restore" again, with --force',
  );
}
