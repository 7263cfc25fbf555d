import type { Kind } from '../kind.ts';
import type { ApiObject } from '../objects.ts';

/**
 * Sound objects of a kind that together use every field users can write: what tests that are derived from the field table
 * break, one field at a time.
 */
export interface Specimen {
  kind: Kind;
  /** By what is special about it, as test names show it. Each has passed no defaults yet. */
  objects: Record<string, ApiObject>;
}

/** `parts` as a whole object of the kind called `name`, in namespace `default` when the kind has namespaces. */
export function specimenOf<T extends ApiObject>(
  kind: Kind<T>,
  objects: Record<string, Record<string, unknown>>,
): Specimen {
  const whole = ([what, parts]: [string, Record<string, unknown>]) => {
    const { metadata, ...rest } = parts;
    const own = {
      name: 'specimen',
      ...(kind.namespaced && { namespace: 'default' }),
      ...(metadata as object),
    };
    const apiVersion = kind.group ? `${kind.group}/${kind.version}` : kind.version;
    return [what, { apiVersion, kind: kind.kind, metadata: own, ...rest }];
  };
  return { kind: kind as unknown as Kind, objects: Object.fromEntries(Object.entries(objects).map(whole)) };
}
