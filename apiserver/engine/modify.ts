import type { FieldError, Kind } from '#api/kind.ts';
import type { ApiObject } from '#api/objects.ts';
import { resetFieldsOf, writeRulesOf } from '#api/semantics/write-rules.ts';
import { sameJson } from '#machinery/values/same-json.ts';
import type { Op } from '#store/contract.ts';
import { type CacheItem, parseItem } from '../cache/item.ts';
import { claim } from './create.ts';
import { badRequest, conflict, notFound, uidConflict, versionRequired } from './faults.ts';
import { nextGeneration } from './generation.ts';
import {
  admissionRequest,
  admit,
  causeOf,
  type EngineParts,
  MAX_TRIES,
  refuse,
  type WriteOptions,
  writeOf,
} from './parts.ts';
import type { Written } from './storage.ts';

/**
 * Which part of the object may change, and who judges it. `part`: what a subresource lets through, judged by it; `raw`: the
 * server's own change (binding), judged by nobody.
 */
export type ModifyScope = 'object' | 'status' | 'part' | 'raw';

export interface ModifyOptions extends WriteOptions {
  scope: ModifyScope;
  subresource?: string;
  /** Faults of the change of a part. */
  validateChange?(next: ApiObject, old: ApiObject): FieldError[];
}

/** Gives the new state from the current one, which it may change. Called again when somebody else was faster. */
export type Produce = (current: ApiObject) => ApiObject | Promise<ApiObject>;

/**
 * Changes an object that is there. NotFound; Conflict when the new state names a resourceVersion or uid that is no longer
 * the newest; Invalid; or what a plugin says. A change that changes nothing writes nothing.
 */
export async function modifyObject(
  parts: EngineParts,
  kind: Kind,
  namespace: string | undefined,
  name: string,
  produce: Produce,
  options: ModifyOptions,
): Promise<Written> {
  const { storage } = parts;
  const key = storage.keys.object(kind, namespace, name);
  options.context.trace?.enter('store');
  let item = await storage.read(kind, namespace, name);
  const avoid = new Set<string>();
  for (let attempt = 0; attempt < MAX_TRIES; attempt++) {
    if (!item) throw notFound(kind, name);
    const old = parseItem(item);
    const next = await produce(parseItem(item));
    checkIdentity(kind, next, old);
    storage.refuseOversized(kind, next, options.context.request.body?.length ?? 0);
    carryOver(kind, next, old, options);
    await judge(parts, kind, next, old, options);
    if (isFinished(kind, next)) return finish(parts, kind, key, next, item, options);
    if (sameJson(next, old)) return { object: old, bytes: item.bytes };
    const outcome = await replace(parts, kind, key, next, item, avoid, options);
    if ('object' in outcome) return outcome;
    item = outcome.key === key ? outcome.actual : item;
    if (outcome.key !== key) avoid.add(outcome.key);
  }
  throw conflict(kind, name);
}

function checkIdentity(kind: Kind, next: ApiObject, old: ApiObject): void {
  const { metadata } = next;
  const { name, namespace, uid, resourceVersion } = old.metadata;
  metadata.name ??= name;
  if (metadata.name !== name)
    throw badRequest(
      `the name of the object (${metadata.name}) does not match the name on the URL (${name})`,
    );
  if (kind.namespaced) metadata.namespace ??= namespace;
  if (kind.namespaced && metadata.namespace !== namespace)
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  if (metadata.uid && metadata.uid !== uid) throw uidConflict(kind, old, metadata.uid);
  const wanted = metadata.resourceVersion;
  const conditional = wanted && wanted !== '0';
  if (!conditional && writeRulesOf(kind).needsVersion) throw versionRequired(kind, name);
  if (conditional && wanted !== resourceVersion) throw conflict(kind, name);
}

/** Puts back what this kind of write may not change. */
function carryOver(kind: Kind, next: ApiObject, old: ApiObject, { scope, subresource }: ModifyOptions): void {
  const { metadata } = next;
  for (const field of [
    'uid',
    'creationTimestamp',
    'deletionTimestamp',
    'deletionGracePeriodSeconds',
    'generation',
    'generateName',
    'resourceVersion',
  ] as const)
    keep(metadata, old.metadata, field);
  // Deprecated: read, and kept nowhere.
  Reflect.deleteProperty(metadata, 'selfLink');
  if (metadata.managedFields === undefined) keep(metadata, old.metadata, 'managedFields');
  if (!kind.namespaced) delete metadata.namespace;
  if (scope !== 'raw') putBack(next, old, resetFieldsOf(kind, subresource ?? ''));
}

type Fields = Record<string, unknown>;

/** What people can set in metadata. */
const SETTABLE_METADATA = ['labels', 'annotations', 'finalizers', 'ownerReferences'] as const;

/** Fields inside the status are for the strategy: it knows which of them a write is about. */
function putBack(next: ApiObject, old: ApiObject, resets: readonly string[]): void {
  for (const field of resets)
    if (field === 'metadata') for (const part of SETTABLE_METADATA) keep(next.metadata, old.metadata, part);
    else if (field.startsWith('metadata.'))
      keep(next.metadata, old.metadata, field.slice('metadata.'.length) as keyof ApiObject['metadata']);
    else if (!field.includes('.')) keep(next as unknown as Fields, old as unknown as Fields, field);
}

