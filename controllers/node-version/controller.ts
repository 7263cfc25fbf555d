import { NodeKind } from '#api/kinds/node.ts';
import type { AnyController } from '../framework/contract.ts';
import { defineController } from '../framework/define.ts';
import { planVersion } from './plan.ts';

/** `serverVersion`: of the server that this is a part of. */
export function nodeVersionController(serverVersion: string): AnyController {
  return defineController({
    name: 'node-version-controller',
    for: NodeKind,
    reads: [],
    writes: [NodeKind],
    wakes: [],
    plan: (_, node, _view, now) => (node ? planVersion(node, serverVersion, now) : { actions: [] }),
  });
}
