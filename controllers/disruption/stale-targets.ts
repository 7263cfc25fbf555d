/**
 * Pods that were to be disrupted and were not: whoever marked them has failed to delete them, so the mark goes.
 * Source: Kubernetes documentation, "Disruptions", pod disruption conditions.
 */
import type { Kind } from '#api/kind.ts';
import { PodKind } from '#api/kinds/pod.ts';
import type { Pod, PodCondition } from '#api/objects.ts';
import { isPodTerminal, podCondition } from '#api/semantics/pod-status.ts';
import { rfc3339 } from '#machinery/clock.ts';
import type { Plan } from '../framework/contract.ts';

/** Source: Kubernetes, stalePodDisruptionTimeout. */
export const STALE_TARGET_MS = 120_000;

const TARGET = 'DisruptionTarget';

export function planStaleTarget(pod: Pod, now: number): Plan<Kind<Pod>> {
  const target = podCondition(pod.status, TARGET);
  if (target?.status !== 'True' || pod.metadata.deletionTimestamp || isPodTerminal(pod))
    return { actions: [] };
  // A node takes as long as it needs to end its pods.
  if (target.reason === 'TerminationByKubelet') return { actions: [] };
  const left = (Date.parse(target.lastTransitionTime ?? '') || 0) + STALE_TARGET_MS - now;
  if (left > 0) return { actions: [], againAfterMs: left };
  // Nobody says any longer why it was marked.
  const over: PodCondition = { type: TARGET, status: 'False', lastTransitionTime: rfc3339(now) };
  const conditions = pod.status?.conditions?.map((one) => (one === target ? over : one));
  const why = { reason: 'NotDisrupted', message: `it was not deleted in ${STALE_TARGET_MS / 1000} s` };
  return {
    actions: [
      { do: 'updateStatus', kind: PodKind, object: { ...pod, status: { ...pod.status, conditions } }, why },
    ],
  };
}
