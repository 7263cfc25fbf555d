/** Subresources that the engine serves itself: status, scale, approval, finalize, binding, eviction, ephemeralcontainers. */
import { type Kind, resourceName } from '#api/kind.ts';
import type { ApiObject, Binding, Namespace, Pod, Scale } from '#api/objects.ts';
import { rfc3339 } from '#machinery/clock.ts';
import type { StatusError } from '#machinery/errors.ts';
import type { TransportResponse } from '#machinery/transport.ts';
import { bodyText, decodeBody, fieldValidationOf } from '../encoding/body.ts';
import { badRequest, conflict, invalid, methodNotAllowed, notFound } from '../engine/faults.ts';
import { serveEviction } from './eviction.ts';
import { getResource } from './read.ts';
import { respondObject, respondValue, type Scope } from './scope.ts';
import { isDryRun, patchResource, patchTypeOf, updateResource } from './write.ts';

type Serve = (scope: Scope) => Promise<TransportResponse>;

/** Undefined when the engine does not serve this subresource of this kind. */
export function ownSubresource({ kind }: Scope, subresource: string): Serve | undefined {
  if (subresource === 'status') return kind.subresources?.status && serveStatus;
  if (subresource === 'scale') return kind.subresources?.scale && serveScale;
  return OTHERS[`${resourceName(kind)}/${subresource}`];
}

const OTHERS: Record<string, Serve | undefined> = {
  'certificatesigningrequests.certificates.k8s.io/approval': serveStatus,
  'namespaces/finalize': serveFinalize,
  'pods/binding': serveBinding,
  'pods/eviction': serveEviction,
  'pods/ephemeralcontainers': serveEphemeralContainers,
};

const SUCCESS = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 };

function serveStatus(scope: Scope): Promise<TransportResponse> {
  switch (scope.context.info.verb) {
    case 'get':
      return getResource(scope);
    case 'update':
      return updateResource(scope, 'status');
    case 'patch':
      return patchResource(scope, 'status');
    default:
      throw methodNotAllowed();
  }
}

const SCALE_SCHEMA = 'io.k8s.api.autoscaling.v1.Scale';
/** What a patch of a Scale is checked against. */
const SCALE_KIND: Kind = {
  group: 'autoscaling',
  version: 'v1',
  kind: 'Scale',
  plural: 'scales',
  singular: 'scale',
  namespaced: true,
  schema: SCALE_SCHEMA,
  strategy: { validate: () => [] },
  columns: [],
};

async function serveScale(scope: Scope): Promise<TransportResponse> {
  const { kind, stored, context, parts, namespace, name } = scope;
  const access = kind.subresources!.scale!;
  const { verb, query } = context.info;
  const validation = fieldValidationOf(query);
  const scaleOf = (object: ApiObject) => toScale(kind, object);
  let change: (scale: Scale) => Scale;
  if (verb === 'get') {
    const item = await parts.storage.read(stored, namespace, name);
    if (!item) throw notFound(kind, name);
    return respondValue(scope, scaleOf(JSON.parse(item.bytes.toString())));
  }
  if (verb === 'update') {
    const sent = decodeBody(context.request, SCALE_SCHEMA, validation, parts.formats).object as Scale;
    change = () => sent;
  } else if (verb === 'patch') {
    const type = patchTypeOf(scope);
    if (type === 'apply') throw methodNotAllowed();
    const patch = parts.formats.parsePatch(bodyText(context.request), type);
    change = (scale) => parts.formats.patch(SCALE_KIND, type, scale, patch, validation).object as Scale;
  } else throw methodNotAllowed();
  const produce = (object: ApiObject) => {
    const scale = change(scaleOf(object));
    const { resourceVersion } = scale.metadata ?? {};
    if (resourceVersion && resourceVersion !== object.metadata.resourceVersion) throw conflict(kind, name);
    const replicas = scale.spec?.replicas ?? 0;
    if (!Number.isSafeInteger(replicas) || replicas < 0)
      throw invalid(SCALE_KIND, name, [
        {
          ...{ type: 'Invalid', field: 'spec.replicas', value: replicas },
          detail: 'must be greater than or equal to 0',
        },
      ]);
    access.setReplicas(object, replicas);
    return object;
  };
  const written = await parts.engine.modify(stored, namespace, name, produce, {
    context,
    scope: 'object',
    dryRun: isDryRun(query),
    subresource: 'scale',
  });
  return respondValue(scope, scaleOf(written.object));
}

/** autoscaling/v1 Scale of an object. */
function toScale(kind: Kind, object: ApiObject): Scale {
  const access = kind.subresources!.scale!;
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { replicas: access.replicas(object) },
    status: { replicas: access.statusReplicas(object), selector: access.selector(object) },
  } as Scale;
}

