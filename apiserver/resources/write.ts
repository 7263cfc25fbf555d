/** POST, PUT, PATCH and DELETE of objects. */
import { apiVersionOf, type Kind, resourceName } from '#api/kind.ts';
import type { ApiObject } from '#api/objects.ts';
import { rfc3339 } from '#machinery/clock.ts';
import { StatusError } from '#machinery/errors.ts';
import type { TransportResponse } from '#machinery/transport.ts';
import { bodyText, decodeBody, fieldValidationOf, hasBody } from '../encoding/body.ts';
import type { Decoded, PatchType } from '../encoding/formats.ts';
import { parseMediaType } from '../encoding/negotiate.ts';
import { badRequest, invalid, notFound } from '../engine/faults.ts';
import type { ModifyScope, Produce } from '../engine/modify.ts';
import type { RemoveOptions } from '../engine/remove.ts';
import type { Written } from '../engine/storage.ts';
import { filterInTurns } from '../turns.ts';
import { respondObject, respondValue, type Scope } from './scope.ts';
import { selectionOf, selects } from './selection.ts';

/** Nothing is written when `dryRun=All`. */
export function isDryRun(query: URLSearchParams): boolean {
  const asked = query.getAll('dryRun').filter((value) => value !== '');
  const unknown = asked.find((value) => value !== 'All');
  if (unknown !== undefined)
    throw badRequest(`dryRun: Unsupported value: ${JSON.stringify(unknown)}: supported values: "All"`);
  return asked.length > 0;
}

/** The body as the scope's kind, with the type filled in or checked. */
export function decodeObject(scope: Scope): ApiObject {
  const { kind, context, parts } = scope;
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
    throw badRequest(`${object.kind} in version "${kind.version}" cannot be handled as a ${kind.kind}`);
  return object;
}

function warn(scope: Scope, decoded: Decoded): void {
  scope.context.warnings.push(...decoded.warnings);
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
  const object = decodeObject(scope);
  const dryRun = isDryRun(context.info.query);
  const written = await parts.engine.insert(stored, namespace, toStored(kind, object), { context, dryRun });
  return respondObject(scope, written.bytes, 201);
}

