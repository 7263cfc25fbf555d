import type { Kind } from '../kind.ts';
import type { ApiObject } from '../objects.ts';
import { faultText } from '../validation/fault-text.ts';
import { specimenOf } from './specimen.ts';

/** For tests of single kinds: objects as the server makes, judges and prints them. */
type Parts = Record<string, unknown>;

/** An object of the kind as it is before the first write. */
export function made<T extends ApiObject>(kind: Kind<T>, parts: Parts): T {
  const object = structuredClone(specimenOf(kind, { it: parts }).objects['it']!) as T;
  kind.strategy.defaults?.(object);
  kind.strategy.prepareForCreate?.(object);
  kind.strategy.defaults?.(object);
  return object;
}

/** What is wrong with a new object of these parts. */
export function faultsOf<T extends ApiObject>(kind: Kind<T>, parts: Parts): string[] {
  const object = made(kind, parts);
  const { strategy } = kind;
  return [...strategy.validate(object), ...(strategy.validateCreate?.(object) ?? [])].map(faultText);
}

/** What is wrong with a change from one to the other. */
export function changeFaultsOf<T extends ApiObject>(kind: Kind<T>, before: Parts, after: Parts): string[] {
  return (kind.strategy.validateUpdate?.(made(kind, after), made(kind, before)) ?? []).map(faultText);
}

/** What is wrong with a write of this status. */
export function statusFaultsOf<T extends ApiObject>(kind: Kind<T>, status: object): string[] {
  const old = made(kind, {});
  return (kind.strategy.validateStatus?.({ ...old, status }, old) ?? []).map(faultText);
}

/** Header and row as `kubectl get -o wide` lays them out, a day after the object was made. */
export function tableOf<T extends ApiObject>(kind: Kind<T>, parts: Parts): string[] {
  const metadata = { creationTimestamp: '2026-01-01T00:00:00Z', ...(parts['metadata'] as object) };
  const object = specimenOf(kind, { it: { ...parts, metadata } }).objects['it'] as T;
  const now = Date.UTC(2026, 0, 2);
  return [
    kind.columns.map(({ name, priority }) => (priority ? `(${name})` : name)).join('|'),
    kind.columns.map((column) => column.cell(object, now)).join('|'),
  ];
}
