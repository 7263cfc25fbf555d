import type { Filter } from '../contract.ts';

/** A pod that names its node goes nowhere else. */
export const nodeName: Filter = {
  name: 'NodeName',
  refuses: ({ spec }, node) =>
    !spec.nodeName || spec.nodeName === node.name
      ? undefined
      : [{ reason: 'NodeName', message: "node(s) didn't match the requested node name" }],
};
