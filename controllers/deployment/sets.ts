/** Finding, making and measuring the ReplicaSets of a Deployment. */

import { apiVersionOf } from '#api/kind.ts';
import { DeploymentKind } from '#api/kinds/deployment.ts';
import { ReplicaSetKind } from '#api/kinds/replica-set.ts';
import type { Deployment, PodTemplateSpec, ReplicaSet } from '#api/objects.ts';
import { controllerReference } from '#api/semantics/owners.ts';
import { canonicalJson, podTemplateHash } from '#api/semantics/template-hash.ts';
import { scaledValue } from '#machinery/values/int-or-string.ts';

const HASH_LABEL = 'pod-template-hash';

/** The ReplicaSet of the present template (the oldest, when several have it) and the others. */
export interface Sets {
  current: ReplicaSet | undefined;
  olds: ReplicaSet[];
}

export function splitSets(deployment: Deployment, mine: readonly ReplicaSet[]): Sets {
  const wanted = templateText(deployment.spec?.template);
  const byAge = [...mine].sort(olderFirst);
  const current = byAge.find((set) => templateText(set.spec?.template) === wanted);
  return { current, olds: byAge.filter((set) => set !== current) };
}

/** By creation, then by name: both ways the same on every run. */
export function olderFirst(a: ReplicaSet, b: ReplicaSet): number {
  const [x, y] = [a.metadata.creationTimestamp ?? '', b.metadata.creationTimestamp ?? ''];
  return x === y ? (a.metadata.name < b.metadata.name ? -1 : 1) : x < y ? -1 : 1;
}

const texts = new WeakMap<object, string>();

/** Equal for equal templates, whatever hash label they carry. Kept per template object: those of caches never change. */
function templateText(template: PodTemplateSpec | undefined): string {
  if (!template) return '';
  let text = texts.get(template);
  if (text === undefined) {
    const { [HASH_LABEL]: _hash, ...labels } = template.metadata?.labels ?? {};
    const metadata = { ...template.metadata, creationTimestamp: undefined, labels };
    text = canonicalJson({ ...template, metadata });
    texts.set(template, text);
  }
  return text;
}

/** A new ReplicaSet for the present template. */
export function newSet(
  deployment: Deployment,
  replicas: number,
  annotations: Record<string, string>,
): ReplicaSet {
  const { template, selector, minReadySeconds } = deployment.spec!;
  const hash = podTemplateHash(template, deployment.status?.collisionCount);
  const labels = { ...template.metadata?.labels, [HASH_LABEL]: hash };
  return {
    apiVersion: apiVersionOf(ReplicaSetKind),
    kind: ReplicaSetKind.kind,
    metadata: {
      name: `${deployment.metadata.name}-${hash}`,
      namespace: deployment.metadata.namespace,
      labels,
      annotations,
      ownerReferences: [controllerReference(DeploymentKind, deployment)],
    },
    spec: {
      replicas,
      ...(minReadySeconds && { minReadySeconds }),
      selector: { ...selector, matchLabels: { ...selector.matchLabels, [HASH_LABEL]: hash } },
      template: { ...template, metadata: { ...template.metadata, labels } },
    },
  };
}

export const replicasOf = (set: ReplicaSet) => set.spec?.replicas ?? 0;
export const availableOf = (set: ReplicaSet) => set.status?.availableReplicas ?? 0;

export function sum(sets: readonly ReplicaSet[], count: (set: ReplicaSet) => number): number {
  return sets.reduce((total, set) => total + count(set), 0);
}

export interface Bounds {
  maxSurge: number;
  maxUnavailable: number;
}

/** How many pods more and fewer than wanted there may be. Never both zero: nothing could move. */
export function boundsOf(deployment: Deployment): Bounds {
  const wanted = deployment.spec?.replicas ?? 0;
  if (deployment.spec?.strategy?.type === 'Recreate') return { maxSurge: 0, maxUnavailable: wanted };
  const rolling = deployment.spec?.strategy?.rollingUpdate;
  const maxSurge = scaledValue((rolling?.maxSurge ?? '25%') as string | number, wanted, 'up');
  const maxUnavailable = scaledValue((rolling?.maxUnavailable ?? '25%') as string | number, wanted, 'down');
  if (maxSurge === 0 && maxUnavailable === 0) return { maxSurge, maxUnavailable: 1 };
  return { maxSurge, maxUnavailable: Math.min(maxUnavailable, wanted) };
}
