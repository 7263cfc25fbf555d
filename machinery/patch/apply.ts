/**
 * Server-side apply and the ownership of fields: an applier owns what its configuration names, loses what it no longer
 * names, and meets a conflict where others own a field it would change; any other writer owns what it changed.
 * Source: Kubernetes documentation, "Server-Side Apply"; structured-merge-diff, merge.Updater.
 */
import { StatusError } from '../errors.ts';
import { MAX_DEPTH } from '../schema/conform.ts';
import { isObject, type JsonObject, member, type StructType, setMember } from '../schema/model.ts';
import { sameJson } from '../values/same-json.ts';
import { arrange } from './arrange.ts';
import { type Comparison, compareObjects, namedFields } from './compare.ts';
import {
  entriesOf,
  type FieldManager,
  isSame,
  readManagers,
  showManager,
  writeManagers,
} from './field-managers.ts';
import {
  commonPaths,
  difference,
  type FieldSet,
  isEmptySet,
  isMember,
  type Path,
  showPath,
  union,
} from './field-set.ts';
import { lastAppliedOf, updateLastApplied } from './last-applied.ts';
import { elementPlace, elementText, isAtomic, memberPlace, type Place } from './place.ts';

/** Who writes. */
export interface FieldWriter {
  manager: string;
  /** RFC 3339. */
  time: string;
  /** '' for the object itself. */
  subresource?: string;
  /** What the write puts back: nobody owns it by it. */
  resets?: readonly string[];
}

export interface ApplyRequest extends FieldWriter {
  /** Take over what others own instead of failing. */
  force: boolean;
}

/** Only kubectl moves from client-side to server-side apply: its name is what Kubernetes looks for. */
const KUBECTL = 'kubectl';

interface Conflict {
  manager: FieldManager;
  paths: Path[];
}

/**
 * The object after `config` is applied to `live` (undefined = it is created), with its managedFields. Neither is changed.
 * Throws StatusError Conflict when others own fields that would change and `force` is false.
 */
export function applyServerSide(
  live: JsonObject | undefined,
  config: JsonObject,
  type: StructType,
  request: ApplyRequest,
): JsonObject {
  const { resets = [] } = request;
  const managers = managersOf(live, type, resets);
  const me: FieldManager = {
    manager: request.manager,
    operation: 'Apply',
    apiVersion: String(config['apiVersion'] ?? ''),
    subresource: request.subresource ?? '',
    time: request.time,
    fields: namedFields(config, type, resets),
  };
  const before = managers.find((manager) => isSame(manager, me));
  const others = managers.filter((manager) => manager !== before);
  const place: Place = { value: { form: 'struct', type } };
  const next = structuredClone(mergeObject(live ?? {}, strip(config, resets), place, 0));
  if (before) removeAbandoned(next, before.fields, held([me, ...others]), place);
  const change = compareObjects(live, next, type, resets);
  const conflicts = others.map((manager) => ({
    manager,
    paths: commonPaths(manager.fields, change.written),
  }));
  const found = conflicts.filter(({ paths }) => paths.length > 0);
  if (!request.force && !mayTakeOver(live, found, type, request)) refuseConflicts(found);
  const sameOwners = before !== undefined && sameJson(before.fields, me.fields);
  if (sameOwners && isUnchanged(change)) {
    keepEntries(next, live);
    return next;
  }
  if (request.manager === KUBECTL) updateLastApplied(next, config);
  writeManagers(next, [...disowned(others, change), me]);
  return next;
}

/**
 * Notes in `next` what a write other than apply has changed: the writer owns it now, others no longer. Changes only
 * next.metadata.managedFields. An object whose managers were taken away is not tracked again until it is applied; a
 * client takes them away with `managedFields: [{}]`.
 */
export function trackUpdate(
  live: JsonObject | undefined,
  next: JsonObject,
  type: StructType,
  writer: FieldWriter,
): void {
  const managers = managersAfterUpdate(live, next, type, writer);
  if (managers) writeManagers(next, managers);
  else keepEntries(next, live);
}

