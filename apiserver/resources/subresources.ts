/** Subresources that the engine serves itself. */
import { type Kind, resourceName } from '#api/kind.ts';
import { BindingKind } from '#api/kinds/binding.ts';
import { PodKind } from '#api/kinds/pod.ts';
import type { ApiObject, Binding, Namespace, Pod } from '#api/objects.ts';
import { rfc3339 } from '#machinery/clock.ts';
import type { StatusError } from '#machinery/errors.ts';
import type { TransportResponse } from '#machinery/transport.ts';
import { decodeBody } from '../encoding/body.ts';
import { badRequest, conflict, methodNotAllowed } from '../engine/faults.ts';
import { refuse } from '../engine/parts.ts';
import { serveEviction } from './eviction.ts';
import { serveEphemeralContainers, serveResize } from './pod-parts.ts';
import { getResource } from './read.ts';
import { serveScale } from './scale.ts';
import { respondObject, respondValue, type Scope } from './scope.ts';
import { decodeObject, isDryRun, patchResource, updateResource } from './write.ts';

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
  'pods/resize': serveResize,
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

/** Replaces spec.finalizers of a namespace; the last one gone, the namespace goes too. */
async function serveFinalize(scope: Scope): Promise<TransportResponse> {
  const { context, parts, stored, name, kind } = scope;
  if (context.info.verb !== 'update') throw methodNotAllowed();
  const sent = decodeBody(context.request, kind.schema, 'Ignore', parts.formats).object as Namespace;
  const produce = (current: ApiObject) => {
    const namespace = current as Namespace;
    const { resourceVersion } = sent.metadata ?? {};
    if (resourceVersion && resourceVersion !== namespace.metadata.resourceVersion) throw conflict(kind, name);
    namespace.spec = { ...namespace.spec, finalizers: sent.spec?.finalizers };
    return checked(kind, namespace);
  };
  const written = await parts.engine.modify(stored, undefined, name, produce, { context, scope: 'raw' });
  return respondObject(scope, written.bytes);
}

/** Writes of this kind are judged by nobody else. Invalid when the object as a whole is not as it must be. */
function checked(kind: Kind, object: ApiObject): ApiObject {
  kind.strategy.defaults?.(object);
  refuse(kind, object.metadata.name, kind.strategy.validate(object));
  return object;
}

/** Puts a pod on a node, once. Source: core/v1 Binding. */
async function serveBinding(scope: Scope): Promise<TransportResponse> {
  const { context, parts } = scope;
  const decoded = decodeBody(context.request, BindingKind.schema, 'Ignore', parts.formats);
  await bindPod(scope, scope.name, decoded.object as Binding);
  return respondValue(scope, SUCCESS, 201);
}

/** The older form, as a kind of its own: the pod is the one that its metadata names. */
export async function createBinding(scope: Scope): Promise<TransportResponse> {
  const binding = decodeObject(scope) as Binding;
  if (!scope.namespace) throw methodNotAllowed();
  if (!binding.metadata.name) throw badRequest('metadata.name: Required value: a binding names the pod');
  await bindPod({ ...scope, stored: PODS }, binding.metadata.name, binding);
  return respondValue(scope, SUCCESS, 201);
}

const PODS = PodKind as unknown as Kind;

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
