/** POST, PUT, PATCH and DELETE of objects. */
import { apiVersionOf, type Kind, resourceName } from '#api/kind.ts';
import type { ApiObject } from '#api/objects.ts';
import { resetFieldsOf, writeRulesOf } from '#api/semantics/write-rules.ts';
import { rfc3339 } from '#machinery/clock.ts';
import { isStatus, StatusError } from '#machinery/errors.ts';
import type { TransportResponse } from '#machinery/transport.ts';
import { bodyText, decodeBody, fieldValidationOf, hasBody } from '../encoding/body.ts';
import type { ApplyOptions, Decoded, PatchType } from '../encoding/formats.ts';
import { parseMediaType } from '../encoding/negotiate.ts';
import { conversionFault } from '../encoding/patch-faults.ts';
import { viewOf } from '../encoding/render.ts';
import { badRequest, conflict, uidConflict } from '../engine/faults.ts';
import type { ModifyScope, Produce } from '../engine/modify.ts';
import { refuse } from '../engine/parts.ts';
import type { RemoveOptions } from '../engine/remove.ts';
import type { Written } from '../engine/storage.ts';
import { filterInTurns } from '../turns.ts';
import {
  checkDeleteOptions,
  checkPatchOptions,
  checkWriteOptions,
  type DeleteOptions,
  integerOf,
} from './options.ts';
import { respondObject, respondValue, type Scope } from './scope.ts';
import { selectionOf, selects } from './selection.ts';
import { changeOrMake } from './upsert.ts';

/** Nothing is written when `dryRun=All`. */
export function isDryRun(query: URLSearchParams): boolean {
  return query.getAll('dryRun').includes('All');
}

/** The body as the scope's kind, with the type filled in or checked. */
export function decodeObject(scope: Scope): ApiObject {
  const { kind, context, parts } = scope;
  context.trace?.enter('decode');
  const decoded = decodeBody(
    context.request,
    kind.schema,
    fieldValidationOf(context.info.query),
    parts.formats,
  );
  warn(scope, decoded);
  const { object } = decoded;
  const apiVersion = apiVersionOf(kind);
  object.apiVersion ||= apiVersion;
  object.kind ||= kind.kind;
  object.metadata ??= { name: '' };
  if (object.apiVersion !== apiVersion)
    throw badRequest(
      `the API version in the data (${object.apiVersion}) does not match the expected API version (${apiVersion})`,
    );
  if (object.kind !== kind.kind)
    throw badRequest(
      `${object.kind} in version "${kind.version}" cannot be handled as a ${kind.kind}: ${conversionFault(kind, apiVersion, object.kind)}`,
    );
  return object;
}

function warn(scope: Scope, decoded: Decoded): void {
  scope.context.warnings.push(...decoded.warnings);
}

/** Rejects with Invalid what a view demands of its objects besides what the stored kind does. */
function judgeView(kind: Kind, view: ApiObject, stored: ApiObject | undefined, as: ModifyScope): void {
  if (!kind.storedAs || as !== 'object') return;
  const { validateCreate, validateUpdate } = kind.strategy;
  const faults = stored ? validateUpdate?.(view, kind.storedAs.fromStored(stored)) : validateCreate?.(view);
  refuse(kind, view.metadata.name, faults ?? []);
}

function toStored(kind: Kind, object: ApiObject): ApiObject {
  return kind.storedAs ? kind.storedAs.toStored(object) : object;
}

export async function createResource(scope: Scope): Promise<TransportResponse> {
  const { kind, stored, context, parts, namespace } = scope;
  if (kind.namespaced && !namespace)
    throw new StatusError(
      'BadRequest',
      `an object of ${resourceName(kind)} is created in a namespace: the path names none`,
    );
  const { query } = context.info;
  checkWriteOptions('CreateOptions', query);
  const object = decodeObject(scope);
  judgeView(kind, object, undefined, 'object');
  const dryRun = isDryRun(query);
  const written = await parts.engine.insert(stored, namespace, toStored(kind, object), { context, dryRun });
  return respondObject(scope, written.bytes, 201);
}

export async function updateResource(scope: Scope, as: ModifyScope = 'object'): Promise<TransportResponse> {
  checkWriteOptions('UpdateOptions', scope.context.info.query);
  const object = decodeObject(scope);
  if (!object.metadata.name)
    throw badRequest(
      `the name of the object (${scope.name} based on URL) was undeterminable: name must be provided`,
    );
  const next = () => structuredClone(toStored(scope.kind, object));
  const produce: Produce = (current) => {
    judgeView(scope.kind, object, current, as);
    return next();
  };
  const change = () => modify(scope, produce, as);
  if (as !== 'object' || !writeRulesOf(scope.kind).createsOnUpdate)
    return respondObject(scope, (await change()).bytes);
  return changeOrMake(scope, { change, make: (mayCreate) => makeUpdated(scope, next(), mayCreate) });
}

