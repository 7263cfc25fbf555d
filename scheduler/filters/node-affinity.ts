import { matchesNode } from '#api/semantics/node-affinity.ts';
import type { Filter } from '../contract.ts';

/** nodeSelector and required node affinity. */
export const nodeAffinity: Filter = {
  name: 'NodeAffinity',
  refuses: ({ spec }, { node }) =>
    node && matchesNode(spec, node)
      ? undefined
      : [{ reason: 'NodeAffinity', message: "node(s) didn't match Pod's node affinity/selector" }],
};
