import { expect, it } from 'vitest';
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

/** What an object says, and why it is not taken. */
export type Refusal = [kind: Kind, parts: Parts, faults: string[]];

/** A test for each: the object is refused for just these faults. */
export function refusesEach(refused: Refusal[]): void {
  it.each(refused.map(([kind, parts, faults]) => ({ of: kind.kind, kind, parts, faults })))(
    '$of $faults.0',
    ({ kind, parts, faults }) => {
      expect(refusals(kind, parts)).toEqual(faults);
    },
  );
}

/** What an object said and is to say, and why it cannot change so. */
export type ChangeRefusal = [kind: Kind, before: Parts, after: Parts, faults: string[]];

/** A test for each: the change is refused for just these faults. */
export function refusesEachChange(refused: ChangeRefusal[]): void {
  it.each(refused.map(([kind, before, after, faults]) => ({ of: kind.kind, kind, before, after, faults })))(
    '$of $faults.0',
    ({ kind, before, after, faults }) => {
      expect(updateRefusals(kind, before, after)).toEqual(faults);
    },
  );
}
