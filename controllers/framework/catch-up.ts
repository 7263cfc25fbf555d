import type { ApiObject } from '#api/objects.ts';
import type { Informer } from '#client/contract.ts';
import type { Written } from './executor.ts';
import type { Informers } from './informers.ts';

/**
 * Resolves once every cache has seen what was written, so that the next plan is made of it. Kinds without a cache are
 * not waited for. Rejects when `signal` aborts.
 */
export async function catchUp(
  informers: Informers,
  written: readonly Written[],
  signal: AbortSignal,
): Promise<void> {
  const newest = new Map<Informer<ApiObject>, string>();
  const waits: Promise<void>[] = [];
  for (const write of written) {
    const informer = informers.find(write.kind);
    if (!informer) continue;
    if ('resourceVersion' in write) {
      if (Number(write.resourceVersion) > Number(newest.get(informer) ?? 0))
        newest.set(informer, write.resourceVersion);
    } else if (write.uid !== undefined) {
      // A delete answers with no revision: wait until the cache shows the object gone, replaced or going.
      const isGone = (object: ApiObject | undefined) =>
        object?.metadata.uid !== write.uid || object?.metadata.deletionTimestamp !== undefined;
      waits.push(informers.until(write.kind, write.deleted, isGone, signal));
    }
  }
  for (const [informer, revision] of newest) waits.push(informer.waitFor(revision, signal));
  await Promise.all(waits);
}
