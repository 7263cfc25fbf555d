import { type Kind, resourceName } from '#api/kind.ts';
import type { ApiObject } from '#api/objects.ts';
import { sameJson } from './equal.ts';

/** Kinds with a spec whose generation Kubernetes 1.33 does not count. */
const UNCOUNTED = new Set([
  'pods',
  'nodes',
  'namespaces',
  'services',
  'persistentvolumes',
  'persistentvolumeclaims',
  'resourcequotas',
  'limitranges',
  'leases.coordination.k8s.io',
  'certificatesigningrequests.certificates.k8s.io',
  'horizontalpodautoscalers.autoscaling',
  'ipaddresses.networking.k8s.io',
  'servicecidrs.networking.k8s.io',
]);

/** Whether metadata.generation counts changes of what the user desires. */
export function hasGeneration(kind: Kind, object: ApiObject): boolean {
  return 'spec' in object && !UNCOUNTED.has(resourceName(kind));
}

/** Whether anything but metadata and status differs; with Deployments, annotations count too. Source: its strategy. */
export function desireChanged(kind: Kind, object: ApiObject, old: ApiObject): boolean {
  const annotated = resourceName(kind) === 'deployments.apps';
  const desire = (of: ApiObject) => ({
    ...of,
    metadata: annotated ? of.metadata.annotations : undefined,
    status: undefined,
  });
  return !sameJson(desire(object), desire(old));
}
