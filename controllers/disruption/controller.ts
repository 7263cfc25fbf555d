import type { Kind } from '#api/kind.ts';
import { PodKind } from '#api/kinds/pod.ts';
import { PodDisruptionBudgetKind } from '#api/kinds/pod-disruption-budget.ts';
import { type ApiObject, keyOf, type PodDisruptionBudget, type PodTemplateSpec } from '#api/objects.ts';
import {
  type Labels,
  matchesLabelSelector,
  matchesSelector,
  selectorOf,
} from '#machinery/values/selector.ts';
import type { View } from '../framework/contract.ts';
import { defineController, wakeBy } from '../framework/define.ts';
import { countsScale } from './counts.ts';
import { planBudget } from './plan.ts';
import { SCALED, scalesIn } from './scales.ts';
import { planStaleTarget } from './stale-targets.ts';

/** Many pods change at once in a rollout: their budget is counted once per this time, the first change at once. */
const SPACING_MS = 50;

type Scaled = ApiObject & { spec?: { template?: PodTemplateSpec } };

export const disruptionController = defineController({
  name: 'disruption-controller',
  for: PodDisruptionBudgetKind,
  reads: [PodKind, ...SCALED],
  writes: [PodDisruptionBudgetKind],
  wakes: [
    wakeBy(PodKind, ({ metadata }, view) => budgetsOf(metadata.namespace, metadata.labels, view).map(keyOf)),
    ...SCALED.map((kind) =>
      wakeBy(kind as Kind<Scaled>, ({ metadata, spec }, view) =>
        budgetsOf(metadata.namespace, spec?.template?.metadata?.labels, view).filter(countsScale).map(keyOf),
      ),
    ),
  ],
  spacingMs: SPACING_MS,
  plan(_key, budget, view, now) {
    if (!budget) return { actions: [] };
    const { namespace = '' } = budget.metadata;
    const selector = selectorOf(budget.spec?.selector);
    const pods = view
      .list(PodKind, namespace)
      .filter(({ metadata }) => matchesSelector(selector, metadata.labels));
    return planBudget(budget, pods, scalesIn(namespace, view), now);
  },
});

/** Its pods are all pods: a mark may be left where no budget is. */
export const staleDisruptionController = defineController({
  name: 'disruption-controller',
  for: PodKind,
  reads: [],
  writes: [PodKind],
  wakes: [],
  plan: (_key, pod, _view, now) => (pod ? planStaleTarget(pod, now) : { actions: [] }),
});

/** The budgets that count pods with these labels. */
function budgetsOf(
  namespace: string | undefined,
  labels: Labels | undefined,
  view: View<readonly Kind<never>[]>,
): PodDisruptionBudget[] {
  return (view as unknown as View<readonly [typeof PodDisruptionBudgetKind]>)
    .list(PodDisruptionBudgetKind, namespace)
    .filter(({ spec }) => matchesLabelSelector(spec?.selector, labels));
}
