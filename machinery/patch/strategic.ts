/**
 * Strategic merge patch: a merge patch that knows from the schema which lists merge by key, with directives in the patch
 * for what plain data cannot say.
 * Source: Kubernetes community document "Strategic Merge Patch"; field tags patchStrategy and patchMergeKey.
 */
import { StatusError } from '../errors.ts';
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
import { goText } from '../values/go-text.ts';
import { arrange } from './arrange.ts';

const DIRECTIVE = '$patch';
const RETAIN_KEYS = '$retainKeys';
const DELETE_FROM = '$deleteFromPrimitiveList/';
const ELEMENT_ORDER = '$setElementOrder/';

/**
 * The document that the patch makes of one of `type`. The given one is not changed, but shares what the patch leaves
 * alone. Throws StatusError BadRequest for directives that make no sense.
 */
export function applyStrategicMergePatch(
  document: JsonObject,
  patch: JsonObject,
  type: StructType,
): JsonObject {
  return mergeObject(document, patch, { form: 'struct', type }, 0);
}

/** What the schema says of a place; undefined where it says nothing: objects merge there, lists are replaced. */
type Place = ValueType | undefined;

function mergeObject(original: JsonObject, patch: JsonObject, place: Place, depth: number): JsonObject {
  if (depth > MAX_DEPTH) throw bad('the patch is nested too deeply');
  const directive = member(patch, DIRECTIVE);
  if (directive === 'replace') return mergeObject({}, without(patch, DIRECTIVE), place, depth);
  if (directive === 'delete') return {};
  if (directive !== undefined && directive !== 'merge') throw unknownDirective(directive, patch);
  const result = retain(original, patch);
  for (const name in patch) {
    if (name === DIRECTIVE || name === RETAIN_KEYS || name.startsWith(DELETE_FROM)) continue;
    if (name.startsWith(ELEMENT_ORDER)) {
      const list = name.slice(ELEMENT_ORDER.length);
      // With a patch of the list itself, both are done there.
      if (!Object.hasOwn(patch, list)) mergeList(result, patch, list, [], fieldAt(place, list), depth);
      continue;
    }
    mergeMember(result, patch, name, fieldAt(place, name), depth);
  }
  for (const name in patch) {
    if (!name.startsWith(DELETE_FROM)) continue;
    const list = name.slice(DELETE_FROM.length);
    if (!Object.hasOwn(patch, list)) deleteFrom(result, patch, list);
  }
  return result;
}

/** What the schema says of a member. A map has the same type under each key and no patch strategy. */
interface Member {
  value: Place;
  field?: Field;
}

function fieldAt(place: Place, name: string): Member {
  if (place?.form === 'map') return { value: place.of };
  if (place?.form !== 'struct' && place?.form !== 'union') return { value: undefined };
  const field = place.type.fields.get(name);
  return field ? { value: field.value, field } : { value: undefined };
}

function mergeMember(result: JsonObject, patch: JsonObject, name: string, at: Member, depth: number): void {
  const value = patch[name];
  if (value === null || value === undefined) {
    delete result[name];
    return;
  }
  const replaces = at.field?.patch?.strategies.includes('replace') ?? false;
  if (Array.isArray(value)) mergeList(result, patch, name, value, at, depth);
  else if (isObject(value)) {
    const original = member(result, name);
    const from = isObject(original) && !replaces ? original : {};
    setMember(result, name, mergeObject(from, value, at.value, depth + 1));
  } else setMember(result, name, value);
}

/** A shallow copy of the members that `$retainKeys` names, or of all when there is none. */
function retain(original: JsonObject, patch: JsonObject): JsonObject {
  const keys = member(patch, RETAIN_KEYS);
  if (keys === undefined) return { ...original };
  if (!Array.isArray(keys)) throw bad('invalid patch format of retainKeys');
  for (const name in patch)
    if (!name.startsWith('$') && patch[name] !== null && !keys.includes(name))
      throw bad('invalid patch format of retainKeys');
  return Object.fromEntries(Object.entries(original).filter(([name]) => keys.includes(name)));
}

function without(object: JsonObject, name: string): JsonObject {
  const { [name]: _, ...rest } = object;
  return rest;
}

