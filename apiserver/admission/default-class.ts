import type { ApiObject } from '#api/objects.ts';

/** The name of the class that counts when several say they are the default: the newest, then the first by name. */
export function newestName(classes: readonly ApiObject[]): string | undefined {
  const [first] = classes
    .map(({ metadata: { name, creationTimestamp = '' } }) => ({ name, made: creationTimestamp }))
    .sort((a, b) => (a.made === b.made ? (a.name < b.name ? -1 : 1) : a.made > b.made ? -1 : 1));
  return first?.name;
}
