import {
  type Field,
  isObject,
  type JsonObject,
  type StructType,
  type ValueType,
} from '#machinery/schema/model.ts';

/** A field of an object at one place. */
export interface Found {
  /** As faults name it: `spec.rules[0].host`. */
  path: string;
  /** As the table names it: `io.k8s.api.core.v1.Container.image`. */
  tableName: string;
  field: Field;
  holder: JsonObject;
}

/** Metadata, of templates too, and what clients do not write are the business of other tests. */
function isElsewhere({ name, value }: Field, isRoot: boolean): boolean {
  if (value.form === 'struct' && value.type.name.endsWith('.ObjectMeta')) return true;
  return isRoot && ['apiVersion', 'kind', 'status'].includes(name);
}

/** Every field that an object has, with those inside. */
export function* fieldsOf(object: JsonObject, type: StructType, path = ''): Generator<Found> {
  for (const [name, value] of Object.entries(object)) {
    const field = type.fields.get(name);
    if (!field || isElsewhere(field, path === '')) continue;
    const at = path ? `${path}.${name}` : name;
    yield { path: at, tableName: `${type.name}.${name}`, field, holder: object };
    yield* within(value, field.value, at);
  }
}

function* within(value: unknown, type: ValueType, path: string): Generator<Found> {
  if (type.form === 'struct' && isObject(value)) yield* fieldsOf(value, type.type, path);
  if (type.form === 'list' && Array.isArray(value))
    for (const [index, element] of value.entries()) yield* within(element, type.of, `${path}[${index}]`);
  if (type.form === 'map' && isObject(value))
    for (const [key, element] of Object.entries(value)) yield* within(element, type.of, `${path}[${key}]`);
}

/** The table names of all fields of a type and of the types inside it, but for those of metadata and status. */
export function tableNames(type: StructType, seen = new Set<string>(), isRoot = true): string[] {
  if (seen.has(type.name)) return [];
  seen.add(type.name);
  return [...type.fields.values()].flatMap((field) => {
    if (isElsewhere(field, isRoot)) return [];
    const inner = structIn(field.value);
    return [`${type.name}.${field.name}`, ...(inner ? tableNames(inner, seen, false) : [])];
  });
}

function structIn(value: ValueType): StructType | undefined {
  if (value.form === 'struct') return value.type;
  return value.form === 'list' || value.form === 'map' ? structIn(value.of) : undefined;
}
