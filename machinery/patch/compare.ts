/**
 * What a write changes, as sets of fields, and which fields a configuration names.
 * Source: structured-merge-diff, typed values: Compare and ToFieldSet.
 */
import { MAX_DEPTH } from '../schema/conform.ts';
import { isObject, type JsonObject, member, type StructType } from '../schema/model.ts';
import { sameJson } from '../values/same-json.ts';
import { type FieldSet, isEmptySet, markMember } from './field-set.ts';
import { elementPlace, elementText, isAtomic, memberPlace, type Place, zeroOf } from './place.ts';

export interface Comparison {
  /** What is new or has another value. */
  written: FieldSet;
  removed: FieldSet;
}

/** Nobody owns these fields of metadata: the server keeps them. */
const UNOWNED_METADATA: ReadonlySet<string> = new Set([
  'name',
  'namespace',
  'creationTimestamp',
  'selfLink',
  'uid',
  'generation',
  'managedFields',
  'resourceVersion',
]);

/** Which parts of the whole object a writer can own. */
type OwnableParts = (name: string) => boolean;

/** `resets`: what the write puts back again, as `status` or `metadata.labels`. */
function ownableParts(resets: readonly string[]): OwnableParts {
  return (name) => name !== 'apiVersion' && name !== 'kind' && !resets.includes(name);
}

/** The set without what lies at `resets` and what is left empty by that. Changes the set. */
function withoutResets(set: FieldSet, resets: readonly string[]): FieldSet {
  for (const path of resets) {
    const [part, field] = path.split('.');
    const node = field === undefined ? undefined : set[`f:${part}`];
    if (!node) continue;
    delete node[`f:${field}`];
    if (isEmptySet(node)) delete set[`f:${part}`];
  }
  return set;
}

/** Changes from `old` (undefined = it is made) to `next`, but for what nobody owns. */
export function compareObjects(
  old: JsonObject | undefined,
  next: JsonObject,
  type: StructType,
  resets: readonly string[],
): Comparison {
  const isOwnable = ownableParts(resets);
  const found: Comparison = { written: {}, removed: {} };
  const place: Place = { value: { form: 'struct', type } };
  for (const name of namesOf(old ?? {}, next)) {
    if (!isOwnable(name)) continue;
    if (name !== 'metadata') compareMember(old ?? {}, next, name, place, found, 1);
    else compareMetadata(old, next, memberPlace(place, name), found);
  }
  withoutResets(found.written, resets);
  withoutResets(found.removed, resets);
  return found;
}

function compareMetadata(
  old: JsonObject | undefined,
  next: JsonObject,
  place: Place,
  found: Comparison,
): void {
  const inner: Comparison = { written: {}, removed: {} };
  const before = objectOf(old?.['metadata']);
  const after = objectOf(next['metadata']);
  for (const name of namesOf(before, after))
    if (!UNOWNED_METADATA.has(name)) compareMember(before, after, name, place, inner, 2);
  if (!isEmptySet(inner.written)) found.written['f:metadata'] = inner.written;
  if (!isEmptySet(inner.removed)) found.removed['f:metadata'] = inner.removed;
}

function namesOf(old: JsonObject | undefined, next: JsonObject | undefined): string[] {
  const names = Object.keys(next ?? {});
  for (const name in old) if (!next || !Object.hasOwn(next, name)) names.push(name);
  return names;
}

function orMissing(value: unknown): JsonObject | undefined {
  return isObject(value) ? value : undefined;
}

function objectOf(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}

function compareMember(
  old: JsonObject | undefined,
  next: JsonObject | undefined,
  name: string,
  place: Place,
  found: Comparison,
  depth: number,
): void {
  const inner = memberPlace(place, name);
  compareAt(valueAt(old, name, inner), valueAt(next, name, inner), inner, `f:${name}`, found, depth);
}

function valueAt(object: JsonObject | undefined, name: string, place: Place): unknown {
  return object && (member(object, name) ?? zeroOf(place.field));
}

