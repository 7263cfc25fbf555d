import type { ApiObject, ObjectKey } from '#api/objects.ts';

/** Named functions from an object to values, and for each value the objects that have it. */
export class ObjectIndexes<T extends ApiObject> {
  readonly #functions: [string, (object: T) => string[]][];
  readonly #byName = new Map<string, Map<string, Map<ObjectKey, T>>>();

  constructor(functions: Record<string, (object: T) => string[]>) {
    this.#functions = Object.entries(functions);
    for (const [name] of this.#functions) this.#byName.set(name, new Map());
  }

  get(name: string, value: string): readonly T[] {
    const index = this.#byName.get(name);
    if (!index) throw new RangeError(`there is no index ${name}; it must be given when the informer is made`);
    const found = index.get(value);
    return found ? [...found.values()] : [];
  }

  replace(key: ObjectKey, before: T | undefined, after: T | undefined): void {
    for (const [name, valuesOf] of this.#functions) {
      const index = this.#byName.get(name)!;
      const stay = new Set(after ? valuesOf(after) : []);
      for (const value of before ? valuesOf(before) : []) {
        if (stay.has(value)) continue;
        const objects = index.get(value);
        objects?.delete(key);
        if (objects?.size === 0) index.delete(value);
      }
      for (const value of stay) {
        const objects = index.get(value);
        if (objects) objects.set(key, after!);
        else index.set(value, new Map([[key, after!]]));
      }
    }
  }
}

/** Index by namespace; cluster-scoped objects are under the empty string. */
export function byNamespace(object: ApiObject): string[] {
  return [object.metadata.namespace ?? ''];
}

/** Index by uid of the controller that owns the object; those without one are under the empty string. */
export function byController(object: ApiObject): string[] {
  const owner = object.metadata.ownerReferences?.find((reference) => reference.controller);
  return [owner?.uid ?? ''];
}

/** Index by uid of every owner. */
export function byOwner(object: ApiObject): string[] {
  return object.metadata.ownerReferences?.map((reference) => reference.uid) ?? [];
}
