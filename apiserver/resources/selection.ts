import type { Kind } from '#api/kind.ts';
import {
  type FieldSelector,
  matchesFieldSelector,
  parseFieldSelector,
  requiredFieldValue,
} from '#machinery/values/field-selector.ts';
import { matchesSelector, parseSelector, type Selector, SelectorError } from '#machinery/values/selector.ts';
import type { CacheItem } from '../cache/item.ts';
import { viewOf } from '../encoding/render.ts';
import { badRequest } from '../engine/faults.ts';

/** What a selection asks of an object. */
export type Selectable = Pick<CacheItem, 'name' | 'namespace' | 'labels' | 'fields' | 'bytes'>;

/** Which objects of a kind a list or watch is about. */
export interface Selection {
  labels: Selector | undefined;
  fields: FieldSelector | undefined;
  /** The only name that can match, when the selector asks for one. */
  name: string | undefined;
  empty: boolean;
}

/** BadRequest for a selector that cannot be read or a field that cannot be selected by. */
export function selectionOf(kind: Kind, query: URLSearchParams): Selection {
  const labelText = query.get('labelSelector') ?? '';
  const fieldText = query.get('fieldSelector') ?? '';
  const labels = labelText ? parsed(labelText, parseSelector) : undefined;
  const fields = fieldText ? parsed(fieldText, parseFieldSelector) : undefined;
  for (const { field } of fields ?? []) {
    if (field === 'metadata.name' || (field === 'metadata.namespace' && kind.namespaced)) continue;
    if (!Object.hasOwn(kind.selectableFields ?? {}, field)) throw badRequest(unknownField(kind, field));
  }
  return {
    labels,
    fields,
    name: fields && requiredFieldValue(fields, 'metadata.name'),
    empty: !labels?.length && !fields?.length,
  };
}

/** Kinds with fields of their own to select by have other words than those without. Source: runtime/conversion.go. */
function unknownField({ selectableFields }: Kind, field: string): string {
  if (selectableFields) return `field label not supported: ${field}`;
  return `${JSON.stringify(field)} is not a known field selector: only "metadata.name", "metadata.namespace"`;
}

function parsed<T>(text: string, parse: (text: string) => T): T {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof SelectorError)) throw error;
    throw badRequest(error.message);
  }
}

export function selects(selection: Selection, kind: Kind, item: Selectable): boolean {
  if (selection.labels && !matchesSelector(selection.labels, item.labels)) return false;
  if (!selection.fields) return true;
  let view: Record<string, string> | undefined;
  return matchesFieldSelector(selection.fields, (field) => {
    if (field === 'metadata.name') return item.name;
    if (field === 'metadata.namespace') return item.namespace;
    if (!kind.storedAs) return item.fields?.[field] ?? '';
    view ??= viewFields(kind, item);
    return view[field] ?? '';
  });
}

function viewFields(kind: Kind, item: Selectable): Record<string, string> {
  const object = viewOf(kind, item.bytes);
  const entries = Object.entries(kind.selectableFields ?? {});
  return Object.fromEntries(entries.map(([field, value]) => [field, value(object)]));
}
