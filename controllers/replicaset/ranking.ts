import type { Pod } from '#api/objects.ts';
import { isPodReady, podCondition } from '#api/semantics/pod-status.ts';

const DELETION_COST = 'controller.kubernetes.io/pod-deletion-cost';

const PHASE_RANK: Record<string, number> = { Pending: 0, Unknown: 1, Running: 2 };

/**
 * The pods, those to delete first in front: unassigned before assigned, pending before running, not ready before ready,
 * cheaper before dearer, on crowded nodes before others, ready for less time, restarted more often, newer first.
 * `related` are all pods that count for how crowded a node is. Source: Kubernetes, ActivePodsWithRanks.
 */
export function rankForDeletion(pods: readonly Pod[], related: readonly Pod[]): Pod[] {
  const onNode = new Map<string, number>();
  for (const { spec } of related)
    if (spec?.nodeName) onNode.set(spec.nodeName, (onNode.get(spec.nodeName) ?? 0) + 1);
  const ranked = pods.map((pod) => ({ pod, rank: rankOf(pod, onNode) }));
  ranked.sort((a, b) => compare(a.rank, b.rank) || (a.pod.metadata.name < b.pod.metadata.name ? -1 : 1));
  return ranked.map(({ pod }) => pod);
}

/** Compared number by number; smaller goes first. */
function rankOf(pod: Pod, onNode: ReadonlyMap<string, number>): number[] {
  const node = pod.spec?.nodeName;
  const ready = isPodReady(pod);
  const readySince = Date.parse(podCondition(pod.status, 'Ready')?.lastTransitionTime ?? '') || 0;
  return [
    node ? 1 : 0,
    PHASE_RANK[pod.status?.phase ?? 'Unknown'] ?? 2,
    ready ? 1 : 0,
    deletionCost(pod),
    node ? -(onNode.get(node) ?? 0) : 0,
    ready ? -readySince : 0,
    -restarts(pod),
    -(Date.parse(pod.metadata.creationTimestamp ?? '') || 0),
  ];
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return 0;
}

function deletionCost(pod: Pod): number {
  const text = pod.metadata.annotations?.[DELETION_COST] ?? '0';
  return /^[+-]?\d{1,10}$/.test(text) ? Number(text) : 0;
}

function restarts(pod: Pod): number {
  const statuses = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])];
  return Math.max(0, ...statuses.map(({ restartCount }) => restartCount));
}