/** Undefined when they are as before. */
function managersAfterUpdate(
  live: JsonObject | undefined,
  next: JsonObject,
  type: StructType,
  writer: FieldWriter,
): FieldManager[] | undefined {
  const sent = entriesOf(next);
  if (isReset(sent)) return [];
  const own = writer.subresource || sent.length === 0 ? undefined : readManagers(next);
  const managers = own ?? readManagers(live) ?? [];
  if (live && managers.length === 0) return [];
  const change = compareObjects(live, next, type, writer.resets ?? []);
  if (isUnchanged(change)) return own;
  const left = disowned(managers, change);
  return isEmptySet(change.written) ? left : withWriter(left, change.written, next, writer);
}

function isReset(sent: unknown[]): boolean {
  return sent.length === 1 && isObject(sent[0]) && Object.keys(sent[0]).length === 0;
}

function isUnchanged({ written, removed }: Comparison): boolean {
  return isEmptySet(written) && isEmptySet(removed);
}

function disowned(managers: readonly FieldManager[], { written, removed }: Comparison): FieldManager[] {
  return managers.map((manager) => {
    const fields = difference(difference(manager.fields, written), removed);
    return fields === manager.fields ? manager : { ...manager, fields };
  });
}

function withWriter(
  managers: FieldManager[],
  written: FieldSet,
  next: JsonObject,
  { manager, time, subresource = '' }: FieldWriter,
): FieldManager[] {
  const apiVersion = String(next['apiVersion'] ?? '');
  const me = { manager, operation: 'Update' as const, apiVersion, subresource, time };
  const known = managers.find((candidate) => isSame(candidate, me));
  const fields = known ? union(known.fields, written) : written;
  return [...managers.filter((candidate) => candidate !== known), { ...me, fields }];
}

function keepEntries(next: JsonObject, live: JsonObject | undefined): void {
  const metadata = isObject(next['metadata']) ? next['metadata'] : {};
  const entries = entriesOf(live);
  if (entries.length > 0) metadata['managedFields'] = entries;
  else delete metadata['managedFields'];
  next['metadata'] = metadata;
}

/** Fields from before anyone was tracked belong to a manager of that name. */
function managersOf(
  live: JsonObject | undefined,
  type: StructType,
  resets: readonly string[],
): FieldManager[] {
  const managers = readManagers(live) ?? [];
  if (!live || managers.length > 0) return managers;
  return [
    {
      manager: 'before-first-apply',
      operation: 'Update',
      apiVersion: String(live['apiVersion'] ?? ''),
      subresource: '',
      time: undefined,
      fields: compareObjects(undefined, live, type, resets).written,
    },
  ];
}

function held(owners: readonly FieldManager[]): FieldSet {
  return owners.map(({ fields }) => fields).reduce(union, {});
}

/** Whether all conflicts are about fields that kubectl itself has applied before, on the client's side. */
function mayTakeOver(
  live: JsonObject | undefined,
  conflicts: readonly Conflict[],
  type: StructType,
  { manager, resets = [] }: ApplyRequest,
): boolean {
  const applied = manager === KUBECTL && conflicts.length > 0 ? lastAppliedOf(live) : undefined;
  if (!applied) return conflicts.length === 0;
  // What has changed since it was applied is no longer kubectl's.
  const change = compareObjects(applied, live!, type, resets);
  const named = namedFields(applied, type, resets);
  const allowed = difference(difference(named, change.written), change.removed);
  const refused = conflicts.map(({ manager: other, paths }) => ({
    manager: other,
    paths: paths.filter((path) => !contains(allowed, path)),
  }));
  refuseConflicts(refused.filter(({ paths }) => paths.length > 0));
  return true;
}

function contains(set: FieldSet, path: Path): boolean {
  let node: FieldSet | undefined = set;
  for (const element of path) node = node && Object.hasOwn(node, element) ? node[element] : undefined;
  return node !== undefined && isMember(node);
}

