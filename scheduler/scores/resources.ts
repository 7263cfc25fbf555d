import type { Score } from '../contract.ts';
import type { NodeState } from '../node-state.ts';
import type { PodNeeds } from '../pod-needs.ts';

/** Fraction of cpu and memory in use with the pod on the node, at most 1. */
function used({ scored }: PodNeeds, node: NodeState): [number, number] {
  const fraction = (name: 'cpu' | 'memory') => {
    const total = node.allocatable[name] ?? 0;
    return total > 0 ? Math.min(1, (node.scored[name] + scored[name]) / total) : 1;
  };
  return [fraction('cpu'), fraction('memory')];
}

/** Prefers nodes with much left. */
export const leastAllocated: Score = {
  name: 'LeastAllocated',
  weight: 1,
  normalize: 'none',
  of: (needs, nodes) =>
    nodes.map((node) => {
      const [cpu, memory] = used(needs, node);
      return (100 * (1 - cpu + (1 - memory))) / 2;
    }),
};

/** Prefers nodes whose cpu and memory are used to the same degree, so that neither is left over alone. */
export const balanced: Score = {
  name: 'BalancedAllocation',
  weight: 1,
  normalize: 'none',
  of: (needs, nodes) =>
    nodes.map((node) => {
      const [cpu, memory] = used(needs, node);
      return 100 * (1 - Math.abs(cpu - memory) / 2);
    }),
};
