import type { Kind, Verb } from '#api/kind.ts';

export const ALL_VERBS: readonly Verb[] = [
  'create',
  'delete',
  'deletecollection',
  'get',
  'list',
  'patch',
  'update',
  'watch',
];

/** The verbs a kind is served with. */
export function verbsOf(kind: Kind): readonly Verb[] {
  return kind.verbs ?? ALL_VERBS;
}
