import type { Kind } from '#api/kind.ts';
import { NodeKind } from '#api/kinds/node.ts';
import type { Node } from '#api/objects.ts';
import { type Cidr, cidrsOverlap, formatCidr, nthSubnet, parseCidr } from '#machinery/values/cidr.ts';
import type { Action, Plan } from '../framework/contract.ts';

/** Size of a node's block. Source: Kubernetes, node-cidr-mask-size. */
const BLOCK_PREFIX = { 4: 24, 6: 64 } as const;
/** More nodes than any cluster has: bounds the search in IPv6 ranges. */
const MAX_BLOCKS = 65_536;

/**
 * Each node gets one block of every cluster range, the first that no other node has. Blocks are never taken back while the
 * node exists.
 */
export function planNodeBlocks(
  node: Node,
  others: readonly Node[],
  clusterCidrs: readonly string[],
): Plan<Kind<Node>> {
  if (node.spec?.podCIDR || node.metadata.deletionTimestamp || clusterCidrs.length === 0)
    return { actions: [] };
  const taken = others.flatMap(blocksOf);
  const blocks: string[] = [];
  for (const range of clusterCidrs) {
    const block = firstFree(range, taken);
    if (!block) return { actions: [noneLeft(node, range)], againAfterMs: 60_000 };
    blocks.push(block);
  }
  const { name, uid, resourceVersion } = node.metadata;
  const body = { metadata: { uid, resourceVersion }, spec: { podCIDR: blocks[0], podCIDRs: blocks } };
  const why = { reason: 'NoPodCIDR', message: `its pods get addresses from ${blocks.join(', ')}` };
  return { actions: [{ do: 'patch', kind: NodeKind, key: name, patch: { type: 'merge', body }, why }] };
}

function blocksOf(node: Node): Cidr[] {
  const texts = node.spec?.podCIDRs ?? (node.spec?.podCIDR ? [node.spec.podCIDR] : []);
  return texts.map(parseCidr).filter((cidr) => cidr !== undefined);
}

function firstFree(range: string, taken: readonly Cidr[]): string | undefined {
  const cluster = parseCidr(range);
  if (!cluster) throw new RangeError(`the cluster range ${range} is not a CIDR`);
  const prefix = Math.max(cluster.prefix, BLOCK_PREFIX[cluster.family]);
  const used = new Set(taken.filter((one) => one.prefix === prefix).map(formatCidr));
  const odd = taken.filter((one) => one.prefix !== prefix);
  for (let n = 0; n < MAX_BLOCKS; n++) {
    const block = nthSubnet(cluster, prefix, n);
    if (!block) return undefined;
    const text = formatCidr(block);
    if (!used.has(text) && !odd.some((one) => cidrsOverlap(one, block))) return text;
  }
  return undefined;
}

function noneLeft(node: Node, range: string): Action<Kind<Node>> {
  const why = { reason: 'CIDRNotAvailable', message: `Every block of ${range} is given to another node` };
  return { do: 'event', about: node, type: 'Warning', why };
}