/** The list `name` of `result` with the patch's elements and its order and delete directives. */
function mergeList(
  result: JsonObject,
  patch: JsonObject,
  name: string,
  elements: unknown[],
  at: Member,
  depth: number,
): void {
  const original = member(result, name);
  const live = Array.isArray(original) ? original : [];
  const order = member(patch, ELEMENT_ORDER + name);
  const merges = at.field?.patch?.strategies.includes('merge') ?? false;
  if (!merges) {
    if (Object.hasOwn(patch, name)) setMember(result, name, plainList(elements, at.value, depth));
    return;
  }
  if (!Array.isArray(original) && !Object.hasOwn(patch, name)) return;
  const of = at.value?.form === 'list' ? at.value.of : undefined;
  const mergeKey = at.field?.patch?.mergeKey;
  if (order !== undefined) refuseMisordered(elements, order, mergeKey);
  const merged =
    mergeKey === undefined
      ? [...new Set([...live, ...elements])]
      : mergeByKey(live, elements, mergeKey, of, depth);
  // Beside an order of its own, Kubernetes counts the first new elements among the live in place of those that went.
  const lived = order === undefined ? live : merged.slice(0, live.length);
  setMember(result, name, inOrder(merged, lived, order ?? elements, mergeKey));
  if (mergeKey === undefined) deleteFrom(result, patch, name);
}

/** The elements of a patch stand in `$setElementOrder`, in the same order; what it deletes need not. */
function refuseMisordered(elements: unknown[], order: unknown, key: string | undefined): void {
  if (!Array.isArray(order)) throw bad('$setElementOrder must be a list');
  const idOf = (element: unknown) =>
    key !== undefined && isObject(element) ? member(element, key) : element;
  const places = order.map(idOf);
  let from = 0;
  for (const element of elements) {
    if (isObject(element) && Object.hasOwn(element, DIRECTIVE)) continue;
    const place = places.indexOf(idOf(element), from);
    if (place < 0)
      throw bad(
        `The order in patch list:\n${goText(elements)}\n doesn't match $setElementOrder list:\n${goText(order)}\n`,
      );
    from = place + 1;
  }
}

/** A list that replaces the old one: directives inside have nothing to act on and vanish. */
function plainList(elements: unknown[], place: Place, depth: number): unknown[] {
  const of = place?.form === 'list' ? place.of : undefined;
  return elements
    .filter((element) => !isObject(element) || !Object.hasOwn(element, DIRECTIVE))
    .map((element) => (isObject(element) ? mergeObject({}, element, of, depth + 1) : element));
}

function mergeByKey(live: unknown[], elements: unknown[], key: string, of: Place, depth: number): unknown[] {
  let result = live;
  const changes: JsonObject[] = [];
  for (const element of elements) {
    if (!isObject(element)) throw bad(`the elements of a list merged by ${key} must be objects`);
    const directive = member(element, DIRECTIVE);
    if (directive === undefined) changes.push(element);
    else if (directive === 'replace') result = [];
    else if (directive === 'delete') {
      const value = keyOf(element, key);
      result = result.filter((existing) => !isObject(existing) || member(existing, key) !== value);
    } else throw unknownDirective(directive, element);
  }
  result = [...result];
  for (const change of changes) {
    const value = keyOf(change, key);
    const at = result.findIndex((existing) => isObject(existing) && member(existing, key) === value);
    if (at < 0) result.push(mergeObject({}, change, of, depth + 1));
    else result[at] = mergeObject(result[at] as JsonObject, change, of, depth + 1);
  }
  return result;
}

function keyOf(element: JsonObject, key: string): unknown {
  const value = member(element, key);
  if (value === undefined || value === null)
    throw bad(`map: ${goText(element)} does not contain declared merge key: ${key}`);
  return value;
}

function deleteFrom(result: JsonObject, patch: JsonObject, name: string): void {
  const gone = member(patch, DELETE_FROM + name);
  if (gone === undefined) return;
  if (!Array.isArray(gone)) throw bad(`${DELETE_FROM}${name} must be a list`);
  const live = member(result, name);
  if (Array.isArray(live))
    setMember(
      result,
      name,
      live.filter((element) => !gone.includes(element)),
    );
}

/** The order that `$setElementOrder` asks for. */
function inOrder(merged: unknown[], live: unknown[], order: unknown, key: string | undefined): unknown[] {
  if (!Array.isArray(order)) throw bad('$setElementOrder must be a list');
  return arrange(merged, live, order, (element) =>
    key === undefined ? element : isObject(element) ? member(element, key) : undefined,
  );
}

function unknownDirective(directive: unknown, at: JsonObject): StatusError {
  return bad(`unknown patch type: ${goText(directive)} in map: ${goText(at)}`);
}

function bad(message: string): StatusError {
  return new StatusError('BadRequest', message);
}
