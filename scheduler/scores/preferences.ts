import { preferredNodeWeight } from '#api/semantics/node-affinity.ts';
import { tolerates } from '#api/semantics/taints.ts';
import type { Score } from '../contract.ts';

/** Prefers nodes with fewer PreferNoSchedule taints that the pod does not tolerate. */
export const taintPreference: Score = {
  name: 'TaintToleration',
  weight: 3,
  normalize: 'inverse',
  of: ({ spec }, nodes) =>
    nodes.map(({ node }) => {
      const soft = node?.spec?.taints?.filter(({ effect }) => effect === 'PreferNoSchedule') ?? [];
      return soft.filter((taint) => !spec.tolerations?.some((one) => tolerates(one, taint))).length;
    }),
};

/** Prefers nodes that match the preferred node affinity, by weight. */
export const preferredAffinity: Score = {
  name: 'NodeAffinity',
  weight: 2,
  normalize: 'largest',
  of: ({ spec }, nodes) => nodes.map(({ node }) => (node ? preferredNodeWeight(spec, node) : 0)),
};
