/**
 * Required affinity and anti-affinity between pods. The cost is paid only by pods that have such terms, and for those
 * placed already that keep others away. Namespace selectors are not looked at: a term without namespaces means its own.
 * Source: Kubernetes documentation, "Inter-pod affinity and anti-affinity".
 */
import type * as k8s from '@kubernetes/client-node';
import type { Pod } from '#api/objects.ts';
import { matchesSelector, selectorOf } from '#machinery/values/selector.ts';
import type { ClusterState } from '../cluster-state.ts';
import type { Filter } from '../contract.ts';
import type { NodeState } from '../node-state.ts';
import type { PodNeeds } from '../pod-needs.ts';

type Term = k8s.V1PodAffinityTerm;

export const podAffinity: Filter = {
  name: 'InterPodAffinity',
  refuses(needs, node, cluster) {
    const { podAffinity: near, podAntiAffinity: away } = needs.spec.affinity ?? {};
    for (const term of near?.requiredDuringSchedulingIgnoredDuringExecution ?? []) {
      if (!isNear(term, needs, node, cluster))
        return [{ reason: 'PodAffinity', message: "node(s) didn't match pod affinity rules" }];
    }
    for (const term of away?.requiredDuringSchedulingIgnoredDuringExecution ?? []) {
      const value = node.labels[term.topologyKey];
      if (
        value !== undefined &&
        someone(term, needs, cluster, (other) => other.labels[term.topologyKey] === value)
      )
        return [{ reason: 'PodAntiAffinity', message: "node(s) didn't match pod anti-affinity rules" }];
    }
    if (isRepelled(needs, node, cluster)) {
      const message = "node(s) didn't satisfy existing pods anti-affinity rules";
      return [{ reason: 'ExistingPodAntiAffinity', message }];
    }
    return undefined;
  },
};

/** The first pod of a group may go anywhere: its term matches itself and nobody else is there yet. */
function isNear(term: Term, needs: PodNeeds, node: NodeState, cluster: ClusterState): boolean {
  const value = node.labels[term.topologyKey];
  if (value === undefined) return false;
  if (someone(term, needs, cluster, (other) => other.labels[term.topologyKey] === value)) return true;
  return selects(term, needs.pod, needs.pod) && !someone(term, needs, cluster, () => true);
}

function someone(
  term: Term,
  needs: PodNeeds,
  cluster: ClusterState,
  where: (node: NodeState) => boolean,
): boolean {
  for (const node of cluster.nodes()) {
    if (!where(node)) continue;
    for (const { pod } of node.pods.values()) if (selects(term, needs.pod, pod)) return true;
  }
  return false;
}

function isRepelled(needs: PodNeeds, node: NodeState, cluster: ClusterState): boolean {
  for (const other of cluster.repelling()) {
    const where = cluster.nodeOf(other.key);
    for (const term of other.spec.affinity!.podAntiAffinity!
      .requiredDuringSchedulingIgnoredDuringExecution!) {
      const value = node.labels[term.topologyKey];
      if (value === undefined || where?.labels[term.topologyKey] !== value) continue;
      if (selects(term, other.pod, needs.pod)) return true;
    }
  }
  return false;
}

function selects(term: Term, owner: Pod, other: Pod): boolean {
  const namespaces = term.namespaces?.length ? term.namespaces : [owner.metadata.namespace];
  return (
    namespaces.includes(other.metadata.namespace ?? '') &&
    matchesSelector(selectorOf(term.labelSelector), other.metadata.labels)
  );
}
