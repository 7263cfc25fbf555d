import { NodeKind } from '#api/kinds/node.ts';
import type { AnyController } from '../framework/contract.ts';
import { defineController } from '../framework/define.ts';
import { planNodeBlocks } from './plan.ts';

/** `clusterCidrs`: one range per address family, the primary one first. */
export function nodeIpamController(clusterCidrs: readonly string[]): AnyController {
  return defineController({
    name: 'node-ipam-controller',
    for: NodeKind,
    reads: [],
    writes: [NodeKind],
    wakes: [],
    oneAtATime: true,
    plan(key, node, view) {
      if (!node) return { actions: [] };
      const others = view.list(NodeKind).filter(({ metadata }) => metadata.name !== key);
      return planNodeBlocks(node, others, clusterCidrs);
    },
  });
}
