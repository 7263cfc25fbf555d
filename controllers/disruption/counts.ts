/** What a budget counts: pods that should be there, pods that must be healthy, pods that are. */
import type { Pod, PodDisruptionBudget } from '#api/objects.ts';
import { controllerOf } from '#api/semantics/owners.ts';
import { isPodReady } from '#api/semantics/pod-status.ts';
import { scaledValue } from '#machinery/values/int-or-string.ts';
import { type ScaleOf, UncountableError } from './scales.ts';

/**
 * An evicted pod whose deletion has not been seen after this time stays. The time of the eviction is the server's, so
 * its clock and ours must agree to well within this. Source: Kubernetes, DeletionTimeout.
 */
export const DELETION_TIMEOUT_MS = 120_000;

export interface Expected {
  /** How many pods there should be. */
  pods: number;
  /** How many of them must stay healthy. */
  healthy: number;
  /** Whether pods were left out because nobody controls them. */
  hasUnmanaged: boolean;
}

/** Whether the budget is a part of the scale of its pods' controllers, rather than a number of pods. */
export function countsScale({ spec }: PodDisruptionBudget): boolean {
  return spec?.maxUnavailable !== undefined || typeof spec?.minAvailable === 'string';
}

/** Parts of a pod are rounded up, of those that must stay and of those that may go. Throws UncountableError. */
export function expectedOf(budget: PodDisruptionBudget, pods: readonly Pod[], scaleOf: ScaleOf): Expected {
  const { minAvailable, maxUnavailable } = budget.spec ?? {};
  if (!countsScale(budget)) {
    const isCounted = typeof minAvailable === 'number';
    return { pods: isCounted ? pods.length : 0, healthy: isCounted ? minAvailable : 0, hasUnmanaged: false };
  }
  const { total, hasUnmanaged } = totalScale(pods, scaleOf);
  const healthy =
    maxUnavailable === undefined
      ? scaledValue(minAvailable!, total, 'up')
      : Math.max(0, total - scaledValue(maxUnavailable, total, 'up'));
  return { pods: total, healthy, hasUnmanaged };
}

/** The sum of the scales of all that control a pod, each counted once. */
function totalScale(pods: readonly Pod[], scaleOf: ScaleOf): { total: number; hasUnmanaged: boolean } {
  const replicas = new Map<string, number>();
  let hasUnmanaged = false;
  for (const pod of pods) {
    const owner = controllerOf(pod);
    if (!owner) {
      hasUnmanaged = true;
      continue;
    }
    const scale = scaleOf(owner);
    if (!scale)
      throw new UncountableError(`found no controllers for pod ${JSON.stringify(pod.metadata.name)}`);
    replicas.set(scale.uid, scale.replicas);
  }
  return { total: [...replicas.values()].reduce((sum, one) => sum + one, 0), hasUnmanaged };
}

/** Pods that are ready, not going, and not about to go. */
export function countHealthy(pods: readonly Pod[], disrupted: Disruptions['disrupted']): number {
  return pods.filter(
    (pod) =>
      !pod.metadata.deletionTimestamp && !Object.hasOwn(disrupted, pod.metadata.name) && isPodReady(pod),
  ).length;
}

export interface Disruptions {
  /** By name, when each was evicted: those whose deletion is still to be seen. */
  disrupted: Record<string, string>;
  /** Evicted too long ago to be deleted still. */
  overdue: Pod[];
  /** When the next one is overdue. */
  againAfterMs?: number;
}

/** What is left of the evictions that the server noted, now that these are the pods. */
export function disruptionsOf(
  { status }: PodDisruptionBudget,
  pods: readonly Pod[],
  now: number,
): Disruptions {
  const noted = status?.disruptedPods ?? {};
  const found: Disruptions = { disrupted: {}, overdue: [] };
  let next = Number.POSITIVE_INFINITY;
  for (const pod of pods) {
    const { name, deletionTimestamp } = pod.metadata;
    if (deletionTimestamp || !Object.hasOwn(noted, name)) continue;
    const left = Date.parse(noted[name]!) + DELETION_TIMEOUT_MS - now;
    if (left <= 0) {
      found.overdue.push(pod);
    } else {
      found.disrupted[name] = noted[name]!;
      next = Math.min(next, left);
    }
  }
  return { ...found, ...(Number.isFinite(next) && { againAfterMs: next }) };
}
