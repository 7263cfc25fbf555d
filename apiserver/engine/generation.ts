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
  'csinodes.storage.k8s.io',
  'volumeattachments.storage.k8s.io',
  'apiservices.apiregistration.k8s.io',
]);

/** Kinds without a spec whose generation it counts all the same. */
const COUNTED = new Set([
  'podtemplates',
  'mutatingwebhookconfigurations.admissionregistration.k8s.io',
  'validatingwebhookconfigurations.admissionregistration.k8s.io',
]);

/** Kinds that only ever have their first generation. */
const FIXED = new Set(['priorityclasses.scheduling.k8s.io']);

/** Kinds of which it counts the changes, but not that they are made. */
const COUNTED_LATE = new Set(['csidrivers.storage.k8s.io']);

/** Whether metadata.generation counts changes of what the user desires. */
export function hasGeneration(kind: Kind, object: ApiObject): boolean {
  const name = resourceName(kind);
  return ('spec' in object && !UNCOUNTED.has(name)) || COUNTED.has(name);
}

/** The generation of a new object, undefined when it has none. */
export function firstGeneration(kind: Kind, object: ApiObject): number | undefined {
  const name = resourceName(kind);
  if (FIXED.has(name)) return 1;
  return hasGeneration(kind, object) && !COUNTED_LATE.has(name) ? 1 : undefined;
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
