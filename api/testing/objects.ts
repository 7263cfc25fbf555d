import { expect } from 'vitest';
import type { Kind } from '../kind.ts';
import type { ApiObject } from '../objects.ts';
import { faultText } from '../validation/fault-text.ts';

export type Parts = Record<string, unknown>;

/** `parts` as an object of the kind with its defaults, called x in namespace default unless they say otherwise. */
export function make<T extends ApiObject>(kind: Kind<T>, parts: Parts): T {
  const { metadata, ...rest } = structuredClone(parts);
  const own = { name: 'x', ...(kind.namespaced && { namespace: 'default' }), ...(metadata as object) };
  const object = { apiVersion: 'v1', kind: kind.kind, metadata: own, ...rest } as unknown as T;
  kind.strategy.defaults?.(object);
  return object;
}

/** What is wrong with `parts`, as users read it. */
export function faultsOf<T extends ApiObject>(kind: Kind<T>, parts: Parts): string[] {
  return kind.strategy.validate(make(kind, parts)).map(faultText);
}

/** What is wrong with changing `before` into `after`, but for what is wrong with `after` itself. */
export function changeFaultsOf<T extends ApiObject>(kind: Kind<T>, before: Parts, after: Parts): string[] {
  return kind.strategy.validateUpdate!(make(kind, after), make(kind, before)).map(faultText);
}

/** What is wrong with a write of `after` to the status of `before`. */
export function statusFaultsOf<T extends ApiObject>(kind: Kind<T>, before: Parts, after: Parts): string[] {
  return kind.strategy.validateStatus!(make(kind, after), make(kind, before)).map(faultText);
}

/** Header and row as `kubectl get -o wide` lays them out, `|` between the columns; a day after the object was made. */
export function expectRow(kind: Kind, parts: Parts, header: string, row: string): void {
  const now = Date.UTC(2026, 0, 1, 12);
  const metadata = { creationTimestamp: '2025-12-31T12:00:00Z', ...(parts['metadata'] as object) };
  const object = make(kind, { ...parts, metadata });
  const names = kind.columns.map(({ name, priority }) => (priority ? `(${name})` : name));
  expect([names.join('|'), kind.columns.map((column) => column.cell(object, now)).join('|')]).toEqual([
    header,
    row,
  ]);
}

/** What people should know of `parts`, new or changed from `before`. */
export function warningsOf<T extends ApiObject>(kind: Kind<T>, parts: Parts, before?: Parts): string[] {
  return kind.strategy.warnings!(make(kind, parts), before && make(kind, before));
}
