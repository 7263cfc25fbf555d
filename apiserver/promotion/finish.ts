import type { Store } from '#store/contract.ts';
import { fillMark, HalfRestoredError } from '../backup/marker.ts';
import { readBase } from '../engine/base.ts';
import type { KeySpace } from '../engine/keys.ts';

/** The store is not the one that the cluster was moved to: it was emptied, or is another one. */
export class NotPromotedError extends Error {
  override readonly name = 'NotPromotedError';
}

/**
 * The last step of a promotion, once the target is in charge and before a server starts on it: takes the mark away. Harmless when
 * that is done. Throws NotPromotedError and HalfRestoredError with nothing changed.
 */
export async function finishPromotion(
  store: Store,
  keys: KeySpace,
  { id, base, now }: { id: string; base: number; now: number },
): Promise<void> {
  if ((await readBase(store, keys.base)).base < base)
    throw new NotPromotedError(
      'the etcd does not hold what this cluster was moved to: see that it is the right one, and that it has its data',
    );
  const entry = await store.get(keys.restoring);
  if (!entry) return;
  const mark = fillMark(entry);
  if (!('promotion' in mark) || mark.promotion !== id || !mark.whole)
    throw new HalfRestoredError('something else fills the etcd that this cluster was moved to');
  // Of the copying nobody shall see more than its end.
  await store.compact(entry.revision);
  const info = { time: now, actor: 'system:promotion', cause: 'gantry promote' };
  const removal = { op: 'delete', key: keys.restoring, expect: entry.revision } as const;
  const result = await store.commit([removal], info);
  if (!result.ok) throw new HalfRestoredError('something else fills the etcd that this cluster was moved to');
}
