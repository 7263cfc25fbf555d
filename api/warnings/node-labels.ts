/** Labels of nodes that nobody should select by any more. Source: Kubernetes, pkg/api/node/util.go. */
import type * as k8s from '@kubernetes/client-node';
import type { LabelSelector, Wire } from '../objects.ts';
import { labelValueFaults } from '../validation/names.ts';

const DEPRECATED = new Map([
  ['beta.kubernetes.io/arch', 'deprecated since v1.14; use "kubernetes.io/arch" instead'],
  ['beta.kubernetes.io/os', 'deprecated since v1.14; use "kubernetes.io/os" instead'],
  [
    'failure-domain.beta.kubernetes.io/region',
    'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
  ],
  [
    'failure-domain.beta.kubernetes.io/zone',
    'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
  ],
  [
    'beta.kubernetes.io/instance-type',
    'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
  ],
  ['app.kubernetes.io/created-by', 'deprecated since v1.9'],
  [
    'scheduler.alpha.kubernetes.io/preferAvoidPods',
    'deprecated since v1.22; use Taints and Tolerations instead',
  ],
  ['node-role.kubernetes.io/master', 'use "node-role.kubernetes.io/control-plane" instead'],
]);

/** What is said of a label of nodes; undefined when it is a good one. */
export function deprecatedNodeLabel(key: string): string | undefined {
  return DEPRECATED.get(key);
}

type NodeSelectorTerm = Wire<k8s.V1NodeSelectorTerm>;

export function nodeTermWarnings(
  term: NodeSelectorTerm | undefined,
  field: string,
  checkValues: boolean,
): string[] {
  return (term?.matchExpressions ?? []).flatMap(({ key, values }, index) => {
    const at = `${field}.matchExpressions[${index}]`;
    const warnings = keyWarnings(key, at);
    if (checkValues)
      for (const [place, value] of (values ?? []).entries())
        for (const fault of labelValueFaults(value))
          warnings.push(`${at}.values[${place}]: ${value} is invalid, ${fault}`);
    return warnings;
  });
}

export function nodeSelectorWarnings(selector: LabelSelector | undefined, field: string): string[] {
  const expressions = (selector?.matchExpressions ?? []).flatMap(({ key }, index) =>
    keyWarnings(key, `${field}.matchExpressions[${index}]`),
  );
  const labels = Object.keys(selector?.matchLabels ?? {}).flatMap((label) => {
    const text = deprecatedNodeLabel(label);
    return text === undefined ? [] : [`${field}.matchLabels.${label}: ${text}`];
  });
  return [...expressions, ...labels];
}

function keyWarnings(key: string, at: string): string[] {
  const text = deprecatedNodeLabel(key);
  return text === undefined ? [] : [`${at}.key: ${key} is ${text}`];
}
