/**
 * Sets of fields of an object, as server-side apply keeps them to know who owns what: trees in the form of FieldsV1, whose
 * elements are `f:spec`, `k:{"name":"web"}` (an element of a list by its keys), `v:"x"` (an element of a set). A node is in
 * the set itself when it has the member `.` or nothing inside. No function changes the sets it is given.
 * Source: Kubernetes API, metav1.FieldsV1; the sigs.k8s.io structured-merge-diff notation.
 */
import { MAX_DEPTH } from '../schema/conform.ts';
import { isObject, type JsonObject } from '../schema/model.ts';

export interface FieldSet {
  [element: string]: FieldSet;
}

const SELF = '.';

export function isEmptySet(set: FieldSet): boolean {
  for (const _element in set) return false;
  return true;
}

/** Whether the node of a tree is in the set, beside what lies inside it. */
export function isMember(node: FieldSet): boolean {
  return Object.hasOwn(node, SELF) || isEmptySet(node);
}

/** Puts a node that has just been made into the set. */
export function markMember(node: FieldSet): void {
  if (!isEmptySet(node)) node[SELF] = {};
}

function hasInside(node: FieldSet): boolean {
  for (const element in node) if (element !== SELF) return true;
  return false;
}

/** The node with its membership; undefined when nothing is left of it. */
function withMembership(inside: FieldSet, member: boolean): FieldSet | undefined {
  if (!hasInside(inside)) return member ? {} : undefined;
  if (Object.hasOwn(inside, SELF) === member) return inside;
  if (member) return { [SELF]: {}, ...inside };
  const { [SELF]: _self, ...rest } = inside;
  return rest;
}

/** What is in `set` and not in `gone`; `set` itself when that is all of it. */
export function difference(set: FieldSet, gone: FieldSet): FieldSet {
  let result = set;
  for (const element in gone) {
    const node = element === SELF ? undefined : set[element];
    if (!node) continue;
    const rest = gone[element]!;
    const left = withMembership(difference(node, rest), isMember(node) && !isMember(rest));
    if (left === node) continue;
    if (result === set) result = { ...set };
    if (left) result[element] = left;
    else delete result[element];
  }
  return result;
}

/** What is in one of them. */
export function union(a: FieldSet, b: FieldSet): FieldSet {
  const result = { ...a };
  for (const element in b) {
    if (element === SELF) continue;
    const mine = a[element];
    const theirs = b[element]!;
    result[element] = mine
      ? withMembership(union(mine, theirs), isMember(mine) || isMember(theirs))!
      : theirs;
  }
  return result;
}

/** The elements that lead to a member. */
export type Path = readonly string[];

/** The members that both have, in the order of the notation. */
export function commonPaths(a: FieldSet, b: FieldSet, path: Path = []): Path[] {
  return Object.keys(a)
    .sort()
    .flatMap((element) => {
      const theirs = element === SELF ? undefined : b[element];
      if (!theirs) return [];
      const at = [...path, element];
      const inside = commonPaths(a[element]!, theirs, at);
      return isMember(a[element]!) && isMember(theirs) ? [at, ...inside] : inside;
    });
}

/** `.spec.containers[name="web"].image`, as messages show a path. */
export function showPath(path: Path): string {
  return path.map(showElement).join('');
}

function showElement(element: string): string {
  const rest = element.slice(2);
  if (element.startsWith('f:')) return `.${rest}`;
  if (element.startsWith('v:')) return `[=${rest}]`;
  const keys = JSON.parse(rest) as JsonObject;
  const shown = Object.entries(keys).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  return `[${shown.join(',')}]`;
}

/** More elements than this in one entry are refused: real objects have hundreds. */
const MAX_ELEMENTS = 50_000;

/** Whether a value from outside is a set. */
export function isFieldSet(fields: unknown): fields is FieldSet {
  return isObject(fields) && countElements(fields, 0) <= MAX_ELEMENTS;
}

/** Infinity for what is no set. */
function countElements(fields: JsonObject, depth: number): number {
  if (depth > 2 * MAX_DEPTH) return Infinity;
  let count = 0;
  for (const name of Object.keys(fields)) {
    const inner = fields[name];
    if (!isObject(inner) || !(name === SELF || isElement(name))) return Infinity;
    count += 1 + countElements(inner, depth + 1);
  }
  return count;
}

function isElement(name: string): boolean {
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
