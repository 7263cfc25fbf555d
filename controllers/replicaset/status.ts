import type { Kind } from '#api/kind.ts';
import { PodKind } from '#api/kinds/pod.ts';
import type { Pod, ReplicaSet } from '#api/objects.ts';
import { conditionOf, withCondition } from '#api/semantics/conditions.ts';
import { availableAt, isPodReady } from '#api/semantics/pod-status.ts';
import { canonicalJson } from '#api/semantics/template-hash.ts';
import { matchesSelector, selectorOfLabels } from '#machinery/values/selector.ts';
import type { Failure } from '../framework/contract.ts';

type Status = NonNullable<ReplicaSet['status']>;
type Conditions = NonNullable<Status['conditions']>;

const FAILURE_REASON: Partial<Record<Failure['do'], string>> = {
  create: 'FailedCreate',
  delete: 'FailedDelete',
};

/** The new status, undefined when it is as it was; and when a pod becomes available by time alone. */
export function changedStatus(
  set: ReplicaSet,
  mine: readonly Pod[],
  active: readonly Pod[],
  now: number,
  failed: Failure | undefined,
): { status?: Status; againAfterMs?: number } {
  const minReady = set.spec?.minReadySeconds ?? 0;
  const template = selectorOfLabels(set.spec?.template?.metadata?.labels ?? {});
  let ready = 0;
  let available = 0;
  let fullyLabeled = 0;
  let next = Number.POSITIVE_INFINITY;
  for (const pod of active) {
    if (matchesSelector(template, pod.metadata.labels)) fullyLabeled++;
    if (!isPodReady(pod)) continue;
    ready++;
    const at = availableAt(pod, minReady);
    if (at <= now) available++;
    else next = Math.min(next, at);
  }
  const terminating = mine.filter((pod) => pod.metadata.deletionTimestamp).length;
  const status: Status = {
    ...set.status,
    replicas: active.length,
    // Counts of zero are left out, as Kubernetes' encoding leaves them out.
    fullyLabeledReplicas: fullyLabeled || undefined,
    readyReplicas: ready || undefined,
    availableReplicas: available || undefined,
    terminatingReplicas: terminating || undefined,
    observedGeneration: set.metadata.generation,
    conditions: conditions(set, failed, now),
  };
  if (!status.conditions?.length) delete status.conditions;
  const changed = canonicalJson(status) !== canonicalJson(set.status ?? {});
  return {
    ...(changed && { status }),
    ...(Number.isFinite(next) && { againAfterMs: next - now }),
  };
}

/** ReplicaFailure tells of the last create or delete that was refused, until a plan goes well. */
function conditions(set: ReplicaSet, failed: Failure | undefined, now: number): Conditions | undefined {
  const old = set.status?.conditions;
  const reason = failed?.kind === (PodKind as Kind<never>) ? FAILURE_REASON[failed.do] : undefined;
  if (reason)
    return withCondition(
      old,
      { type: 'ReplicaFailure', status: 'True', reason, message: failed!.error.message },
      now,
    );
  if (failed || !conditionOf(old, 'ReplicaFailure')) return old;
  return old!.filter(({ type }) => type !== 'ReplicaFailure');
}
