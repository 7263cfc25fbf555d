/** What the schema says of one place in an object, and how sets of fields name it. */
import { type Field, isObject, type JsonObject, member, type ValueType } from '../schema/model.ts';

export interface Place {
  value: ValueType | undefined;
  field?: Field;
}

const UNKNOWN: Place = { value: undefined };

/** Whether server-side apply sees the place as one value. */
export function isAtomic({ value, field }: Place): boolean {
  if (field?.atomic) return true;
  if (value?.form === 'list') return (field?.list?.type ?? 'atomic') === 'atomic';
  return value?.form === 'struct' ? value.type.atomic === true : value?.form !== 'map';
}

export function memberPlace(place: Place, name: string): Place {
  if (place.value?.form === 'map') return { value: place.value.of };
  const field = place.value?.form === 'struct' ? place.value.type.fields.get(name) : undefined;
  return field ? { value: field.value, field } : UNKNOWN;
}

export function elementPlace(place: Place): Place {
  return place.value?.form === 'list' ? { value: place.value.of } : UNKNOWN;
}

/** How a path names an element of a list. */
export function elementText(element: unknown, place: Place): string {
  const list = place.field?.list;
  if (list?.type !== 'map' || !isObject(element)) return `v:${JSON.stringify(element)}`;
  const keys: JsonObject = {};
  const fields =
    place.value?.form === 'list' && place.value.of.form === 'struct' ? place.value.of.type.fields : undefined;
  // A key that is left out counts with its default: a port without protocol is a TCP port.
  for (const key of list.keys.length === 1 ? list.keys : [...list.keys].sort()) {
    const value = member(element, key) ?? fields?.get(key)?.default;
    if (value !== undefined) keys[key] = value;
  }
  return `k:${JSON.stringify(keys)}`;
}

/**
 * What a field that is missing holds in Kubernetes' own programs: parts that are no pointers are there and empty, lists and
 * maps without omitempty are null. Ownership is told from what they see.
 */
export function zeroOf(field: Field | undefined): unknown {
  if (!field || field.pointer) return undefined;
  if (field.value.form === 'struct') return EMPTY;
  return field.required && (field.value.form === 'list' || field.value.form === 'map') ? null : undefined;
}

const EMPTY: JsonObject = Object.freeze({});