/** The object of a PUT that is missing. A resourceVersion means nothing then, a uid that another one is meant. */
function makeUpdated(scope: Scope, object: ApiObject, mayCreate: () => void): Promise<Written> {
  const { stored, context, parts, namespace, name } = scope;
  const { metadata } = object;
  if (metadata.name !== name) throw otherName(scope, metadata.name);
  if (metadata.uid) throw uidConflict(stored, { ...object, metadata: { name, namespace } }, metadata.uid);
  delete metadata.resourceVersion;
  const dryRun = isDryRun(context.info.query);
  return parts.engine.insert(stored, namespace, object, { context, dryRun, mayCreate });
}

function otherName({ name }: Scope, given: string): StatusError {
  return badRequest(`the name of the object (${given}) does not match the name on the URL (${name})`);
}

function modify(scope: Scope, produce: Produce, as: ModifyScope, isApplied = false): Promise<Written> {
  const { stored, context, parts, namespace, name } = scope;
  return parts.engine.modify(stored, namespace, name, produce, {
    context,
    scope: as,
    dryRun: isDryRun(context.info.query),
    subresource: context.info.subresource,
    isApplied,
  });
}

const PATCH_TYPES: ReadonlyMap<string, PatchType | 'apply'> = new Map([
  ['application/json-patch+json', 'json'],
  ['application/merge-patch+json', 'merge'],
  ['application/strategic-merge-patch+json', 'strategic'],
  ['application/apply-patch+yaml', 'apply'],
]);

/** What a PATCH asks for. UnsupportedMediaType for a type that is none of the four. */
export function patchTypeOf(scope: Scope): PatchType | 'apply' {
  const { type } = parseMediaType(scope.context.request.headers['content-type'] ?? '');
  const found = PATCH_TYPES.get(type);
  if (found) return found;
  throw new StatusError(
    'UnsupportedMediaType',
    `the body of the request was in an unknown format - accepted media types include: ${[...PATCH_TYPES.keys()].join(', ')}`,
  );
}

export async function patchResource(scope: Scope, as: ModifyScope = 'object'): Promise<TransportResponse> {
  const type = patchTypeOf(scope);
  checkPatchOptions(scope.context.info.query, type === 'apply');
  if (type === 'apply') return applyResource(scope, as);
  const { kind, context, parts } = scope;
  const { query } = context.info;
  const patch = parts.formats.parsePatch(bodyText(context.request), type);
  const validation = fieldValidationOf(query);
  let warnings: string[] = [];
  const produce: Produce = (current) => {
    const view = kind.storedAs ? kind.storedAs.fromStored(current) : current;
    const patched = parts.formats.patch(kind, type, view, patch, validation);
    warnings = patched.warnings;
    judgeView(kind, patched.object, current, as);
    return toStored(kind, patched.object);
  };
  const written = await modify(scope, produce, as);
  context.warnings.push(...warnings);
  return respondObject(scope, written.bytes);
}

/** The configuration that a PATCH applies, read as the kind. */
export function decodeApplied(scope: Scope, kind: Kind): ApiObject {
  const { request, info } = scope.context;
  const { formats } = scope.parts;
  const decoded = formats.fromApplied(bodyText(request), kind, fieldValidationOf(info.query));
  warn(scope, decoded);
  return decoded.object;
}

/** Who applies, when, and by which subresource; `resets` are the fields that cannot be set there. */
export function applyOptionsOf({ context, parts }: Scope, resets: readonly string[]): ApplyOptions {
  const { query, subresource } = context.info;
  return {
    fieldManager: query.get('fieldManager')!,
    force: query.get('force') === 'true',
    subresource,
    resets,
    time: rfc3339(parts.clock.now()),
  };
}

async function applyResource(scope: Scope, as: ModifyScope): Promise<TransportResponse> {
  const { kind, stored, context, parts, namespace, name } = scope;
  const { query, subresource } = context.info;
  const applied = decodeApplied(scope, kind);
  checkApplied(scope, applied);
  const options = applyOptionsOf(scope, resetFieldsOf(kind, subresource));
  const merge = (current: ApiObject | undefined) => {
    const live = current && kind.storedAs ? kind.storedAs.fromStored(current) : current;
    const merged = parts.formats.apply(kind, live, applied, options);
    judgeView(kind, merged, current, as);
    return toStored(kind, merged);
  };
  const change = () => modify(scope, merge, as, true);
  if (as !== 'object') return respondObject(scope, (await change()).bytes);
  const make = async (mayCreate: () => void) => {
    if (applied.metadata.uid)
      throw conflict(
        kind,
        name,
        `uid mismatch: the provided object specified uid ${applied.metadata.uid}, and no existing object was found`,
      );
    const how = { context, dryRun: isDryRun(query), isApplied: true, mayCreate };
    return parts.engine.insert(stored, namespace, merge(undefined), how);
  };
  return changeOrMake(scope, { change, make });
}

