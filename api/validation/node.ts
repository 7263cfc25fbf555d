import type { Node } from '../objects.ts';
import type { Faults } from './faults.ts';
import { labelValueFaults, qualifiedNameFaults } from './names.ts';

const EFFECTS = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

/** Source: Kubernetes API reference, NodeSpec. */
export function checkNode(node: Node, faults: Faults): void {
  const seen = new Set<string>();
  for (const [index, taint] of (node.spec?.taints ?? []).entries()) {
    const field = `spec.taints[${index}]`;
    faults.invalidFor(`${field}.key`, taint.key, qualifiedNameFaults(taint.key ?? ''));
    faults.invalidFor(`${field}.value`, taint.value, labelValueFaults(taint.value ?? ''));
    faults.oneOf(`${field}.effect`, taint.effect, EFFECTS);
    const pair = `${taint.effect} ${taint.key}`;
    if (seen.has(pair)) {
      faults.list.push({
        type: 'Duplicate',
        field,
        value: taint,
        detail: 'taints must be unique by key and effect pair',
      });
    }
    seen.add(pair);
  }
}

/** What a node is called elsewhere is set once. */
export function checkNodeUpdate(node: Node, old: Node, faults: Faults): void {
  if (old.spec?.providerID && node.spec?.providerID !== old.spec.providerID) {
    faults.forbidden('spec.providerID', 'node updates may not change providerID except from "" to valid');
  }
}
