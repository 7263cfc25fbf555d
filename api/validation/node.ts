/** Nodes. Source: Kubernetes API reference, NodeSpec, NodeStatus. */
import { parseCidr } from '#machinery/values/cidr.ts';
import type { Node } from '../objects.ts';
import { type Faults, sameData } from './faults.ts';
import { labelValueFaults, qualifiedNameFaults } from './names.ts';
import { CIDR_RULE } from './network-policy.ts';
import { checkQuantityNotNegative, checkWholeQuantity } from './quantities.ts';
import { isIntegerResource } from './resource-names.ts';

type Taint = NonNullable<NonNullable<Node['spec']>['taints']>[number];

const EFFECTS = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

export function checkNode(node: Node, faults: Faults): void {
  checkTaints(node.spec?.taints ?? [], faults);
  checkAmounts(node, faults);
  checkPodCidrs(node.spec?.podCIDRs ?? [], 'spec.podCIDRs', faults);
}

/** Kubernetes looks for them in the spec and names them as part of the metadata. */
function checkTaints(taints: readonly Taint[], faults: Faults): void {
  const seen = new Set<string>();
  for (const [index, taint] of taints.entries()) {
    const field = `metadata.taints[${index}]`;
    faults.invalidFor(`${field}.key`, taint.key, qualifiedNameFaults(taint.key ?? ''));
    const details = labelValueFaults(taint.value ?? '');
    if (details.length > 0) faults.invalid(`${field}.value`, taint.value, details.join(';'));
    faults.oneOf(`${field}.effect`, taint.effect, EFFECTS);
    const pair = `${taint.effect} ${taint.key}`;
    if (seen.has(pair)) {
      faults.add({
        type: 'Duplicate',
        field,
        value: taint,
        detail: 'taints must be unique by key and effect pair',
      });
    }
    seen.add(pair);
  }
}

function checkAmounts({ status }: Node, faults: Faults): void {
  for (const list of ['capacity', 'allocatable'] as const) {
    for (const [name, quantity] of Object.entries(status?.[list] ?? {})) {
      const field = `status.${list}.${name}`;
      if (isIntegerResource(name)) checkWholeQuantity(quantity, field, faults);
      else checkQuantityNotNegative(quantity, field, faults);
    }
  }
}

/** At most one block for each family. */
function checkPodCidrs(blocks: readonly string[], field: string, faults: Faults): void {
  const parsed = blocks.map((block) => parseCidr(block));
  for (const [index, cidr] of parsed.entries()) {
    if (!cidr) faults.invalid(`${field}[${index}]`, blocks[index], CIDR_RULE);
  }
  if (blocks.length < 2) return;
  const families = new Set(parsed.map((cidr) => cidr?.family));
  if (families.size < 2 || blocks.length > 2) {
    faults.invalid(field, blocks, 'may specify no more than one CIDR for each IP family');
  }
  for (const [index, block] of blocks.entries()) {
    if (blocks.indexOf(block) < index) faults.duplicate(`${field}[${index}]`, block);
  }
}

/** What a node is called elsewhere, and its addresses for pods, are set once. */
export function checkNodeUpdate(node: Node, old: Node, faults: Faults): void {
  checkAddresses(node, faults);
  const before = old.spec ?? {};
  const { podCIDRs, providerID, externalID } = node.spec ?? {};
  if (before.podCIDRs?.length && !sameData(podCIDRs, before.podCIDRs)) {
    faults.forbidden('spec.podCIDRs', 'node updates may not change podCIDR except from "" to valid');
  }
  if (before.providerID && providerID !== before.providerID) {
    faults.forbidden('spec.providerID', 'node updates may not change providerID except from "" to valid');
  }
  if ((externalID ?? '') !== (before.externalID ?? '')) {
    faults.forbidden('spec.externalID', 'may not be updated');
  }
}

/** What the agent reports of its machine. */
export function checkNodeStatus(node: Node, faults: Faults): void {
  checkAmounts(node, faults);
  checkAddresses(node, faults);
}

function checkAddresses({ status }: Node, faults: Faults): void {
  const seen = new Set<string>();
  for (const [index, address] of (status?.addresses ?? []).entries()) {
    const text = `${address.type} ${address.address}`;
    if (seen.has(text)) faults.duplicate(`status.addresses[${index}]`, address);
    seen.add(text);
  }
}
