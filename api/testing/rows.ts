import type { Kind } from '../kind.ts';
import type { ApiObject } from '../objects.ts';
import type { Parts } from './refusals.ts';

/** Midday: objects without a time of their own were made a day before. */
export const NOON = Date.UTC(2026, 0, 1, 12, 0, 0);

/** Header and row of an object as `kubectl get -o wide` lays them out, `|` between the columns. */
export function wideRow(kind: Kind, parts: Parts): [header: string, row: string] {
  const metadata = { name: 'x', creationTimestamp: '2025-12-31T12:00:00Z', ...(parts.metadata as object) };
  const object = { apiVersion: 'v1', kind: kind.kind, ...parts, metadata } as ApiObject;
  return [
    kind.columns.map((column) => (column.priority ? `(${column.name})` : column.name)).join('|'),
    kind.columns.map((column) => column.cell(object, NOON)).join('|'),
  ];
}
