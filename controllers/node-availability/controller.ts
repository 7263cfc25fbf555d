import type { Kind } from '#api/kind.ts';
import { NodeKind } from '#api/kinds/node.ts';
import { PodKind } from '#api/kinds/pod.ts';
import { PodDisruptionBudgetKind } from '#api/kinds/pod-disruption-budget.ts';
import { availabilityOf } from '#api/semantics/availability.ts';
import type { View } from '../framework/contract.ts';
import { defineController, wakeBy } from '../framework/define.ts';
import { planAvailability } from './plan.ts';

/** Pods of a node that is drained change many at a time. */
const SPACING_MS = 50;

export const nodeAvailabilityController = defineController({
  name: 'node-availability-controller',
  for: NodeKind,
  reads: [PodKind, PodDisruptionBudgetKind],
  writes: [NodeKind, PodKind],
  wakes: [
    wakeBy(PodKind, ({ spec }, view) => {
      const node = spec?.nodeName && nodesOf(view).get(NodeKind, spec.nodeName);
      return node && availabilityOf(node) === 'drain' ? [node.metadata.name] : [];
    }),
    wakeBy(PodDisruptionBudgetKind, (_, view) => {
      const drained = nodesOf(view)
        .list(NodeKind)
        .filter((node) => availabilityOf(node) === 'drain');
      return drained.map(({ metadata }) => metadata.name);
    }),
  ],
  spacingMs: SPACING_MS,
  plan(key, node, view, now) {
    if (!node) return { actions: [] };
    const pods = () => view.list(PodKind).filter(({ spec }) => spec?.nodeName === key);
    const budgets = (namespace: string) => view.list(PodDisruptionBudgetKind, namespace);
    return planAvailability({ node, pods, budgets }, now);
  },
});

function nodesOf(view: View<readonly Kind<never>[]>): View<readonly [typeof NodeKind]> {
  return view as unknown as View<readonly [typeof NodeKind]>;
}
