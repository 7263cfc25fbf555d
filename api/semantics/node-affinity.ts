/**
 * Which nodes a pod may or would like to run on, by node labels and fields.
 * Source: Kubernetes documentation, "Assigning Pods to Nodes"; Kubernetes API, NodeSelector.
 */
import type * as k8s from '@kubernetes/client-node';
import type { Node, PodSpec } from '../objects.ts';

export type NodeSelector = k8s.V1NodeSelector;
export type NodeSelectorTerm = k8s.V1NodeSelectorTerm;
export type NodeSelectorRequirement = k8s.V1NodeSelectorRequirement;

/** Whether the pod's nodeSelector and required node affinity admit `node`. */
export function matchesNode(spec: PodSpec, node: Node): boolean {
  const labels = node.metadata.labels ?? {};
  for (const key in spec.nodeSelector) if (labels[key] !== spec.nodeSelector[key]) return false;
  const required = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return !required || matchesNodeSelector(required, node);
}

/** Whether any term matches; a term without requirements matches nothing. */
function matchesNodeSelector(selector: NodeSelector, node: Node): boolean {
  return selector.nodeSelectorTerms.some((term) => matchesNodeSelectorTerm(term, node));
}

/** Whether all requirements of the term hold. */
export function matchesNodeSelectorTerm(term: NodeSelectorTerm, node: Node): boolean {
  const { matchExpressions = [], matchFields = [] } = term;
  if (matchExpressions.length === 0 && matchFields.length === 0) return false;
  const labels = node.metadata.labels ?? {};
  const fields = { 'metadata.name': node.metadata.name };
  return (
    matchExpressions.every((requirement) => holds(requirement, labels)) &&
    matchFields.every((requirement) => holds(requirement, fields))
  );
}

/** The sum of the weights of the preferred terms that match. */
export function preferredNodeWeight(spec: PodSpec, node: Node): number {
  let weight = 0;
  for (const preferred of spec.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ??
    []) {
    if (isEmpty(preferred.preference) || matchesNodeSelectorTerm(preferred.preference, node)) {
      weight += preferred.weight;
    }
  }
  return weight;
}

function isEmpty(term: NodeSelectorTerm): boolean {
  return !term.matchExpressions?.length && !term.matchFields?.length;
}

function holds(
  { key, operator, values = [] }: NodeSelectorRequirement,
  labels: Record<string, string>,
): boolean {
  const label = Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case 'In':
      return label !== undefined && values.includes(label);
    case 'NotIn':
      return label === undefined || !values.includes(label);
    case 'Exists':
      return label !== undefined;
    case 'DoesNotExist':
      return label === undefined;
    case 'Gt':
      return compares(label, values[0], (mine, bound) => mine > bound);
    case 'Lt':
      return compares(label, values[0], (mine, bound) => mine < bound);
    default:
      return false;
  }
}

const INTEGER = /^-?[0-9]{1,19}$/;

function compares(
  label: string | undefined,
  bound: string | undefined,
  test: (mine: bigint, bound: bigint) => boolean,
): boolean {
  if (label === undefined || bound === undefined || !INTEGER.test(label) || !INTEGER.test(bound))
    return false;
  return test(BigInt(label), BigInt(bound));
}
