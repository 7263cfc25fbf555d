/** Where in the objects of a kind something can be put, read from its schema. */
import { isObject, type JsonObject, setMember } from '#machinery/schema/model.ts';
import type { Schema, Surface } from './surface.ts';

export interface Place {
  /** Names of members and indices of elements, from the object on. */
  path: readonly (string | number)[];
  holds: 'text' | 'list' | 'map';
}

/** A type inside itself is not looked into again. */
export function placesOf(surface: Surface, schemaName: string): Place[] {
  const places: Place[] = [];
  const visit = (schema: Schema, path: Place['path'], inside: readonly string[]): void => {
    const { $ref, allOf, type, oneOf, properties, items, additionalProperties } = schema;
    if (typeof $ref === 'string') {
      const name = $ref.slice($ref.lastIndexOf('/') + 1);
      if (!inside.includes(name)) visit(surface.schemas[name] ?? {}, path, [...inside, name]);
    } else if (Array.isArray(allOf)) visit(allOf[0] as Schema, path, inside);
    else if (type === 'array') {
      places.push({ path, holds: 'list' });
      visit(items as Schema, [...path, 0], inside);
    } else if (isObject(properties))
      for (const [name, property] of Object.entries(properties))
        visit(property as Schema, [...path, name], inside);
    else if (isObject(additionalProperties)) {
      places.push({ path, holds: 'map' });
      visit(additionalProperties, [...path, 'key'], inside);
    } else if (type === 'string' || oneOf) places.push({ path, holds: 'text' });
  };
  visit({ $ref: schemaName }, [], []);
  return places;
}

/** Puts a value at a path, making what lies between. */
export function putAt(object: JsonObject, path: Place['path'], value: unknown): void {
  let at: unknown = object;
  for (const [depth, key] of path.entries()) {
    const isLast = depth === path.length - 1;
    const next = isLast ? value : (memberOf(at, key) ?? (typeof path[depth + 1] === 'number' ? [] : {}));
    if (Array.isArray(at)) at[Number(key)] = next;
    else setMember(at as JsonObject, String(key), next);
    at = next;
  }
}

function memberOf(value: unknown, key: string | number): object | undefined {
  const found = (value as Record<string | number, unknown>)[key];
  return typeof found === 'object' && found !== null ? found : undefined;
}