function keep<T extends object>(to: T, from: T, field: keyof T): void {
  if (from[field] === undefined) delete to[field];
  else to[field] = from[field];
}

async function judge(
  parts: EngineParts,
  kind: Kind,
  next: ApiObject,
  old: ApiObject,
  options: ModifyOptions,
): Promise<void> {
  const { strategy } = kind;
  strategy.defaults?.(next);
  // What the server changes on its own (a binding) has no owner.
  if (options.scope !== 'raw' && !options.isApplied) {
    const { context, subresource = '' } = options;
    parts.trackOwners(kind, old, next, { context, subresource, now: parts.clock.now() });
  }
  const at = { namespace: next.metadata.namespace, name: next.metadata.name };
  const request = admissionRequest('UPDATE', kind, options, at, next, old);
  if (options.scope !== 'raw') await admit(parts, 'mutate', request);
  if (options.scope === 'object') {
    strategy.prepareForUpdate?.(next, old);
    strategy.defaults?.(next);
  } else if (options.scope === 'status') strategy.prepareForStatus?.(next, old, writeOf(parts, options));
  // Where a pod runs is no wish of its user.
  if (options.scope !== 'status' && options.subresource !== 'binding') {
    const generation = nextGeneration(kind, next, old);
    if (generation !== undefined) next.metadata.generation = generation;
  }
  if (options.scope !== 'raw') refuse(kind, next.metadata.name, faultsOf(kind, next, old, options));
  options.context.warnings.push(...warningsOf(kind, next, old, options.scope));
  if (options.scope !== 'raw') await admit(parts, 'validate', request);
}

function warningsOf({ strategy }: Kind, next: ApiObject, old: ApiObject, scope: ModifyScope): string[] {
  if (scope === 'object') return strategy.warnings?.(next, old) ?? [];
  return scope === 'status' ? (strategy.statusWarnings?.(next) ?? []) : [];
}

function faultsOf(kind: Kind, next: ApiObject, old: ApiObject, options: ModifyOptions): FieldError[] {
  const { strategy } = kind;
  if (options.scope === 'status') return strategy.validateStatus?.(next, old, options.subresource) ?? [];
  if (options.scope === 'part')
    return [...strategy.validate(next), ...(options.validateChange?.(next, old) ?? [])];
  // What is wrong in itself comes first, then what cannot change: the order in which Kubernetes names them.
  return [...strategy.validate(next), ...(strategy.validateUpdate?.(next, old) ?? [])];
}

/** Being deleted, with nothing left that it waits for. */
export function isFinished(kind: Kind, object: ApiObject): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds, finalizers } = object.metadata;
  return (
    deletionTimestamp !== undefined &&
    !deletionGracePeriodSeconds &&
    !finalizers?.length &&
    !kind.strategy.heldBy?.(object).length
  );
}

type Lost = { key: string; actual: CacheItem | undefined };

async function replace(
  parts: EngineParts,
  kind: Kind,
  key: string,
  next: ApiObject,
  item: CacheItem,
  avoid: ReadonlySet<string>,
  options: ModifyOptions,
): Promise<Written | Lost> {
  const { storage } = parts;
  const claims = claim(parts, kind, next, parseItem(item), avoid);
  const cause = causeOf(options.context);
  const { body, ops } = storage.plan(kind, next, { key, cause, expect: item.revision }, claims.ops);
  if (options.dryRun) return { object: next, bytes: Buffer.from(JSON.stringify(next)) };
  options.context.trace?.enter('store');
  const result = await storage.commit(ops, cause);
  if (result.ok) return storage.written(next, body, result.revision);
  return {
    key: result.key,
    actual: result.actual && result.key === key ? storage.item(kind, result.actual) : undefined,
  };
}

/** The last finalizer is gone: the object goes with its claims. */
async function finish(
  parts: EngineParts,
  kind: Kind,
  key: string,
  next: ApiObject,
  item: CacheItem,
  options: ModifyOptions,
): Promise<Written> {
  const { storage } = parts;
  if (!options.dryRun) {
    const cause = causeOf(options.context);
    options.context.trace?.enter('store');
    const result = await storage.commit(
      [{ op: 'delete', key, expect: item.revision }, ...releases(parts, kind, next)],
      cause,
    );
    if (!result.ok) throw conflict(kind, next.metadata.name);
    next.metadata.resourceVersion = String(storage.base.version(result.revision));
  }
  return { object: next, bytes: Buffer.from(JSON.stringify(next)) };
}

/** Ops that give an object's claims back. */
export function releases(parts: EngineParts, kind: Kind, object: ApiObject): Op[] {
  return (kind.strategy.allocations?.(undefined, object) ?? []).flatMap((request) =>
    request.type === 'release'
      ? [{ op: 'delete' as const, key: parts.storage.keys.claim(request.pool, request.value) }]
      : [],
  );
}