/** `undefined` = not there. Notes what differs at `element` and inside it. */
function compareAt(
  old: unknown,
  next: unknown,
  place: Place,
  element: string,
  found: Comparison,
  depth: number,
): void {
  if (old === next) return;
  if (isLeaf(old, next, place, depth)) {
    if (next === undefined) found.removed[element] = {};
    else if (old === undefined || !sameJson(old, next)) found.written[element] = {};
    return;
  }
  const inner: Comparison = { written: {}, removed: {} };
  if (isObject(next) || isObject(old))
    compareMembers(orMissing(old), orMissing(next), place, inner, depth + 1);
  else compareElements(listOf(old), listOf(next), place, inner, depth + 1);
  if (old === undefined) markMember(inner.written);
  if (next === undefined) markMember(inner.removed);
  if (old === undefined || !isEmptySet(inner.written)) found.written[element] = inner.written;
  if (next === undefined || !isEmptySet(inner.removed)) found.removed[element] = inner.removed;
}

function compareMembers(
  old: JsonObject | undefined,
  next: JsonObject | undefined,
  place: Place,
  found: Comparison,
  depth: number,
): void {
  for (const name of namesOf(old, next)) compareMember(old, next, name, place, found, depth);
}

function compareElements(
  old: unknown[],
  next: unknown[],
  place: Place,
  found: Comparison,
  depth: number,
): void {
  const inner = elementPlace(place);
  const before = new Map(old.map((element) => [elementText(element, place), element]));
  for (const element of next) {
    const id = elementText(element, place);
    compareAt(before.get(id), element, inner, id, found, depth);
    before.delete(id);
  }
  for (const [id, element] of before) compareAt(element, undefined, inner, id, found, depth);
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

/** Scalars, atomic parts, and what is empty before and after: there the difference of null and empty counts. */
function isLeaf(old: unknown, next: unknown, place: Place, depth: number): boolean {
  const shape = next ?? old;
  if (typeof shape !== 'object' || shape === null || depth > MAX_DEPTH || isAtomic(place)) return true;
  return isBare(old) && isBare(next);
}

function isBare(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return Array.isArray(value) ? value.length === 0 : isEmptySet(value as FieldSet);
}

/** The fields that a configuration names: leaves, atomic parts, elements of lists, empty parts. */
export function namedFields(config: JsonObject, type: StructType, resets: readonly string[]): FieldSet {
  const isOwnable = ownableParts(resets);
  const place: Place = { value: { form: 'struct', type } };
  const found: FieldSet = {};
  for (const name of Object.keys(config)) {
    if (!isOwnable(name)) continue;
    const node =
      name === 'metadata'
        ? metadataFields(config, place)
        : fieldsAt(config[name], memberPlace(place, name), 1);
    if (node) found[`f:${name}`] = node;
  }
  return withoutResets(found, resets);
}

function metadataFields(config: JsonObject, place: Place): FieldSet | undefined {
  const metadata = objectOf(config['metadata']);
  const owned = Object.fromEntries(Object.entries(metadata).filter(([name]) => !UNOWNED_METADATA.has(name)));
  const node = membersOf(owned, memberPlace(place, 'metadata'), 1);
  return isEmptySet(node) ? undefined : node;
}

function fieldsAt(value: unknown, place: Place, depth: number): FieldSet {
  if (isLeaf(undefined, value, place, depth)) return {};
  return isObject(value)
    ? membersOf(value, place, depth + 1)
    : elementsOf(value as unknown[], place, depth + 1);
}

function membersOf(object: JsonObject, place: Place, depth: number): FieldSet {
  const isMap = place.value?.form === 'map';
  const node: FieldSet = {};
  for (const name of Object.keys(object)) {
    const inner = fieldsAt(object[name], memberPlace(place, name), depth);
    // What the schema does not name is owned as such, like an element.
    if (isMap) markMember(inner);
    node[`f:${name}`] = inner;
  }
  return node;
}

function elementsOf(list: unknown[], place: Place, depth: number): FieldSet {
  const node: FieldSet = {};
  const of = elementPlace(place);
  for (const element of list) {
    const inner = fieldsAt(element, of, depth);
    markMember(inner);
    node[elementText(element, place)] = inner;
  }
  return node;
}
