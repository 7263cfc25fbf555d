import type { Score } from '../contract.ts';

/** Prefers nodes with fewer pods of the same controller. */
export const spread: Score = {
  name: 'SpreadByOwner',
  weight: 2,
  normalize: 'inverse',
  of: ({ group }, nodes) => nodes.map((node) => (group === undefined ? 0 : (node.groups.get(group) ?? 0))),
};