export async function updateResource(scope: Scope, as: ModifyScope = 'object'): Promise<TransportResponse> {
  const object = decodeObject(scope);
  if (!object.metadata.name)
    throw invalid(scope.kind, '', [
      { type: 'Required', field: 'metadata.name', detail: 'name must be provided' },
    ]);
  const produce: Produce = () => structuredClone(toStored(scope.kind, object));
  return respondObject(scope, (await modify(scope, produce, as)).bytes);
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

const PATCH_TYPES: Record<string, PatchType | 'apply'> = {
  'application/json-patch+json': 'json',
  'application/merge-patch+json': 'merge',
  'application/strategic-merge-patch+json': 'strategic',
  'application/apply-patch+yaml': 'apply',
};

/** What a PATCH asks for. UnsupportedMediaType for a type that is none of the four. */
export function patchTypeOf(scope: Scope): PatchType | 'apply' {
  const { type } = parseMediaType(scope.context.request.headers['content-type'] ?? '');
  const found = PATCH_TYPES[type];
  if (found) return found;
  throw new StatusError(
    'UnsupportedMediaType',
    `the body of the request was in an unknown format - accepted media types include: ${Object.keys(PATCH_TYPES).join(', ')}`,
  );
}

export async function patchResource(scope: Scope, as: ModifyScope = 'object'): Promise<TransportResponse> {
  const type = patchTypeOf(scope);
  if (type === 'apply') return applyResource(scope, as);
  const { kind, context, parts } = scope;
  const { query } = context.info;
  const patch = parts.formats.parse(bodyText(context.request), 'json');
  const validation = fieldValidationOf(query);
  let warnings: string[] = [];
  const produce: Produce = (current) => {
    const view = kind.storedAs ? kind.storedAs.fromStored(current) : current;
    const patched = parts.formats.patch(kind, type, view, patch, validation);
    warnings = patched.warnings;
    return toStored(kind, patched.object);
  };
  const written = await modify(scope, produce, as);
  context.warnings.push(...warnings);
  return respondObject(scope, written.bytes);
}

async function applyResource(scope: Scope, as: ModifyScope): Promise<TransportResponse> {
  const { kind, stored, context, parts, namespace, name } = scope;
  const { query } = context.info;
  const fieldManager = query.get('fieldManager') ?? '';
  if (!fieldManager)
    throw invalid({ group: 'meta.k8s.io', kind: 'PatchOptions' }, '', [
      { type: 'Required', field: 'fieldManager', detail: 'is required for apply patch' },
    ]);
  const decoded = parts.formats.fromYaml(bodyText(context.request), kind.schema, fieldValidationOf(query));
  warn(scope, decoded);
  const applied = decoded.object;
  checkApplied(scope, applied);
  const options = {
    fieldManager,
    force: query.get('force') === 'true',
    subresource: context.info.subresource,
    hasStatus: kind.subresources?.status === true,
    time: rfc3339(parts.clock.now()),
  };
  const merge = (current: ApiObject | undefined) =>
    toStored(
      kind,
      parts.formats.apply(
        kind,
        current && kind.storedAs ? kind.storedAs.fromStored(current) : current,
        applied,
        options,
      ),
    );
  const missing = (await parts.storage.read(stored, namespace, name)) === undefined;
  if (missing && as !== 'object') throw notFound(kind, name);
  if (!missing) return respondObject(scope, (await modify(scope, merge, as, true)).bytes);
  const dryRun = isDryRun(query);
  const written = await parts.engine.insert(stored, namespace, merge(undefined), {
    context,
    dryRun,
    isApplied: true,
  });
  return respondObject(scope, written.bytes, 201);
}

function checkApplied(scope: Scope, applied: ApiObject): void {
  const { name, namespace, kind } = scope;
  if (!applied.apiVersion || !applied.kind)
    throw badRequest('invalid object type: apiVersion and kind must be set');
  if (applied.apiVersion !== apiVersionOf(kind) || applied.kind !== kind.kind)
    throw badRequest(
      `patching object of type ${apiVersionOf(kind)}, Kind=${kind.kind} with ${applied.apiVersion}, Kind=${applied.kind}`,
    );
  if (applied.metadata?.managedFields?.length) throw badRequest('metadata.managedFields must be nil');
  applied.metadata ??= { name };
  applied.metadata.name ||= name;
  if (applied.metadata.name !== name)
    throw badRequest(
      `the name of the object (${applied.metadata.name}) does not match the name on the URL (${name})`,
    );
  if (kind.namespaced && namespace) applied.metadata.namespace ||= namespace;
}

export async function deleteResource(scope: Scope): Promise<TransportResponse> {
  const { kind, stored, namespace, name, parts } = scope;
  const removed = await parts.engine.remove(stored, namespace, name, removeOptionsOf(scope));
  if (!removed.gone || RETURNED_WHEN_DELETED.has(resourceName(kind)))
    return respondObject(scope, removed.bytes);
  return respondValue(scope, deletedStatus(kind, removed.object));
}

/** Kinds of which a delete answers with the object. Source: Kubernetes' registry strategies. */
const RETURNED_WHEN_DELETED = new Set([
  'pods',
  'services',
  'serviceaccounts',
  'persistentvolumes',
  'persistentvolumeclaims',
]);

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

interface DeleteOptionsBody {
  gracePeriodSeconds?: number;
  orphanDependents?: boolean;
  propagationPolicy?: string;
  preconditions?: { uid?: string; resourceVersion?: string };
  dryRun?: string[];
}

const POLICIES = ['Background', 'Foreground', 'Orphan'] as const;

/** metav1.DeleteOptions of the body, or of the query when there is no body. */
function removeOptionsOf(scope: Scope): RemoveOptions {
  const { context, parts } = scope;
  const { query } = context.info;
  const body: DeleteOptionsBody = hasBody(context.request)
    ? (decodeBody(context.request, DELETE_OPTIONS, 'Ignore', parts.formats)
        .object as unknown as DeleteOptionsBody)
    : {};
  const grace = body.gracePeriodSeconds ?? numberOf(query, 'gracePeriodSeconds');
  if (grace !== undefined && (!Number.isSafeInteger(grace) || grace < 0))
    throw badRequest(`gracePeriodSeconds: Invalid value: ${grace}: must be greater than or equal to 0`);
  const orphan = body.orphanDependents === true ? 'Orphan' : undefined;
  const policy = body.propagationPolicy ?? query.get('propagationPolicy') ?? orphan;
  if (policy && !POLICIES.includes(policy as (typeof POLICIES)[number]))
    throw badRequest(
      `propagationPolicy: Unsupported value: ${JSON.stringify(policy)}: supported values: "Foreground", "Background", "Orphan"`,
    );
  return {
    context,
    dryRun: isDryRun(query) || body.dryRun?.includes('All') === true,
    graceSeconds: grace,
    uid: body.preconditions?.uid,
    resourceVersion: body.preconditions?.resourceVersion,
    propagation: policy ? (policy as RemoveOptions['propagation']) : undefined,
  };
}

/** The schema of a DELETE's body. */
const DELETE_OPTIONS = 'io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions';

function numberOf(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  return text === null || text === '' ? undefined : Number(text);
}

/** Deletes at a time of a collection: the store's group commit takes them together. */
const DELETES_AT_ONCE = 32;

export async function deleteCollection(scope: Scope): Promise<TransportResponse> {
  const { kind, stored, namespace, context, parts } = scope;
  const options = removeOptionsOf(scope);
  const selection = selectionOf(kind, context.info.query);
  await parts.storage.cache.fresh();
  const { cache, keys } = parts.storage;
  const items = await filterInTurns(cache.of(stored).under(keys.prefix(stored, namespace)), (item) =>
    selects(selection, kind, item),
  );
  const deleted: ApiObject[] = [];
  for (let at = 0; at < items.length; at += DELETES_AT_ONCE) {
    const batch = items.slice(at, at + DELETES_AT_ONCE).map(async (item) => {
      const removed = await gone(
        parts.engine.remove(stored, item.namespace || undefined, item.name, options),
      );
      if (removed) deleted.push(removed);
    });
    await Promise.all(batch);
  }
  const metadata = { resourceVersion: String(cache.version) };
  return respondValue(scope, {
    kind: `${kind.kind}List`,
    apiVersion: apiVersionOf(kind),
    metadata,
    items: deleted,
  });
}

/** Somebody else may delete an object of the collection first. */
async function gone(removal: Promise<Written>): Promise<ApiObject | undefined> {
  try {
    return (await removal).object;
  } catch (error) {
    if (error instanceof StatusError && error.reason === 'NotFound') return undefined;
    throw error;
  }
}
