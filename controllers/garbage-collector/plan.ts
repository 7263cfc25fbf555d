/**
 * Objects whose owners are gone go too; owners that wait for their dependents are let go when these are.
 * Source: Kubernetes documentation, "Garbage Collection", background, foreground and orphan deletion.
 */
import type { Kind } from '#api/kind.ts';
import { type ApiObject, keyOf, type ObjectKey, type OwnerReference } from '#api/objects.ts';
import { ownersPatch } from '../framework/claims.ts';
import type { AnyAction, Check } from '../framework/contract.ts';

export const FOREGROUND = 'foregroundDeletion';
export const ORPHAN = 'orphan';

export interface Dependent {
  kind: Kind;
  object: ApiObject;
}

export interface Graph {
  /** Undefined when nobody here knows the kind: then the owner counts as existing. */
  kindOf(owner: OwnerReference): Kind | undefined;
  get(kind: Kind, key: ObjectKey): ApiObject | undefined;
  dependentsOf(uid: string): Dependent[];
}

export function planGarbage(kind: Kind, object: ApiObject, graph: Graph): AnyAction[] {
  if (object.metadata.deletionTimestamp) return planGoing(kind, object, graph);
  if (!object.metadata.ownerReferences?.length) return [];
  return planOwned(kind, object, object.metadata.ownerReferences, graph);
}

/** An object that is being deleted and held by one of our finalizers. */
function planGoing(kind: Kind, object: ApiObject, graph: Graph): AnyAction[] {
  const finalizers = object.metadata.finalizers ?? [];
  const uid = object.metadata.uid ?? '';
  if (finalizers.includes(ORPHAN)) {
    const dependents = graph.dependentsOf(uid);
    if (dependents.length === 0) return [release(kind, object, ORPHAN)];
    return dependents.map((dependent) => disown(dependent.kind, dependent.object, new Set([uid])));
  }
  if (!finalizers.includes(FOREGROUND)) return [];
  const blocking = graph
    .dependentsOf(uid)
    .filter(({ object: one }) =>
      one.metadata.ownerReferences?.some((owner) => owner.uid === uid && owner.blockOwnerDeletion),
    );
  if (blocking.length === 0) return [release(kind, object, FOREGROUND)];
  return blocking
    .filter(({ object: one }) => !one.metadata.deletionTimestamp)
    .flatMap((dependent) => planGarbage(dependent.kind, dependent.object, graph));
}

function planOwned(
  kind: Kind,
  object: ApiObject,
  owners: readonly OwnerReference[],
  graph: Graph,
): AnyAction[] {
  const solid: OwnerReference[] = [];
  const waiting: OwnerReference[] = [];
  const absent: { owner: OwnerReference; check: Check }[] = [];
  for (const owner of owners) {
    const ownerKind = graph.kindOf(owner);
    const key = ownerKey(ownerKind, object, owner);
    const found = ownerKind && graph.get(ownerKind, key);
    if (!ownerKind) solid.push(owner);
    else if (found?.metadata.uid !== owner.uid)
      absent.push({ owner, check: { is: 'gone', kind: ownerKind as Kind<never>, key, uid: owner.uid } });
    else if (isWaiting(found) && owner.blockOwnerDeletion) waiting.push(owner);
    else solid.push(owner);
  }
  if (absent.length === 0 && waiting.length === 0) return [];
  const checks = absent.map(({ check }) => check);
  if (solid.length > 0) {
    const gone = new Set([...absent.map(({ owner }) => owner.uid), ...waiting.map(({ uid }) => uid)]);
    return [{ ...disown(kind, object, gone), checks }];
  }
  const hasDependents = graph.dependentsOf(object.metadata.uid ?? '').length > 0;
  const propagation = waiting.length > 0 && hasDependents ? 'Foreground' : 'Background';
  const message = waiting.length > 0 ? 'its owner waits for its end' : 'its owner is gone';
  const options = { uid: object.metadata.uid, propagation } as const;
  const why = { reason: 'OwnerDeleted', message };
  return [{ do: 'delete', kind, key: keyOf(object), options, checks, why }];
}

/** Owners are in the namespace of what they own, or in none. */
export function ownerKey(kind: Kind | undefined, object: ApiObject, owner: OwnerReference): ObjectKey {
  return kind?.namespaced && object.metadata.namespace
    ? `${object.metadata.namespace}/${owner.name}`
    : owner.name;
}

function isWaiting(owner: ApiObject): boolean {
  return Boolean(owner.metadata.deletionTimestamp && owner.metadata.finalizers?.includes(FOREGROUND));
}

function disown(kind: Kind, object: ApiObject, uids: ReadonlySet<string>): AnyAction & { do: 'patch' } {
  const others = object.metadata.ownerReferences?.filter(({ uid }) => !uids.has(uid)) ?? [];
  const why = { reason: 'OwnerDeleted', message: 'an owner that is gone is no longer named' };
  return { do: 'patch', kind, key: keyOf(object), patch: ownersPatch(object, others), why };
}

function release(kind: Kind, object: ApiObject, finalizer: string): AnyAction {
  const { uid, resourceVersion } = object.metadata;
  const finalizers = object.metadata.finalizers?.filter((name) => name !== finalizer);
  const body = { metadata: { uid, resourceVersion, finalizers } };
  const why = { reason: 'DependentsDone', message: 'no dependent holds it any longer' };
  return { do: 'patch', kind, key: keyOf(object), patch: { type: 'merge', body }, why };
}
