/** Annotations that a Deployment and its ReplicaSets carry for kubectl rollout and for proportional scaling. */
import type { Deployment, ReplicaSet } from '#api/objects.ts';

export const REVISION = 'deployment.kubernetes.io/revision';
const REVISION_HISTORY = 'deployment.kubernetes.io/revision-history';
export const DESIRED_REPLICAS = 'deployment.kubernetes.io/desired-replicas';
export const MAX_REPLICAS = 'deployment.kubernetes.io/max-replicas';

/** Not copied from the Deployment to its ReplicaSets. */
const OWN = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  REVISION,
  REVISION_HISTORY,
  DESIRED_REPLICAS,
  MAX_REPLICAS,
  'deprecated.deployment.rollback.to',
]);

/** The revision of a ReplicaSet or Deployment, 0 when it has none. */
export function revisionOf(object: { metadata: { annotations?: Record<string, string> } }): number {
  const text = object.metadata.annotations?.[REVISION] ?? '';
  return /^\d{1,15}$/.test(text) ? Number(text) : 0;
}

export function annotationNumber(set: ReplicaSet, name: string): number | undefined {
  const text = set.metadata.annotations?.[name] ?? '';
  return /^\d{1,10}$/.test(text) ? Number(text) : undefined;
}

/** The sizes a ReplicaSet must carry, so that a change of the Deployment's size is seen. */
export function sizeAnnotations(deployment: Deployment, maxSurge: number): Record<string, string> {
  const desired = deployment.spec?.replicas ?? 0;
  return { [DESIRED_REPLICAS]: String(desired), [MAX_REPLICAS]: String(desired + maxSurge) };
}

/** Annotations of the ReplicaSet of the present template: those of the Deployment, its revision and its sizes. */
export function newSetAnnotations(
  deployment: Deployment,
  set: ReplicaSet | undefined,
  olds: readonly ReplicaSet[],
  maxSurge: number,
): Record<string, string> {
  const before = set?.metadata.annotations ?? {};
  const annotations = { ...before };
  for (const [name, value] of Object.entries(deployment.metadata.annotations ?? {}))
    if (!OWN.has(name)) annotations[name] = value;
  const revision = Math.max(0, ...olds.map(revisionOf)) + 1;
  const current = set ? revisionOf(set) : 0;
  if (current < revision) {
    annotations[REVISION] = String(revision);
    if (current > 0) {
      const history = before[REVISION_HISTORY];
      annotations[REVISION_HISTORY] = history ? `${history},${current}` : String(current);
    }
  }
  return { ...annotations, ...sizeAnnotations(deployment, maxSurge) };
}
