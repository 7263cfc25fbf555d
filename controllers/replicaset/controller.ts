import { DeploymentKind } from '#api/kinds/deployment.ts';
import { PodKind } from '#api/kinds/pod.ts';
import { ReplicaSetKind } from '#api/kinds/replica-set.ts';
import { type ApiObject, keyOf, type Pod } from '#api/objects.ts';
import { controllerOf } from '#api/semantics/owners.ts';
import { isPodActive } from '#api/semantics/pod-status.ts';
import { matchesSelector, selectorOf } from '#machinery/values/selector.ts';
import type { View } from '../framework/contract.ts';
import { defineController, wakeBy, wakeController } from '../framework/define.ts';
import { planReplicaSet } from './plan.ts';

export const replicaSetController = defineController({
  name: 'replicaset-controller',
  for: ReplicaSetKind,
  reads: [PodKind],
  writes: [PodKind, ReplicaSetKind],
  wakes: [wakeController(PodKind, ReplicaSetKind), wakeBy(PodKind, adopters)],
  plan(_key, set, view, now, failed) {
    if (!set) return { actions: [] };
    const relatedPods = (): Pod[] => {
      const owner = controllerOf(set);
      if (owner?.kind !== DeploymentKind.kind) return [];
      return view
        .ownedBy(ReplicaSetKind, owner.uid)
        .filter((sibling) => sibling.metadata.uid !== set.metadata.uid)
        .flatMap((sibling) => view.ownedBy(PodKind, sibling.metadata.uid ?? '').filter(isPodActive));
    };
    const owned = view.ownedBy(PodKind, set.metadata.uid ?? '');
    return planReplicaSet(set, owned, view.ownedBy(PodKind, ''), { relatedPods }, now, failed);
  },
});

/** ReplicaSets that may adopt a pod without a controller. */
function adopters(pod: Pod, view: View<readonly never[]>): string[] {
  if (controllerOf(pod)) return [];
  const sets = (view as View<readonly (typeof ReplicaSetKind)[]>).list(
    ReplicaSetKind,
    pod.metadata.namespace,
  );
  return sets
    .filter((set) => matchesSelector(selectorOf(set.spec?.selector), pod.metadata.labels))
    .map((set: ApiObject) => keyOf(set));
}
