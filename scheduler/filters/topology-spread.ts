/**
 * Spread constraints that forbid (DoNotSchedule): no topology domain may hold more than maxSkew pods more than the
 * emptiest one. Source: Kubernetes documentation, "Pod Topology Spread Constraints".
 */
import { matchesNode } from '#api/semantics/node-affinity.ts';
import { matchesSelector, type Selector, selectorOf } from '#machinery/values/selector.ts';
import type { ClusterState } from '../cluster-state.ts';
import type { Filter } from '../contract.ts';
import type { PodNeeds } from '../pod-needs.ts';

export const topologySpread: Filter = {
  name: 'PodTopologySpread',
  refuses(needs, node, cluster) {
    for (const constraint of needs.spec.topologySpreadConstraints ?? []) {
      if (constraint.whenUnsatisfiable !== 'DoNotSchedule') continue;
      const { topologyKey, maxSkew } = constraint;
      const message = "node(s) didn't match pod topology spread constraints";
      const value = node.labels[topologyKey];
      if (value === undefined)
        return [{ reason: 'PodTopologySpread', message: `${message} (missing required label)` }];
      const selector = selectorOf(constraint.labelSelector);
      const counts = domains(topologyKey, selector, needs, cluster);
      const self = matchesSelector(selector, needs.pod.metadata.labels) ? 1 : 0;
      const skew = (counts.get(value) ?? 0) + self - Math.min(...counts.values());
      if (skew > maxSkew) return [{ reason: 'PodTopologySpread', message }];
    }
    return undefined;
  },
};

/** Matching pods per value of the key, over the nodes that the pod's own node affinity admits. */
function domains(
  key: string,
  selector: Selector | undefined,
  needs: PodNeeds,
  cluster: ClusterState,
): Map<string, number> {
  const counts = new Map<string, number>();
  for (const state of cluster.nodes()) {
    const value = state.labels[key];
    if (value === undefined || !state.node || !matchesNode(needs.spec, state.node)) continue;
    let count = counts.get(value) ?? 0;
    for (const { pod } of state.pods.values()) {
      if (pod.metadata.deletionTimestamp || pod.metadata.namespace !== needs.pod.metadata.namespace) continue;
      if (matchesSelector(selector, pod.metadata.labels)) count++;
    }
    counts.set(value, count);
  }
  return counts;
}
