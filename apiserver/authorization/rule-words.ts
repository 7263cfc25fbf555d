import type { PolicyRule } from '#api/objects.ts';

/** The words in which the default roles are written. */
export const read = ['get', 'list', 'watch'];
export const write = ['create', 'update', 'patch', 'delete'];
export const all = [...read, ...write, 'deletecollection'];
export const GANTRY = 'gantry.dev';

export function rule(verbs: string[], apiGroups: string[], resources: string[]): PolicyRule {
  return { verbs, apiGroups, resources };
}

export function path(...nonResourceURLs: string[]): PolicyRule {
  return { verbs: ['get'], nonResourceURLs };
}
