/** The decision for one pod: pure over the cluster's state, with chance only between nodes that are equally good. */
import type { Why } from '#api/why.ts';
import type { Random } from '#machinery/random.ts';
import type { ClusterState } from './cluster-state.ts';
import type { Filter, Score } from './contract.ts';
import { FILTERS } from './filters/index.ts';
import type { NodeState } from './node-state.ts';
import type { PodNeeds } from './pod-needs.ts';
import { SCORES } from './scores/index.ts';

export type Placement = { node: string } | { refused: Refusal };

export interface Refusal {
  nodes: number;
  /** Node name → what its first refusing filter said. */
  byNode: Map<string, Why[]>;
}

export function place(needs: PodNeeds, cluster: ClusterState, random: Random): Placement {
  const nodes = cluster.nodes();
  const fitting: NodeState[] = [];
  const byNode = new Map<string, Why[]>();
  for (const node of nodes) {
    const refusal = firstRefusal(FILTERS, needs, node, cluster);
    if (refusal) byNode.set(node.name, refusal);
    else fitting.push(node);
  }
  if (fitting.length === 0) return { refused: { nodes: nodes.length, byNode } };
  return { node: best(fitting, totals(SCORES, needs, fitting, cluster), random).name };
}

function firstRefusal(
  filters: readonly Filter[],
  needs: PodNeeds,
  node: NodeState,
  cluster: ClusterState,
): Why[] | undefined {
  for (const filter of filters) {
    const refusal = filter.refuses(needs, node, cluster);
    if (refusal) return refusal;
  }
  return undefined;
}

function totals(
  scores: readonly Score[],
  needs: PodNeeds,
  nodes: readonly NodeState[],
  cluster: ClusterState,
): number[] {
  const sums = nodes.map(() => 0);
  if (nodes.length === 1) return sums;
  for (const score of scores) {
    const points = normalized(score.of(needs, nodes, cluster), score.normalize);
    for (let i = 0; i < sums.length; i++) sums[i] = sums[i]! + score.weight * points[i]!;
  }
  return sums;
}

function normalized(points: number[], how: Score['normalize']): number[] {
  if (how === 'none') return points;
  const largest = Math.max(...points);
  if (largest === 0) return points.map(() => (how === 'inverse' ? 100 : 0));
  return points.map((point) => (how === 'largest' ? (100 * point) / largest : 100 - (100 * point) / largest));
}

/** Sums closer than this are equal: what differs is rounding. */
const EPSILON = 1e-6;

function best(nodes: readonly NodeState[], sums: readonly number[], random: Random): NodeState {
  const largest = Math.max(...sums);
  const equals = nodes.filter((_, i) => sums[i]! >= largest - EPSILON);
  return equals[Math.floor(random.next() * equals.length)]!;
}

/** `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable.` Source: Kubernetes, FitError. */
export function refusalText({ nodes, byNode }: Refusal): string {
  if (nodes === 0) return 'no nodes available to schedule pods';
  const counts = new Map<string, number>();
  for (const whys of byNode.values())
    for (const { message } of whys) counts.set(message, (counts.get(message) ?? 0) + 1);
  const reasons = [...counts].map(([message, count]) => `${count} ${message}`).sort();
  return `0/${nodes} nodes are available: ${reasons.join(', ')}.`;
}
