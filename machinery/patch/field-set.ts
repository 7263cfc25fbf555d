/**
 * Sets of fields of an object, as server-side apply keeps them to know who owns what. A path is a list of elements in the
 * notation of FieldsV1: `f:spec`, `k:{"name":"web"}` (an element of a list by its keys), `v:"x"` (an element of a set).
 * Source: Kubernetes API, metav1.FieldsV1; the sigs.k8s.io structured-merge-diff notation.
 */
import { MAX_DEPTH } from '../schema/conform.ts';
import {
  type Field,
  isObject,
  type JsonObject,
  member,
  type StructType,
  setMember,
  type ValueType,
} from '../schema/model.ts';

/** Elements joined by SEPARATOR. */
export type PathText = string;

/** No element contains it: JSON escapes it, and a field name has none. */
const SEPARATOR = '\0';

export type FieldSet = ReadonlySet<PathText>;

/** What the schema says of one place. */
export interface Place {
  value: ValueType | undefined;
  field?: Field;
}

/** The fields of an object that someone can own, with their values: leaves, whole atomic parts, elements of lists. */
export function leavesOf(object: JsonObject, type: StructType): Map<PathText, unknown> {
  const found = new Map<PathText, unknown>();
  collectMembers(object, { value: { form: 'struct', type } }, '', found, 0);
  return found;
}

/** Stands for a list element itself, whose content is told by longer paths. */
const ELEMENT = Symbol('element');

function collect(
  value: unknown,
  place: Place,
  path: PathText,
  found: Map<PathText, unknown>,
  depth: number,
): void {
  if (depth > MAX_DEPTH || isAtomic(place)) found.set(path, value);
  else if (isObject(value)) {
    if (Object.keys(value).length === 0) found.set(path, value);
    else collectMembers(value, place, path, found, depth);
  } else if (Array.isArray(value)) collectElements(value, place, path, found, depth);
  else found.set(path, value);
}

function collectMembers(
  object: JsonObject,
  place: Place,
  path: PathText,
  found: Map<PathText, unknown>,
  depth: number,
): void {
  for (const name of Object.keys(object))
    collect(object[name], memberPlace(place, name), join(path, `f:${name}`), found, depth + 1);
}

function collectElements(
  list: unknown[],
  place: Place,
  path: PathText,
  found: Map<PathText, unknown>,
  depth: number,
): void {
  const inner = elementPlace(place);
  for (const element of list) {
    const at = join(path, elementText(element, place));
    found.set(at, ELEMENT);
    if (isObject(element)) collectMembers(element, inner, at, found, depth + 1);
  }
}

/** Whether apply sees the place as one value. */
export function isAtomic({ value, field }: Place): boolean {
  if (field?.atomic) return true;
  if (value?.form === 'list') return (field?.list?.type ?? 'atomic') === 'atomic';
  return value?.form === 'struct' ? value.type.atomic === true : value?.form !== 'map';
}

export function memberPlace(place: Place, name: string): Place {
  if (place.value?.form === 'map') return { value: place.value.of };
  const field = place.value?.form === 'struct' ? place.value.type.fields.get(name) : undefined;
  return field ? { value: field.value, field } : { value: undefined };
}

export function elementPlace(place: Place): Place {
  return { value: place.value?.form === 'list' ? place.value.of : undefined };
}

/** How a path names an element of a list. */
export function elementText(element: unknown, place: Place): string {
  const list = place.field?.list;
  if (list?.type !== 'map' || !isObject(element)) return `v:${JSON.stringify(element)}`;
  const keys: JsonObject = {};
  const fields =
    place.value?.form === 'list' && place.value.of.form === 'struct' ? place.value.of.type.fields : undefined;
  // A key that is left out counts with its default: a port without protocol is a TCP port.
  for (const key of [...list.keys].sort()) {
    const value = member(element, key) ?? fields?.get(key)?.default;
    if (value !== undefined) keys[key] = value;
  }
  return `k:${JSON.stringify(keys)}`;
}

export function join(path: PathText, element: string): PathText {
  return path === '' ? element : path + SEPARATOR + element;
}

export function elementsOf(path: PathText): string[] {
  return path.split(SEPARATOR);
}

/** A path and all that it lies in, outermost first. */
export function prefixesOf(path: PathText): PathText[] {
  const elements = elementsOf(path);
  return elements.map((_, at) => elements.slice(0, at + 1).join(SEPARATOR));
}

/** Whether `path` is `at` or inside it. */
export function isWithin(path: PathText, at: PathText): boolean {
  return path === at || path.startsWith(at + SEPARATOR);
}

/** `.spec.containers[name="web"].image`, as messages show a path. */
export function showPath(path: PathText): string {
  return elementsOf(path).map(showElement).join('');
}

function showElement(element: string): string {
  const rest = element.slice(2);
  if (element.startsWith('f:')) return `.${rest}`;
  if (element.startsWith('v:')) return `[=${rest}]`;
  const keys = JSON.parse(rest) as JsonObject;
  return `[${Object.entries(keys)
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join(',')}]`;
}

/** The FieldsV1 of a set: nested objects, `.` where a field with others inside is itself in the set. */
export function formatFields(set: Iterable<PathText>): JsonObject {
  const root: JsonObject = {};
  const nodes = new Map<PathText, JsonObject>();
  const sorted = [...set].sort();
  const members = new Set(sorted);
  for (const path of sorted) {
    let node = root;
    let at: PathText = '';
    for (const element of elementsOf(path)) {
      const parent = at;
      at = at === '' ? element : at + SEPARATOR + element;
      let next = nodes.get(at);
      if (!next) {
        next = {};
        nodes.set(at, next);
        if (members.has(parent) && !Object.hasOwn(node, '.')) node['.'] = {};
        setMember(node, element, next);
      }
      node = next;
    }
  }
  return root;
}

/** More paths than this in one entry are refused: real objects have hundreds. */
const MAX_PATHS = 50_000;

/** The set in a FieldsV1; undefined when it is none. */
export function parseFields(fields: unknown): Set<PathText> | undefined {
  const set = new Set<PathText>();
  return isObject(fields) && parseInto(fields, '', set, 0) ? set : undefined;
}

function parseInto(fields: JsonObject, path: PathText, set: Set<PathText>, depth: number): boolean {
  const names = Object.keys(fields);
  if (path !== '' && (names.length === 0 || Object.hasOwn(fields, '.'))) set.add(path);
  if (depth > 2 * MAX_DEPTH || set.size > MAX_PATHS) return false;
  for (const name of names) {
    if (name === '.') continue;
    const inner = fields[name];
    if (!isElement(name) || !isObject(inner)) return false;
    if (!parseInto(inner, join(path, name), set, depth + 1)) return false;
  }
  return true;
}

function isElement(name: string): boolean {
  if (name.includes(SEPARATOR)) return false;
  if (name.startsWith('f:')) return true;
  if (!/^[kvi]:/.test(name)) return false;
  try {
    const value: unknown = JSON.parse(name.slice(2));
    return !name.startsWith('k:') || isObject(value);
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}
