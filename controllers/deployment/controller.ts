import type { Kind } from '#api/kind.ts';
import { DeploymentKind } from '#api/kinds/deployment.ts';
import { PodKind } from '#api/kinds/pod.ts';
import { ReplicaSetKind } from '#api/kinds/replica-set.ts';
import { keyOf, type Pod, type ReplicaSet } from '#api/objects.ts';
import { controllerOf } from '#api/semantics/owners.ts';
import { isPodTerminal } from '#api/semantics/pod-status.ts';
import { matchesSelector, selectorOf } from '#machinery/values/selector.ts';
import type { View } from '../framework/contract.ts';
import { defineController, wakeBy, wakeController } from '../framework/define.ts';
import { planDeployment } from './plan.ts';

export const deploymentController = defineController({
  name: 'deployment-controller',
  for: DeploymentKind,
  reads: [ReplicaSetKind, PodKind],
  writes: [ReplicaSetKind, DeploymentKind],
  wakes: [
    wakeController(ReplicaSetKind, DeploymentKind),
    wakeBy(ReplicaSetKind, adopters),
    wakeBy(PodKind, recreating),
  ],
  plan(_key, deployment, view, now, failed) {
    if (!deployment) return { actions: [] };
    const { namespace } = deployment.metadata;
    const scene = {
      deployment,
      owned: view.ownedBy(ReplicaSetKind, deployment.metadata.uid ?? ''),
      orphans: view.ownedBy(ReplicaSetKind, ''),
      hasRunningPods: (set: ReplicaSet) =>
        view.ownedBy(PodKind, set.metadata.uid ?? '').some((pod) => !isPodTerminal(pod)),
      setNamed: (name: string) => view.get(ReplicaSetKind, `${namespace}/${name}`),
    };
    return planDeployment(scene, now, failed);
  },
});

type Seen = View<readonly never[]>;

/** Deployments that may adopt a ReplicaSet without a controller. */
function adopters(set: ReplicaSet, view: Seen): string[] {
  if (controllerOf(set)) return [];
  const deployments = (view as View<readonly Kind[]>).list(DeploymentKind as Kind, set.metadata.namespace);
  return deployments
    .filter((one) =>
      matchesSelector(
        selectorOf((one as { spec?: { selector?: object } }).spec?.selector),
        set.metadata.labels,
      ),
    )
    .map(keyOf);
}

/** A Deployment that recreates waits for the end of its old pods. Rolling ones hear of pods through their ReplicaSets. */
function recreating(pod: Pod, view: Seen): string[] {
  const set = controllerOf(pod);
  if (set?.kind !== ReplicaSetKind.kind) return [];
  const kinds = view as unknown as View<readonly [typeof ReplicaSetKind, typeof DeploymentKind]>;
  const { namespace } = pod.metadata;
  const owner = controllerOf(kinds.get(ReplicaSetKind, `${namespace}/${set.name}`) ?? pod);
  if (owner?.kind !== DeploymentKind.kind) return [];
  const key = `${namespace}/${owner.name}`;
  return kinds.get(DeploymentKind, key)?.spec?.strategy?.type === 'Recreate' ? [key] : [];
}
