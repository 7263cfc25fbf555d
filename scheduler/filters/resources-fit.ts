import type { Why } from '#api/why.ts';
import type { Filter } from '../contract.ts';

/** What the pod requests must be left on the node, and one place among its pods. */
export const resourcesFit: Filter = {
  name: 'NodeResourcesFit',
  refuses({ requests }, node) {
    const refusals: Why[] = [];
    if (node.pods.size + 1 > node.maxPods) refusals.push({ reason: 'TooManyPods', message: 'Too many pods' });
    for (const name in requests) {
      const wanted = requests[name]!;
      if (wanted === 0 || name === 'pods') continue;
      const free = (node.allocatable[name] ?? 0) - (node.requested[name] ?? 0);
      if (wanted > free)
        refusals.push({ reason: `Insufficient${camelCase(name)}`, message: `Insufficient ${name}` });
    }
    return refusals.length ? refusals : undefined;
  },
};

/** `ephemeral-storage` → `EphemeralStorage`. */
function camelCase(name: string): string {
  return name
    .split(/[^a-zA-Z0-9]+/)
    .map((word) => word.slice(0, 1).toUpperCase() + word.slice(1))
    .join('');
}
