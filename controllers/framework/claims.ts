/**
 * Which objects belong to a controller: those that point to it and still match its selector, and orphans that match. The
 * first are released when they cease to match, the second adopted.
 * Source: Kubernetes, "ReplicaSet", acquiring pods that the template does not describe.
 */
import type { Kind } from '#api/kind.ts';
import type { ApiObject, OwnerReference } from '#api/objects.ts';
import { controllerReference } from '#api/semantics/owners.ts';
import type { PatchBody } from '#client/contract.ts';
import { matchesSelector, type Selector, selectorOf } from '#machinery/values/selector.ts';

export interface Claims<T> {
  /** Owned and matching. */
  mine: T[];
  adopt: T[];
  release: T[];
}

/** `owned` are all with a controller reference to the owner, `orphans` all without any, of whatever namespace. */
export function claim<T extends ApiObject>(
  owner: ApiObject & { spec?: { selector?: Parameters<typeof selectorOf>[0] } },
  owned: readonly T[],
  orphans: readonly T[],
): Claims<T> {
  const selector = selectorOf(owner.spec?.selector);
  const claims: Claims<T> = { mine: [], adopt: [], release: [] };
  for (const object of owned) {
    if (matches(selector, object)) claims.mine.push(object);
    else claims.release.push(object);
  }
  if (owner.metadata.deletionTimestamp) return { ...claims, release: [] };
  for (const object of orphans) {
    if (object.metadata.namespace !== owner.metadata.namespace || object.metadata.deletionTimestamp) continue;
    if (matches(selector, object)) claims.adopt.push(object);
  }
  return claims;
}

/** A selector that selects nothing or everything claims nothing: that would be a mistake with large effects. */
function matches(selector: Selector | undefined, object: ApiObject): boolean {
  return Boolean(selector?.length) && matchesSelector(selector, object.metadata.labels);
}

/** Patch that makes `owner` the controller of `object`; refused when the object changed meanwhile. */
export function adoption(
  kind: Pick<Kind, 'group' | 'version' | 'kind'>,
  owner: ApiObject,
  object: ApiObject,
): PatchBody {
  return ownersPatch(object, [...(object.metadata.ownerReferences ?? []), controllerReference(kind, owner)]);
}

/** Patch that takes away the reference to `owner`. */
export function releasing(owner: ApiObject, object: ApiObject): PatchBody {
  const others = object.metadata.ownerReferences?.filter(({ uid }) => uid !== owner.metadata.uid);
  return ownersPatch(object, others ?? []);
}

/** Patch that replaces the owners of an object as it was read. */
export function ownersPatch(object: ApiObject, ownerReferences: OwnerReference[]): PatchBody {
  const { uid, resourceVersion } = object.metadata;
  return { type: 'merge', body: { metadata: { uid, resourceVersion, ownerReferences } } };
}
