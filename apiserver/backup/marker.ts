import type { Store } from '#store/contract.ts';
import type { KeySpace } from '../engine/keys.ts';

/** A restore has begun to fill this store and has not come to its end: it holds parts of two clusters, or of one. */
export class HalfRestoredError extends Error {
  override readonly name = 'HalfRestoredError';
}

/** Rejects with HalfRestoredError when the mark of a restore is there. */
export async function refuseHalfRestored(store: Pick<Store, 'get'>, keys: KeySpace): Promise<void> {
  if (!(await store.get(keys.restoring))) return;
  throw new HalfRestoredError(
    'a restore of this store was interrupted and it holds only a part: run "gantry restore" again, with --force',
  );
}
