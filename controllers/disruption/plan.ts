/**
 * PodDisruptionBudget: its status says how many of its pods may be evicted now, and the server lets no more go. Each
 * eviction takes one and notes the pod, which counts as gone from then on, whatever the cache of pods shows.
 * Source: Kubernetes documentation, "Specifying a Disruption Budget for your Application"; pkg/controller/disruption.
 */
import type { Kind } from '#api/kind.ts';
import { PodDisruptionBudgetKind } from '#api/kinds/pod-disruption-budget.ts';
import type { ApiObject, LabelSelector, Pod, PodDisruptionBudget } from '#api/objects.ts';
import { withCondition } from '#api/semantics/conditions.ts';
import { canonicalJson } from '#api/semantics/template-hash.ts';
import { goText } from '#machinery/values/go-text.ts';
import type { Action, Plan } from '../framework/contract.ts';
import { countHealthy, type Disruptions, disruptionsOf, type Expected, expectedOf } from './counts.ts';
import { type ScaleOf, UncountableError } from './scales.ts';

type Step = Action<Kind<PodDisruptionBudget>>;
type Status = NonNullable<PodDisruptionBudget['status']>;
type Condition = NonNullable<Status['conditions']>[number];

/** `pods`: those that the budget selects. */
export function planBudget(
  budget: PodDisruptionBudget,
  pods: readonly Pod[],
  scaleOf: ScaleOf,
  now: number,
): Plan<Kind<PodDisruptionBudget>> {
  const actions: Step[] = [];
  if (pods.length === 0) actions.push(told(budget, 'Normal', 'NoPods', 'No matching pods found'));
  try {
    const expected = expectedOf(budget, pods, scaleOf);
    if (expected.hasUnmanaged) actions.push(unmanaged(budget));
    const disruptions = disruptionsOf(budget, pods, now);
    for (const pod of disruptions.overdue) actions.push(notDeleted(budget, pod));
    actions.push(...statusSteps(budget, countedStatus(budget, pods, expected, disruptions, now)));
    const { againAfterMs } = disruptions;
    return { actions, ...(againAfterMs !== undefined && { againAfterMs }) };
  } catch (error) {
    if (!(error instanceof UncountableError)) throw error;
    const message = `Failed to calculate the number of expected pods: ${error.message}`;
    actions.push(told(budget, 'Warning', 'CalculateExpectedPodCountFailed', message));
    return { actions: [...actions, ...statusSteps(budget, failedStatus(budget, error.message, now))] };
  }
}

function countedStatus(
  budget: PodDisruptionBudget,
  pods: readonly Pod[],
  expected: Expected,
  { disrupted }: Disruptions,
  now: number,
): Status {
  const currentHealthy = countHealthy(pods, disrupted);
  // A budget without pods allows nothing, so that the first ones are safe before they are counted.
  const disruptionsAllowed = expected.pods > 0 ? Math.max(0, currentHealthy - expected.healthy) : 0;
  const allowed =
    disruptionsAllowed > 0
      ? { status: 'True', reason: 'SufficientPods' }
      : { status: 'False', reason: 'InsufficientPods' };
  const observedGeneration = budget.metadata.generation;
  return {
    disruptionsAllowed,
    currentHealthy,
    desiredHealthy: expected.healthy,
    expectedPods: expected.pods,
    ...(Object.keys(disrupted).length > 0 && { disruptedPods: disrupted as Status['disruptedPods'] }),
    observedGeneration,
    conditions: conditions(budget, { ...allowed, message: '', observedGeneration }, now),
  };
}

/** Counts and what was observed stay as they were: nothing is known, so nothing is allowed. */
function failedStatus(budget: PodDisruptionBudget, message: string, now: number): Status {
  const { status } = budget;
  const failed = {
    status: 'False',
    reason: 'SyncFailed',
    message,
    observedGeneration: status?.observedGeneration,
  };
  return {
    ...{ currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 },
    ...status,
    disruptionsAllowed: 0,
    conditions: conditions(budget, failed, now),
  };
}

function conditions(
  { status }: PodDisruptionBudget,
  condition: Pick<Condition, 'status' | 'reason' | 'message' | 'observedGeneration'>,
  now: number,
): Condition[] {
  const allowed = { type: 'DisruptionAllowed', ...condition } as Condition;
  return withCondition(status?.conditions, allowed, now);
}

function statusSteps(budget: PodDisruptionBudget, status: Status): Step[] {
  if (canonicalJson(status) === canonicalJson(budget.status ?? {})) return [];
  const message = `${status.currentHealthy} of ${status.expectedPods} pods are healthy, ${status.desiredHealthy} must be`;
  const why = { reason: 'PodsCounted', message };
  return [{ do: 'updateStatus', kind: PodDisruptionBudgetKind, object: { ...budget, status }, why }];
}

function told(about: ApiObject, type: 'Normal' | 'Warning', reason: string, message: string): Step {
  return { do: 'event', about, type, why: { reason, message } };
}

function unmanaged(budget: PodDisruptionBudget): Step {
  const message = `Pods selected by this PodDisruptionBudget (selector: ${goSelector(budget.spec?.selector)}) were found to be unmanaged. As a result, the status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these pods please set ".spec.minAvailable" field of the PDB to an integer value.`;
  return told(budget, 'Warning', 'UnmanagedPods', message);
}

/** As Go prints a selector. */
function goSelector({ matchLabels = {}, matchExpressions = [] }: LabelSelector = {}): string {
  const labels = Object.entries(matchLabels).sort(([a], [b]) => (a < b ? -1 : 1));
  const pairs = labels.map(([key, value]) => `${key}: ${value},`).join('');
  const expressions = matchExpressions.map(
    ({ key, operator, values = [] }) =>
      `LabelSelectorRequirement{Key:${key},Operator:${operator},Values:${goText(values)},},`,
  );
  return `&LabelSelector{MatchLabels:map[string]string{${pairs}},MatchExpressions:[]LabelSelectorRequirement{${expressions.join('')}},}`;
}

function notDeleted({ metadata }: PodDisruptionBudget, pod: Pod): Step {
  const message = `Pod was expected by PDB ${metadata.namespace}/${metadata.name} to be deleted but it wasn't`;
  return told(pod, 'Warning', 'NotDeleted', message);
}
