import type { Kind } from '#api/kind.ts';
import type { ApiObject, ObjectMeta } from '#api/objects.ts';
import { writeRulesOf } from '#api/semantics/write-rules.ts';
import { rfc3339 } from '#machinery/clock.ts';
import { sameJson } from '#machinery/values/same-json.ts';
import { type CacheItem, parseItem } from '../cache/item.ts';
import { conflict, notFound } from './faults.ts';
import { isFinished, releases } from './modify.ts';
import { admissionRequest, admit, causeOf, type EngineParts, MAX_TRIES, type WriteOptions } from './parts.ts';
import type { Written } from './storage.ts';

/** metav1.DeleteOptions as the engine reads it. */
export interface RemoveOptions extends WriteOptions {
  graceSeconds?: number;
  uid?: string;
  resourceVersion?: string;
  propagation?: 'Background' | 'Foreground' | 'Orphan';
}

export type Removed = Written & {
  /** False while finalizers or a grace period keep the object. */
  gone: boolean;
};

const PROPAGATION_FINALIZER = { Foreground: 'foregroundDeletion', Orphan: 'orphan' } as const;

/**
 * Deletes an object, or marks it for deletion when a grace period or finalizers ask for that. NotFound; Conflict when a
 * precondition does not hold.
 */
export async function removeObject(
  parts: EngineParts,
  kind: Kind,
  namespace: string | undefined,
  name: string,
  options: RemoveOptions,
): Promise<Removed> {
  const { storage } = parts;
  const key = storage.keys.object(kind, namespace, name);
  options.context.trace?.enter('store');
  let item = await storage.read(kind, namespace, name);
  for (let attempt = 0; attempt < MAX_TRIES; attempt++) {
    if (!item) throw notFound(kind, name);
    const old = parseItem(item);
    checkPreconditions(kind, old, options);
    const request = admissionRequest('DELETE', kind, options, { namespace, name }, undefined, old);
    await admit(parts, 'mutate', request);
    await admit(parts, 'validate', request);
    const next = marked(parts, kind, parseItem(item), options);
    if (isFinished(kind, next)) {
      // A kind with a grace period goes as it is then: with the time of its end, and none left.
      const last = kind.strategy.graceSeconds ? Buffer.from(JSON.stringify(next)) : item.bytes;
      const done = { object: next, bytes: last, gone: true };
      if (options.dryRun) return done;
      const cause = causeOf(options.context);
      options.context.trace?.enter('store');
      const result = await storage.commit(
        [{ op: 'delete', key, expect: item.revision }, ...releases(parts, kind, old)],
        cause,
      );
      if (result.ok) return done;
      item = result.key === key && result.actual ? storage.item(kind, result.actual) : undefined;
    } else {
      if (sameJson(next, old)) return { object: old, bytes: item.bytes, gone: false };
      const outcome = await mark(parts, kind, key, next, item, options);
      if ('object' in outcome) return outcome;
      item = outcome.actual;
    }
  }
  throw conflict(kind, name);
}

/** Source: apiserver, BeforeDelete: its words, and the kind where others have the resource. */
function checkPreconditions(kind: Kind, old: ApiObject, options: RemoveOptions): void {
  const { uid, resourceVersion, name } = old.metadata;
  const named = { group: kind.group, plural: kind.kind };
  if (options.uid && options.uid !== uid)
    throw conflict(
      named,
      name,
      `the UID in the precondition (${options.uid}) does not match the UID in record (${uid}). The object might have been deleted and then recreated`,
    );
  if (options.resourceVersion && options.resourceVersion !== resourceVersion)
    throw conflict(
      named,
      name,
      `the ResourceVersion in the precondition (${options.resourceVersion}) does not match the ResourceVersion in record (${resourceVersion}). The object might have been modified`,
    );
}

/** The object as it is while it is being deleted. */
function marked(parts: EngineParts, kind: Kind, object: ApiObject, options: RemoveOptions): ApiObject {
  const { metadata } = object;
  const asked = options.graceSeconds;
  if (kind.strategy.graceSeconds && metadata.deletionGracePeriodSeconds && !shorten(metadata, asked))
    return object;
  setPropagation(kind, object, options);
  if (metadata.deletionTimestamp === undefined) {
    const grace = Math.max(0, kind.strategy.graceSeconds?.(object, asked) ?? 0);
    metadata.deletionTimestamp = rfc3339(parts.clock.now() + grace * 1000);
    // Namespaces are held by what is in them, for no time that anybody knows.
    if (!kind.strategy.heldBy) metadata.deletionGracePeriodSeconds = grace;
    if (metadata.generation && !kind.strategy.heldBy) metadata.generation += 1;
    kind.strategy.prepareForDelete?.(object);
  }
  return object;
}

/** A second delete may only shorten the wait, and what does not changes nothing. Source: apiserver, BeforeDelete. */
function shorten(metadata: ObjectMeta, asked: number | undefined): boolean {
  const { deletionTimestamp: end, deletionGracePeriodSeconds: seconds = 0 } = metadata;
  if (end === undefined || asked === undefined || asked >= seconds) return false;
  metadata.deletionTimestamp = rfc3339(Date.parse(end) + (asked - seconds) * 1000);
  metadata.deletionGracePeriodSeconds = asked;
  return true;
}

function setPropagation(kind: Kind, { metadata }: ApiObject, options: RemoveOptions): void {
  const had = metadata.finalizers ?? [];
  const mine: string[] = Object.values(PROPAGATION_FINALIZER);
  const { dependents } = writeRulesOf(kind);
  let policy = dependents === 'ignored' ? 'Background' : options.propagation;
  if (!policy) {
    if (had.some((finalizer) => mine.includes(finalizer))) return;
    policy = dependents === 'orphaned' ? 'Orphan' : 'Background';
  }
  const finalizers = had.filter((finalizer) => !mine.includes(finalizer));
  if (policy !== 'Background') finalizers.push(PROPAGATION_FINALIZER[policy]);
  // Those that are there already stay where they are.
  if (had.length === finalizers.length && finalizers.every((finalizer) => had.includes(finalizer))) return;
  if (finalizers.length > 0) metadata.finalizers = finalizers;
  else delete metadata.finalizers;
}

async function mark(
  parts: EngineParts,
  kind: Kind,
  key: string,
  next: ApiObject,
  item: CacheItem,
  options: RemoveOptions,
): Promise<Removed | { actual: CacheItem | undefined }> {
  const { storage } = parts;
  const cause = causeOf(options.context);
  const { body, ops } = storage.plan(kind, next, { key, cause, expect: item.revision });
  if (options.dryRun) return { object: next, bytes: Buffer.from(JSON.stringify(next)), gone: false };
  options.context.trace?.enter('store');
  const result = await storage.commit(ops, cause);
  if (result.ok) return { ...storage.written(next, body, result.revision), gone: false };
  return { actual: result.actual && storage.item(kind, result.actual) };
}