/** Replaces spec.finalizers of a namespace; the last one gone, the namespace goes too. */
async function serveFinalize(scope: Scope): Promise<TransportResponse> {
  const { context, parts, stored, name, kind } = scope;
  if (context.info.verb !== 'update') throw methodNotAllowed();
  const sent = decodeBody(context.request, kind.schema, 'Ignore', parts.formats).object as Namespace;
  const produce = (current: ApiObject) => {
    const namespace = current as Namespace;
    const { resourceVersion } = sent.metadata;
    if (resourceVersion && resourceVersion !== namespace.metadata.resourceVersion) throw conflict(kind, name);
    namespace.spec = { ...namespace.spec, finalizers: sent.spec?.finalizers };
    return namespace;
  };
  const written = await parts.engine.modify(stored, undefined, name, produce, { context, scope: 'raw' });
  return respondObject(scope, written.bytes);
}

/** Puts a pod on a node, once. Source: core/v1 Binding. */
async function serveBinding(scope: Scope): Promise<TransportResponse> {
  const { context, parts } = scope;
  const schema = 'io.k8s.api.core.v1.Binding';
  const binding = decodeBody(context.request, schema, 'Ignore', parts.formats).object as Binding;
  await bindPod(scope, scope.name, binding);
  return respondValue(scope, SUCCESS, 201);
}

async function bindPod(scope: Scope, name: string, binding: Binding): Promise<void> {
  const { stored, context, parts, namespace } = scope;
  const node = binding.target?.name;
  if (!node) throw badRequest('target.name: Required value: a binding names the node in target.name');
  const produce = (current: ApiObject) => {
    const pod = current as Pod;
    if (binding.metadata?.uid && binding.metadata.uid !== pod.metadata.uid)
      throw bindingConflict(
        name,
        `Precondition failed: UID in precondition: ${binding.metadata.uid}, UID in object meta: ${pod.metadata.uid}`,
      );
    if (pod.metadata.deletionTimestamp)
      throw bindingConflict(name, `pod ${name} is being deleted, cannot be assigned to a host`);
    if (pod.spec?.nodeName)
      throw bindingConflict(name, `pod ${name} is already assigned to node "${pod.spec.nodeName}"`);
    pod.spec!.nodeName = node;
    pod.metadata.annotations = { ...pod.metadata.annotations, ...binding.metadata?.annotations };
    if (Object.keys(pod.metadata.annotations).length === 0) delete pod.metadata.annotations;
    const conditions = (pod.status?.conditions ?? []).filter(({ type }) => type !== 'PodScheduled');
    const time = rfc3339(parts.clock.now());
    conditions.push({
      type: 'PodScheduled',
      status: 'True',
      lastProbeTime: null,
      lastTransitionTime: time,
    } as unknown as (typeof conditions)[number]);
    pod.status = { ...pod.status, conditions };
    return pod;
  };
  const dryRun = isDryRun(context.info.query);
  await parts.engine.modify(stored, namespace, name, produce, {
    context,
    scope: 'raw',
    dryRun,
    subresource: 'binding',
  });
}

function bindingConflict(name: string, why: string): StatusError {
  return conflict({ group: '', plural: 'pods/binding' }, name, why);
}

/** Adds debug containers to a running pod; nothing else of the pod can change this way. */
async function serveEphemeralContainers(scope: Scope): Promise<TransportResponse> {
  const { context, parts, stored, namespace, name, kind } = scope;
  const { verb, query } = context.info;
  if (verb === 'get') return getResource(scope);
  const validation = fieldValidationOf(query);
  let change: (pod: Pod) => Pod;
  if (verb === 'update') {
    const sent = decodeBody(context.request, kind.schema, validation, parts.formats).object as Pod;
    change = () => sent;
  } else {
    const type = patchTypeOf(scope);
    if (type === 'apply') throw methodNotAllowed();
    const patch = parts.formats.parsePatch(bodyText(context.request), type);
    change = (pod) => parts.formats.patch(kind, type, pod, patch, validation).object as Pod;
  }
  const produce = (current: ApiObject) => {
    const pod = current as Pod;
    const before = pod.spec?.ephemeralContainers ?? [];
    const after = change(structuredClone(pod)).spec?.ephemeralContainers ?? [];
    if (before.some((container) => !after.some(({ name: kept }) => kept === container.name)))
      throw badRequest(
        'spec.ephemeralContainers: Forbidden: existing ephemeral containers may not be removed',
      );
    pod.spec = { ...pod.spec!, ephemeralContainers: after };
    return pod;
  };
  const dryRun = isDryRun(query);
  const options = { context, scope: 'raw' as const, dryRun, subresource: 'ephemeralcontainers' };
  const written = await parts.engine.modify(stored, namespace, name, produce, options);
  return respondObject(scope, written.bytes);
}
