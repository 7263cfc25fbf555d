import type { Kind } from '../kind.ts';
import type { ApiObject } from '../objects.ts';
import { faultText } from '../validation/fault-text.ts';

/** What an object says beside apiVersion, kind and name. */
export type Parts = Record<string, unknown>;

/** An object of the kind with all defaults: called `x`, in namespace `default` when the kind has namespaces. */
export function made<T extends ApiObject>(kind: Kind<T>, parts: Parts): T {
  const { metadata, ...rest } = structuredClone(parts);
  const own = { name: 'x', ...(kind.namespaced && { namespace: 'default' }), ...(metadata as object) };
  const object = { apiVersion: 'v1', kind: kind.kind, metadata: own, ...rest } as unknown as T;
  kind.strategy.defaults?.(object);
  return object;
}

/** Why an object is not taken, fault by fault. */
export function refusals<T extends ApiObject>(kind: Kind<T>, parts: Parts): string[] {
  return kind.strategy.validate(made(kind, parts)).map(faultText);
}

/** Why a change is not taken: only what is wrong with the change itself. */
export function updateRefusals<T extends ApiObject>(kind: Kind<T>, before: Parts, after: Parts): string[] {
  return (kind.strategy.validateUpdate?.(made(kind, after), made(kind, before)) ?? []).map(faultText);
}

/** Why a write to the status is not taken. */
export function statusRefusals<T extends ApiObject>(kind: Kind<T>, parts: Parts): string[] {
  return (kind.strategy.validateStatus?.(made(kind, parts), made(kind, parts)) ?? []).map(faultText);
}
