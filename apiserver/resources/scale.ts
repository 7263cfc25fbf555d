/** The scale subresource: replicas of any kind that has them, as autoscaling/v1 Scale. Source: Kubernetes API, Scale. */
import { apiVersionOf, type Kind } from '#api/kind.ts';
import type { ApiObject, Scale } from '#api/objects.ts';
import type { TransportResponse } from '#machinery/transport.ts';
import { conflict, invalid, notFound } from '../engine/faults.ts';
import { respondValue, type Scope } from './scope.ts';
import { sentTo } from './sent.ts';
import { applyOptionsOf, isDryRun } from './write.ts';

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

/** How the object changes, and whether that has noted the owners of its fields. */
interface Change {
  change(object: ApiObject): ApiObject;
  isApplied: boolean;
}

export async function serveScale(scope: Scope): Promise<TransportResponse> {
  const { kind, stored, context, parts, namespace, name } = scope;
  const { verb, query } = context.info;
  if (verb === 'get') {
    const item = await parts.storage.read(stored, namespace, name);
    if (!item) throw notFound(kind, name);
    return respondValue(scope, toScale(kind, JSON.parse(item.bytes.toString())));
  }
  const { change, isApplied } = changeOf(scope);
  const written = await parts.engine.modify(stored, namespace, name, change, {
    context,
    scope: 'object',
    dryRun: isDryRun(query),
    subresource: 'scale',
    isApplied,
  });
  return respondValue(scope, toScale(kind, written.object));
}

function changeOf(scope: Scope): Change {
  const sent = sentTo(scope, SCALE_KIND);
  return sent.isApplied
    ? byApply(scope, sent.config as Scale)
    : byScale(scope, (scale) => sent.from(scale) as Scale);
}

function byScale({ kind, name }: Scope, next: (scale: Scale) => Scale): Change {
  return {
    isApplied: false,
    change(object) {
      const scale = next(toScale(kind, object));
      const { resourceVersion } = scale.metadata ?? {};
      if (resourceVersion && resourceVersion !== object.metadata.resourceVersion) throw conflict(kind, name);
      kind.subresources!.scale!.setReplicas(object, checkedReplicas(name, scale));
      return object;
    },
  };
}

/** What is applied to the scale is applied to the object: its replicas are the only field that a Scale sets. */
function byApply(scope: Scope, scale: Scale): Change {
  const { kind, parts, name } = scope;
  const replicas = checkedReplicas(name, scale);
  const config = { apiVersion: apiVersionOf(kind), kind: kind.kind, metadata: { name }, spec: { replicas } };
  const options = applyOptionsOf(scope, ['status']);
  const change = (object: ApiObject) => parts.formats.apply(kind, object, config as ApiObject, options);
  return { change, isApplied: true };
}

function checkedReplicas(name: string, { spec }: Scale): number {
  const replicas = spec?.replicas ?? 0;
  if (Number.isSafeInteger(replicas) && replicas >= 0) return replicas;
  throw invalid(SCALE_KIND, name, [
    {
      ...{ type: 'Invalid', field: 'spec.replicas', value: replicas },
      detail: 'must be greater than or equal to 0',
    },
  ]);
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
