/** Objects that could be meant: examples that the server is known to take, and values made from schemas. */
import { isObject, type JsonObject, setMember } from '#machinery/schema/model.ts';
import type { Dice } from './dice.ts';
import { EXAMPLES, named, specimensOf } from './examples.ts';
import type { Operation, Schema, Surface } from './surface.ts';

/** An object that the server takes as it is, named after `seed`. */
export function exampleOf(
  surface: Surface,
  { gvk, body }: Pick<Operation, 'gvk' | 'body'>,
  seed: number,
  dice: Dice,
): JsonObject {
  const { group, version, kind } = gvk;
  const key = group ? `${group}/${kind}` : kind;
  const known = Object.hasOwn(EXAMPLES, key) ? EXAMPLES[key] : specimensOf(gvk)[0];
  const own = known ?? requiredOf(surface, body, dice);
  const apiVersion = group ? `${group}/${version}` : version;
  return { apiVersion, kind, ...named(kind, structuredClone(own), seed) };
}

function requiredOf(surface: Surface, body: string | undefined, dice: Dice): JsonObject {
  const made = body === undefined ? {} : plausible(surface, { $ref: body }, dice, { share: 0 });
  return isObject(made) ? made : {};
}

export interface Density {
  /** Share of the optional fields that are filled in. */
  share: number;
  /** How deep in the object this is. */
  depth?: number;
}

/** Deeper than this only what is required is made: schemas may contain themselves. */
const MAX_OPTIONAL_DEPTH = 6;
const MAX_DEPTH = 12;

/** A value that conforms to a schema, its leaves from what such fields hold. */
export function plausible(
  surface: Surface,
  schema: Schema,
  dice: Dice,
  { share, depth = 0 }: Density,
  name = '',
): unknown {
  const { $ref, allOf, oneOf, type, format } = schema as Record<string, string | Schema[] | undefined>;
  const at = { share, depth };
  if (typeof $ref === 'string') {
    const target = surface.schemas[$ref.slice($ref.lastIndexOf('/') + 1)] ?? {};
    return plausible(surface, target, dice, at, $ref.endsWith('Quantity') ? 'quantity' : name);
  }
  if (Array.isArray(allOf)) return plausible(surface, { ...allOf[0], ...without(schema) }, dice, at, name);
  const values = schema['enum'];
  if (Array.isArray(values) && type !== 'array') return dice.pick(values as unknown[]);
  if (name === 'quantity') return dice.pick(['1', '500m', '1Gi', '0', '1e3']);
  if (Array.isArray(oneOf)) return plausible(surface, dice.pick(oneOf), dice, at, name);
  if (type === 'object') return plausibleObject(surface, schema, dice, at);
  if (type === 'array') {
    const items = schema['items'] as Schema;
    const count = depth > MAX_DEPTH ? 0 : dice.pick([1, 1, 2, 0]);
    return Array.from({ length: count }, () =>
      plausible(surface, items, dice, { share, depth: depth + 1 }, name),
    );
  }
  if (type === 'boolean') return dice.chance(0.5);
  if (type === 'integer' || type === 'number') return dice.pick([1, 80, 3, 0, 100, 8080]);
  return plausibleText(String(format ?? ''), name, dice);
}

function without({ allOf: _, ...rest }: Schema): Schema {
  return rest;
}

function plausibleObject(surface: Surface, schema: Schema, dice: Dice, at: Required<Density>): JsonObject {
  const object: JsonObject = {};
  const { share, depth } = at;
  if (depth > MAX_DEPTH) return object;
  const deeper = { share: depth > MAX_OPTIONAL_DEPTH ? 0 : share, depth: depth + 1 };
  const required = (schema['required'] ?? []) as string[];
  const properties = (schema['properties'] ?? {}) as Record<string, Schema>;
  for (const [name, property] of Object.entries(properties)) {
    if (name === 'apiVersion' || (name === 'kind' && depth === 0)) continue;
    if (required.includes(name) || dice.chance(deeper.share))
      setMember(object, name, plausible(surface, property, dice, deeper, name));
  }
  const { additionalProperties } = schema;
  if (isObject(additionalProperties))
    object[dice.pick(['app', 'cpu', 'example.com/key'])] = plausible(
      surface,
      additionalProperties,
      dice,
      deeper,
    );
  return object;
}

const TEXTS_BY_NAME: Record<string, readonly string[]> = {
  protocol: ['TCP', 'UDP'],
  operator: ['In', 'Exists', 'Equal', 'DoesNotExist'],
  image: ['registry.example/app:1', 'busybox'],
  mountPath: ['/data', '/etc/x'],
  path: ['/healthz', 'a/b'],
  ip: ['192.0.2.1', '2001:db8::1'],
  podIP: ['10.1.0.5'],
  clusterIP: ['None', ''],
  topologyKey: ['kubernetes.io/hostname'],
  key: ['app', 'kubernetes.io/hostname'],
  status: ['True', 'False', 'Unknown'],
  fieldPath: ['metadata.name', 'status.podIP'],
  resource: ['limits.cpu', 'pods'],
};

function plausibleText(format: string, name: string, dice: Dice): string {
  if (format === 'date-time') return dice.pick(['2026-01-01T00:00:00Z', '2026-05-05T05:05:05.123456Z']);
  if (format === 'byte') return dice.pick(['', 'AAAA', 'aGVsbG8=']);
  const known = Object.hasOwn(TEXTS_BY_NAME, name) ? TEXTS_BY_NAME[name] : undefined;
  return dice.pick(known ?? ['a', 'web', 'example.com/a', '1', '10m', 'v1']);
}
