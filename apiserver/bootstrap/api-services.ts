import { apiVersionOf, type Kind } from '#api/kind.ts';
import { APIServiceKind } from '#api/kinds/api-service.ts';
import type { APIService } from '#api/objects.ts';
import type { Engine } from '../contract.ts';
import { ensureSpec } from './ensure.ts';

/** On the objects that the server keeps itself. */
const AUTOMANAGED = 'kube-aggregator.kubernetes.io/automanaged';

/** Of the group, and of the version within it: higher first. As kube-apiserver's. */
const PRIORITIES: Record<string, [number, number]> = {
  v1: [18_000, 1],
  'apps/v1': [17_800, 15],
  'events.k8s.io/v1': [17_750, 15],
  'authentication.k8s.io/v1': [17_700, 15],
  'authorization.k8s.io/v1': [17_600, 15],
  'autoscaling/v1': [17_500, 15],
  'autoscaling/v2': [17_500, 30],
  'batch/v1': [17_400, 15],
  'certificates.k8s.io/v1': [17_300, 15],
  'networking.k8s.io/v1': [17_200, 15],
  'policy/v1': [17_100, 15],
  'rbac.authorization.k8s.io/v1': [17_000, 15],
  'storage.k8s.io/v1': [16_800, 15],
  'apiextensions.k8s.io/v1': [16_700, 15],
  'admissionregistration.k8s.io/v1': [16_700, 15],
  'scheduling.k8s.io/v1': [16_600, 15],
  'coordination.k8s.io/v1': [16_500, 15],
  'node.k8s.io/v1': [16_300, 15],
  'discovery.k8s.io/v1': [16_200, 15],
  'flowcontrol.apiserver.k8s.io/v1': [16_100, 21],
};

/** Of all other groups: what custom resources get. */
const OTHERS: [number, number] = [1000, 100];

/** One APIService for each version that is served, but for the group of APIService itself. Source: kube-aggregator. */
export async function ensureApiServices(engine: Engine, kinds: readonly Kind[]): Promise<void> {
  const versions = new Map(kinds.map((kind) => [apiVersionOf(kind), kind]));
  versions.delete(apiVersionOf(APIServiceKind));
  const isOurs = ({ metadata }: APIService) => metadata.labels?.[AUTOMANAGED] !== undefined;
  await Promise.all(
    [...versions].map(([name, kind]) =>
      ensureSpec(engine, APIServiceKind, serviceOf(kind, PRIORITIES[name] ?? OTHERS), isOurs),
    ),
  );
}

function serviceOf({ group, version }: Kind, [groupPriorityMinimum, versionPriority]: [number, number]) {
  const service: APIService = {
    apiVersion: apiVersionOf(APIServiceKind),
    kind: APIServiceKind.kind,
    metadata: { name: `${version}.${group}`, labels: { [AUTOMANAGED]: 'onstart' } },
    spec: { ...(group && { group }), version, groupPriorityMinimum, versionPriority },
  };
  return service;
}
