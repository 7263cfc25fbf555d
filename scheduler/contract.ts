/**
 * How a node is chosen for a pod. Filters say which nodes can take it and refuse with a typed Why; scores say which of
 * those is best. Both are pure over the cluster as the scheduler knows it; adding one is a file and a line in its list.
 */
import type { Why } from '#api/why.ts';
import type { ClusterState } from './cluster-state.ts';
import type { NodeState } from './node-state.ts';
import type { PodNeeds } from './pod-needs.ts';

export interface Filter {
  name: string;
  /** Undefined when the node can take the pod; otherwise every reason why not, in the words of Kubernetes. */
  refuses(needs: PodNeeds, node: NodeState, cluster: ClusterState): Why[] | undefined;
}

export interface Score {
  name: string;
  /** How much it counts beside the others. */
  weight: number;
  /** Numbers for all nodes, higher is better; brought to 0-100 by `normalize`. */
  of(needs: PodNeeds, nodes: readonly NodeState[], cluster: ClusterState): number[];
  /** `largest` = 100 for the largest; `inverse` = 100 for the smallest; `none` = already 0-100. */
  normalize: 'largest' | 'inverse' | 'none';
}
