/**
 * What a disruption budget says of a pod that is to be evicted: judged by the server at the eviction, and before it by whoever
 * drains a node, who would only be refused.
 * Source: policy/v1; Kubernetes documentation, "Specifying a Disruption Budget for your Application".
 */
import { matchesLabelSelector } from '#machinery/values/selector.ts';
import type { Pod, PodDisruptionBudget } from '../objects.ts';
import { conditionOf } from './conditions.ts';
import { isPodReady, isPodTerminal } from './pod-status.ts';

/** The condition that says whether a budget allows disruptions. */
export const DISRUPTION_ALLOWED = 'DisruptionAllowed';

/** Whether it has ended, or is going already. */
export function isPodGoing(pod: Pod): boolean {
  return isPodTerminal(pod) || pod.metadata.deletionTimestamp !== undefined;
}

/** Pods that no budget counts: they have ended, are going already, or have not begun. */
export function isBeyondBudgets(pod: Pod): boolean {
  return isPodGoing(pod) || pod.status?.phase === 'Pending';
}

/** Those that count the pod, of the budgets of its namespace. */
export function budgetsFor<B extends PodDisruptionBudget>(pod: Pod, budgets: readonly B[]): B[] {
  return budgets.filter(({ spec }) => matchesLabelSelector(spec?.selector, pod.metadata.labels));
}

/** A pod that is not ready is none of those that the budget has to keep. */
export function mayGoUnhealthy({ spec, status }: PodDisruptionBudget): boolean {
  if (spec?.unhealthyPodEvictionPolicy === 'AlwaysAllow') return true;
  const { currentHealthy = 0, desiredHealthy = 0 } = status ?? {};
  return currentHealthy >= desiredHealthy && desiredHealthy > 0;
}

/** Whether its status is of an older version of it. */
export function isStillProcessed({ metadata, status }: PodDisruptionBudget): boolean {
  return (status?.observedGeneration ?? 0) < (metadata.generation ?? 0);
}

export function stillProcessedText(budget: string): string {
  return `The disruption budget ${budget} is still being processed by the server.`;
}

/** Why a budget that allows no disruption does so, in the words of Kubernetes. */
export function exhaustedText({ metadata: { name }, status }: PodDisruptionBudget): string {
  const { currentHealthy = 0, desiredHealthy = 0 } = status ?? {};
  const condition = conditionOf(status?.conditions, DISRUPTION_ALLOWED);
  const why = condition?.status === 'False' && condition.message ? condition : undefined;
  // When the last count failed its numbers say nothing.
  if (why?.reason === 'SyncFailed')
    return `The disruption budget ${name} does not allow evicting pods currently because it failed sync: ${why.message}`;
  if (currentHealthy <= desiredHealthy)
    return `The disruption budget ${name} needs ${desiredHealthy} healthy pods and has ${currentHealthy} currently`;
  const tail = why ? ` (${why.reason}): ${why.message}` : '';
  return `The disruption budget ${name} does not allow evicting pods currently${tail}`;
}

/** Why an eviction of the pod would be refused now; undefined: it would not. `budgets`: of the pod's namespace. */
export function whyHeld(pod: Pod, budgets: readonly PodDisruptionBudget[]): string | undefined {
  if (isBeyondBudgets(pod)) return undefined;
  const [budget, other] = budgetsFor(pod, budgets);
  if (!budget) return undefined;
  const { name } = budget.metadata;
  if (other) return `more than one disruption budget counts it: ${name} and ${other.metadata.name}`;
  if (!isPodReady(pod) && mayGoUnhealthy(budget)) return undefined;
  if (isStillProcessed(budget)) return stillProcessedText(name);
  return (budget.status?.disruptionsAllowed ?? 0) > 0 ? undefined : exhaustedText(budget);
}