/** What a configuration may set. */
function strip(config: JsonObject, resets: readonly string[]): JsonObject {
  const metadata = isObject(config['metadata']) ? { ...config['metadata'] } : {};
  delete metadata['managedFields'];
  const stripped: JsonObject = { ...config, metadata };
  for (const name of resets) if (name !== 'metadata') delete stripped[name];
  return stripped;
}

function refuseConflicts(conflicts: readonly Conflict[]): void {
  const all = conflicts.flatMap(({ manager, paths }) =>
    paths.map((path) => ({ who: showManager(manager), where: showPath(path) })),
  );
  if (all.length === 0) return;
  const causes = all.map(({ who, where }) => ({
    reason: 'FieldManagerConflict',
    message: `conflict with ${who}`,
    field: where,
  }));
  throw new StatusError('Conflict', conflictMessage(all), { causes });
}

function conflictMessage(all: { who: string; where: string }[]): string {
  if (all.length === 1) return `Apply failed with 1 conflict: conflict with ${all[0]!.who}: ${all[0]!.where}`;
  const lines: string[] = [];
  for (const who of [...new Set(all.map((conflict) => conflict.who))].sort()) {
    lines.push(`conflicts with ${who}:`);
    for (const conflict of all) if (conflict.who === who) lines.push(`- ${conflict.where}`);
  }
  return `Apply failed with ${all.length} conflicts: ${lines.join('\n')}`;
}

function mergeObject(live: JsonObject, config: JsonObject, place: Place, depth: number): JsonObject {
  if (depth > MAX_DEPTH) throw new StatusError('BadRequest', 'the configuration is nested too deeply');
  const result = { ...live };
  for (const name of Object.keys(config))
    setMember(
      result,
      name,
      mergeValue(member(live, name), config[name], memberPlace(place, name), depth + 1),
    );
  return result;
}

function mergeValue(live: unknown, config: unknown, place: Place, depth: number): unknown {
  if (isAtomic(place)) return config;
  if (isObject(config)) return mergeObject(isObject(live) ? live : {}, config, place, depth);
  if (Array.isArray(config)) return mergeList(Array.isArray(live) ? live : [], config, place, depth);
  return config;
}

function mergeList(live: unknown[], config: unknown[], place: Place, depth: number): unknown[] {
  const idOf = (element: unknown) => elementText(element, place);
  const result = new Map(live.map((element) => [idOf(element), element]));
  const seen = new Set<string>();
  for (const element of config) {
    const id = idOf(element);
    if (seen.has(id))
      throw new StatusError('BadRequest', `duplicate entries for key ${showPath([id])} in a list`);
    seen.add(id);
    const existing = result.get(id);
    const merged = isObject(element)
      ? mergeObject(isObject(existing) ? existing : {}, element, elementPlace(place), depth)
      : element;
    result.set(id, merged);
  }
  return arrange([...result.values()], live, config, idOf);
}

/** Takes out what the applier owned, and what lies in it, unless somebody owns it or something in it. */
function removeAbandoned(value: unknown, before: FieldSet, kept: FieldSet, place: Place): void {
  for (const element of Object.keys(before)) {
    const node = before[element]!;
    const still = kept[element];
    if (element === '.') continue;
    // The server owns the metadata that every object has.
    const isRemoved = !still && (element.startsWith('f:') || isMember(node)) && element !== 'f:metadata';
    visitElement(value, element, place, (inner, innerPlace, remove) => {
      if (isRemoved) remove();
      else removeAbandoned(inner, node, still ?? {}, innerPlace);
    });
  }
}

type Visit = (value: unknown, place: Place, remove: () => void) => void;

/** Calls `visit` for the part of `value` that an element of a path names, when it is there. */
function visitElement(value: unknown, element: string, place: Place, visit: Visit): void {
  if (isObject(value) && element.startsWith('f:')) {
    const name = element.slice(2);
    if (Object.hasOwn(value, name)) visit(value[name], memberPlace(place, name), () => delete value[name]);
  } else if (Array.isArray(value)) {
    const index = value.findIndex((candidate) => elementText(candidate, place) === element);
    if (index >= 0) visit(value[index], elementPlace(place), () => value.splice(index, 1));
  }
}
