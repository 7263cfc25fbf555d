/**
 * Server-side apply and the ownership of fields: an applier owns what its configuration names, loses what it no longer
 * names, and meets a conflict where others own a field it would change.
 * Source: Kubernetes documentation, "Server-Side Apply".
 */
import { isDeepStrictEqual } from 'node:util';
import { StatusError } from '../errors.ts';
import { MAX_DEPTH } from '../schema/conform.ts';
import { isObject, type JsonObject, member, type StructType, setMember } from '../schema/model.ts';
import { arrange } from './arrange.ts';
import {
  disown,
  type FieldManager,
  isSame,
  readManagers,
  showManager,
  writeManagers,
} from './field-managers.ts';
import {
  elementPlace,
  elementsOf,
  elementText,
  isAtomic,
  isWithin,
  join,
  leavesOf,
  memberPlace,
  type PathText,
  type Place,
  prefixesOf,
  showPath,
} from './field-set.ts';

/** Who writes. */
export interface FieldWriter {
  manager: string;
  /** RFC 3339. */
  time: string;
  /** '' for the object itself. */
  subresource?: string;
}

export interface ApplyRequest extends FieldWriter {
  /** Take over what others own instead of failing. */
  force: boolean;
}

/** Nobody owns these: the server keeps them. */
const UNOWNED: ReadonlySet<PathText> = new Set([
  'f:apiVersion',
  'f:kind',
  ...[
    'name',
    'namespace',
    'creationTimestamp',
    'selfLink',
    'uid',
    'generation',
    'managedFields',
    'resourceVersion',
  ].map((name) => join('f:metadata', `f:${name}`)),
]);

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
  const managers = managersOf(live, type);
  const me: FieldManager = {
    manager: request.manager,
    operation: 'Apply',
    apiVersion: String(config['apiVersion'] ?? ''),
    subresource: request.subresource ?? '',
    time: request.time,
    fields: new Set(ownable(config, type, request).keys()),
  };
  const before = managers.find((manager) => isSame(manager, me));
  const others = managers.filter((manager) => manager !== before);
  const place: Place = { value: { form: 'struct', type } };
  let next = structuredClone(mergeObject(live ?? {}, strip(config, request), place, 0));
  if (before) next = withoutAbandoned(next, before, [me, ...others], place);
  const change = changes(live, next, type);
  const conflicts = others.map((manager) => ({
    manager,
    paths: [...change.written].filter((path) => manager.fields.has(path)),
  }));
  if (!request.force) refuseConflicts(conflicts.filter(({ paths }) => paths.length > 0));
  for (const manager of others) for (const gone of [change.written, change.removed]) disown(manager, gone);
  if (before && isDeepStrictEqual(before.fields, me.fields)) me.time = before.time;
  setManagers(next, [...others, me]);
  return next;
}

/**
 * Notes in `next` what a write other than apply has changed: the writer owns it now, others no longer. Changes only
 * next.metadata.managedFields. Objects that nobody has applied are not tracked (the first apply finds one owner of all
 * their fields): most objects never are, and tracking would double their size. A client that sends `managedFields: [{}]`
 * ends the tracking.
 */
export function trackUpdate(
  live: JsonObject | undefined,
  next: JsonObject,
  type: StructType,
  writer: FieldWriter,
): void {
  const managers = endsTracking(next) ? [] : readManagers(live);
  if (managers.length === 0) {
    setManagers(next, []);
    return;
  }
  const change = changes(live, next, type);
  for (const manager of managers) for (const gone of [change.written, change.removed]) disown(manager, gone);
  const mine = [...change.written].filter((path) => !isUnowned(path, writer));
  if (mine.length > 0) take(managers, mine, String(next['apiVersion'] ?? ''), writer);
  setManagers(next, managers);
}

function endsTracking(next: JsonObject): boolean {
  const metadata = next['metadata'];
  const sent = isObject(metadata) ? metadata['managedFields'] : undefined;
  return Array.isArray(sent) && sent.length === 1 && isObject(sent[0]) && Object.keys(sent[0]).length === 0;
}

function take(managers: FieldManager[], paths: PathText[], apiVersion: string, writer: FieldWriter): void {
  const { manager, time, subresource = '' } = writer;
  const me = { manager, operation: 'Update' as const, apiVersion, subresource };
  const known = managers.find((candidate) => isSame(candidate, me));
  if (!known) managers.push({ ...me, time, fields: new Set(paths) });
  else {
    known.time = time;
    for (const path of paths) known.fields.add(path);
  }
}