function checkApplied(scope: Scope, applied: ApiObject): void {
  const { name, namespace, kind } = scope;
  if (applied.kind !== kind.kind)
    throw badRequest(
      `patching object of type ${apiVersionOf(kind)}, Kind=${kind.kind} with ${applied.apiVersion}, Kind=${applied.kind ?? ''}`,
    );
  if (applied.metadata?.managedFields?.length) throw badRequest('metadata.managedFields must be nil');
  applied.metadata ??= { name };
  applied.metadata.name ||= name;
  if (applied.metadata.name !== name) throw otherName(scope, applied.metadata.name);
  if (kind.namespaced && namespace) applied.metadata.namespace ||= namespace;
}

export async function deleteResource(scope: Scope): Promise<TransportResponse> {
  const { kind, stored, namespace, name, parts } = scope;
  const asked = deleteOptionsOf(scope);
  warnOfOrphans(scope, asked);
  const removed = await parts.engine.remove(stored, namespace, name, removeOptionsOf(scope, asked));
  // Who asked to wait for the dependents is told that the object is still there.
  const waits = asked.propagationPolicy === 'Foreground' || asked.orphanDependents === false;
  if (!removed.gone || writeRulesOf(kind).returnsDeleted)
    return respondObject(scope, removed.bytes, waits && !removed.gone ? 202 : 200);
  return respondValue(scope, deletedStatus(kind, removed.object));
}

function deletedStatus(kind: Kind, { metadata }: ApiObject): object {
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: {
      name: metadata.name,
      ...(kind.group && { group: kind.group }),
      kind: kind.plural,
      uid: metadata.uid,
    },
  };
}

/** Of the body, or of the query when there is no body. */
function deleteOptionsOf({ context, parts }: Scope): DeleteOptions {
  const { query } = context.info;
  const policy = query.get('propagationPolicy');
  const orphan = query.get('orphanDependents');
  const options = hasBody(context.request)
    ? (decodeBody(context.request, DELETE_OPTIONS, 'Ignore', parts.formats).object as DeleteOptions)
    : {
        gracePeriodSeconds: integerOf(query, 'gracePeriodSeconds'),
        ...(policy !== null && { propagationPolicy: policy }),
        ...(orphan !== null && { orphanDependents: orphan !== 'false' && orphan !== '0' }),
        dryRun: query.getAll('dryRun'),
      };
  checkDeleteOptions(options);
  return options;
}

/** What the engine is to do for DeleteOptions that have been judged. */
export function removeOptionsOf({ context }: Scope, asked: DeleteOptions): RemoveOptions {
  const { gracePeriodSeconds: grace, orphanDependents, propagationPolicy, preconditions, dryRun } = asked;
  const legacy = orphanDependents === undefined ? undefined : orphanDependents ? 'Orphan' : 'Background';
  return {
    context,
    dryRun: isDryRun(context.info.query) || dryRun?.includes('All') === true,
    // Source: apiserver, BeforeDelete: a negative grace period is one of a second.
    graceSeconds: grace !== undefined && grace < 0 ? 1 : grace,
    uid: preconditions?.uid,
    resourceVersion: preconditions?.resourceVersion,
    propagation: (propagationPolicy ?? legacy) as RemoveOptions['propagation'],
  };
}

const ORPHANS =
  'child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning';

/** Source: Kubernetes, batch/job/storage: ReplicationControllers orphan theirs without a word. */
function warnOfOrphans({ kind, context }: Scope, asked: DeleteOptions): void {
  const { propagationPolicy, orphanDependents } = asked;
  if (propagationPolicy !== undefined || orphanDependents !== undefined) return;
  if (resourceName(kind) === 'jobs.batch') context.warnings.push(ORPHANS);
}

/** The schema of a DELETE's body. */
const DELETE_OPTIONS = 'io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions';

/** Deletes at a time of a collection: the store's group commit takes them together. */
const DELETES_AT_ONCE = 32;

export async function deleteCollection(scope: Scope): Promise<TransportResponse> {
  const { kind, stored, namespace, context, parts } = scope;
  const asked = deleteOptionsOf(scope);
  warnOfOrphans(scope, asked);
  const options = removeOptionsOf(scope, asked);
  const selection = selectionOf(kind, context.info.query);
  await parts.storage.cache.fresh();
  const { cache, keys } = parts.storage;
  const items = await filterInTurns(cache.of(stored).under(keys.prefix(stored, namespace)), (item) =>
    selects(selection, kind, item),
  );
  // What is answered is what was found, as it was.
  const metadata = { resourceVersion: String(cache.version) };
  const deleted: ApiObject[] = items.map((item) => viewOf(kind, item.bytes));
  for (let at = 0; at < items.length; at += DELETES_AT_ONCE) {
    const batch = items
      .slice(at, at + DELETES_AT_ONCE)
      .map((item) => gone(parts.engine.remove(stored, item.namespace || undefined, item.name, options)));
    await Promise.all(batch);
  }
  return respondValue(scope, {
    kind: `${kind.kind}List`,
    apiVersion: apiVersionOf(kind),
    metadata,
    items: deleted,
  });
}

/** Somebody else may delete an object of the collection first. */
async function gone(removal: Promise<Written>): Promise<void> {
  try {
    await removal;
  } catch (error) {
    if (!isStatus(error, 'NotFound')) throw error;
  }
}