function setManagers(object: JsonObject, managers: FieldManager[]): void {
  const metadata = isObject(object['metadata']) ? object['metadata'] : {};
  const entries = writeManagers(managers);
  if (entries.length > 0) metadata['managedFields'] = entries;
  else delete metadata['managedFields'];
  object['metadata'] = metadata;
}

/** Fields from before anyone was tracked belong to a manager of that name. */
function managersOf(live: JsonObject | undefined, type: StructType): FieldManager[] {
  const managers = readManagers(live);
  if (!live || managers.length > 0) return managers;
  return [
    {
      manager: 'before-first-apply',
      operation: 'Update',
      apiVersion: String(live['apiVersion'] ?? ''),
      subresource: '',
      time: undefined,
      fields: new Set(ownable(live, type, {}).keys()),
    },
  ];
}

function isUnowned(path: PathText, { subresource }: { subresource?: string }): boolean {
  if (!subresource && isWithin(path, 'f:status')) return true;
  if (subresource === 'status' && !isWithin(path, 'f:status') && !isWithin(path, 'f:metadata')) return true;
  return UNOWNED.has(path);
}

function ownable(
  object: JsonObject,
  type: StructType,
  request: { subresource?: string },
): Map<PathText, unknown> {
  const leaves = leavesOf(object, type);
  for (const path of leaves.keys()) if (isUnowned(path, request)) leaves.delete(path);
  return leaves;
}

/** What a configuration may set: not the status, except through its subresource. */
function strip(config: JsonObject, { subresource }: FieldWriter): JsonObject {
  const { status, ...rest } = config;
  const metadata = isObject(rest['metadata']) ? { ...rest['metadata'] } : {};
  delete metadata['managedFields'];
  const stripped: JsonObject = { ...rest, metadata };
  return subresource === 'status' ? { ...stripped, status } : stripped;
}

/** Most leaves are plain. */
function isSameValue(a: unknown, b: unknown): boolean {
  return a === b || (typeof a === 'object' && isDeepStrictEqual(a, b));
}

/** Paths with another value than before, and paths that are gone. */
function changes(live: JsonObject | undefined, next: JsonObject, type: StructType) {
  const before = live ? leavesOf(live, type) : new Map<PathText, unknown>();
  const after = leavesOf(next, type);
  const written = new Set<PathText>();
  for (const [path, value] of after)
    if (!before.has(path) || !isSameValue(before.get(path), value)) written.add(path);
  const removed = new Set<PathText>();
  for (const path of before.keys()) if (!after.has(path)) removed.add(path);
  return { written, removed };
}

function refuseConflicts(conflicts: { manager: FieldManager; paths: PathText[] }[]): void {
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
      throw new StatusError('BadRequest', `duplicate entries for key ${showPath(id)} in a list`);
    seen.add(id);
    const existing = result.get(id);
    const merged = isObject(element)
      ? mergeObject(isObject(existing) ? existing : {}, element, elementPlace(place), depth)
      : element;
    result.set(id, merged);
  }
  return arrange([...result.values()], live, config, idOf);
}

/** Takes out what the applier owned, no longer names, and nobody else owns. The first of the owners is the applier. */
function withoutAbandoned(
  object: JsonObject,
  before: FieldManager,
  owners: FieldManager[],
  place: Place,
): JsonObject {
  const mine = owners[0]!.fields;
  const left = [...before.fields].filter((path) => !mine.has(path));
  if (left.length === 0) return object;
  const held = new Set(owners.flatMap(({ fields }) => [...fields]).flatMap(prefixesOf));
  for (const path of left) if (!held.has(path)) removeAt(object, elementsOf(path), 0, place);
  return object;
}

function removeAt(value: unknown, path: string[], at: number, place: Place): void {
  const element = path[at]!;
  const isLast = at === path.length - 1;
  if (isObject(value) && element.startsWith('f:')) {
    const name = element.slice(2);
    if (!Object.hasOwn(value, name)) return;
    if (isLast) delete value[name];
    else removeAt(value[name], path, at + 1, memberPlace(place, name));
  } else if (Array.isArray(value)) {
    const index = value.findIndex((candidate) => elementText(candidate, place) === element);
    if (index < 0) return;
    if (isLast) value.splice(index, 1);
    else removeAt(value[index], path, at + 1, elementPlace(place));
  }
}
