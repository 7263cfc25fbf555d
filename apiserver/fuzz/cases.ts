/** From a seed to the request that it stands for. */
import { isObject, type JsonObject, type Schemas } from '#machinery/schema/model.ts';
import type { TransportRequest } from '#machinery/transport.ts';
import { type Body, bodyOf } from './bodies.ts';
import { Dice } from './dice.ts';
import { specimensOf } from './examples.ts';
import { mutate } from './mutate.ts';
import { patchBody } from './patches.ts';
import { exampleOf, plausible } from './plausible.ts';
import { contentTypeOf, headersOf, METHODS, pathText, queryText } from './requests.ts';
import { creatorOf, type Operation, pathFor, type Surface } from './surface.ts';

export const NAMESPACE = 'fuzz';

/** A request, and the object that must be there before. */
export interface FuzzCase {
  seed: number;
  operation: Operation;
  /** Creates the object that the request is about; undefined when it needs none. */
  before: TransportRequest | undefined;
  request: TransportRequest;
}

/** The same seed and surface make the same case. Seeds go round all operations. */
export function caseOf(seed: number, surface: Surface, schemas: Schemas): FuzzCase {
  const operation = surface.operations[seed % surface.operations.length]!;
  const dice = new Dice(seed);
  const creator = creatorOf(surface, operation);
  const example = creator && exampleOf(surface, creator, seed, dice);
  const name = isObject(example?.['metadata']) ? String(example['metadata']['name']) : 'base';
  const path = pathText(pathFor(operation, NAMESPACE, name), dice);
  const method = dice.chance(0.02) ? dice.pick(METHODS) : operation.method;
  const body = requestBody(operation, surface, example, dice, schemas);
  const headers = headersOf(dice);
  if (body) headers['content-type'] = contentTypeOf(body.type, dice);
  if (operation.action === 'patch' && body?.type.includes('apply') && dice.chance(0.95))
    return finish(`${path}${manager(queryText(operation.query, dice), dice)}`);
  return finish(`${path}${queryText(operation.query, dice)}`);

  function finish(target: string): FuzzCase {
    return {
      seed,
      operation,
      before: operation.action === 'post' && !operation.subresource ? undefined : create(),
      request: { method, path: target, headers, ...(body && { body: body.bytes }) },
    };
  }

  function create(): TransportRequest | undefined {
    if (!creator || !example) return undefined;
    return {
      method: 'POST',
      path: pathFor(creator, NAMESPACE, name),
      headers: { 'content-type': 'application/json' },
      body: Buffer.from(JSON.stringify(example)),
    };
  }
}

/** An apply names who applies. */
function manager(query: string, dice: Dice): string {
  const force = dice.chance(0.5) ? '&force=true' : '';
  return `${query || '?'}&fieldManager=fuzz${force}`;
}

function requestBody(
  operation: Operation,
  surface: Surface,
  example: JsonObject | undefined,
  dice: Dice,
  schemas: Schemas,
): Body | undefined {
  const { action, body, gvk } = operation;
  if (action === 'get' || action === 'list') return undefined;
  if (action === 'patch') {
    const object = dice.chance(0.5) && example ? example : filled(operation, surface, example, dice);
    return patchBody(object, dice);
  }
  if (body === undefined) return dice.chance(0.5) ? bodyOf({ a: 1 }, dice, schemas) : undefined;
  if (body.endsWith('DeleteOptions')) return deleteBody(surface, body, dice, schemas);
  const object = filled(operation, surface, example, dice);
  object['apiVersion'] = gvk.group ? `${gvk.group}/${gvk.version}` : gvk.version;
  object['kind'] = gvk.kind;
  if (dice.chance(0.75)) mutate(object, dice);
  return bodyOf(object, dice, schemas);
}

function deleteBody(surface: Surface, schema: string, dice: Dice, schemas: Schemas): Body | undefined {
  if (dice.chance(0.3)) return undefined;
  const made = plausible(surface, { $ref: schema }, dice, { share: 0.3 });
  const options = { kind: 'DeleteOptions', apiVersion: 'v1', ...(isObject(made) ? made : {}) };
  if (dice.chance(0.7)) mutate(options, dice);
  return bodyOf(options, dice, schemas);
}

/** The example with optional fields of its schema filled in here and there. */
function filled(
  { body, gvk, subresource }: Operation,
  surface: Surface,
  example: JsonObject | undefined,
  dice: Dice,
): JsonObject {
  const own = example?.['kind'] === gvk.kind ? structuredClone(example) : { metadata: { name: 'base' } };
  const specimens = specimensOf(gvk);
  if (specimens.length > 0 && dice.chance(0.3)) return { ...dice.pick(specimens), ...pickNames(own) };
  const name = body ?? nameOf(surface, gvk);
  if (name === undefined) return own;
  const share = dice.pick([0, 0.03, 0.1, subresource === 'status' ? 0.4 : 0.2]);
  const made = plausible(surface, { $ref: name }, dice, { share });
  return isObject(made) ? merged(made, own) : own;
}

/** What tells an object from others of its kind. */
function pickNames({ apiVersion, kind, metadata }: JsonObject): JsonObject {
  return { apiVersion, kind, metadata };
}

function nameOf(surface: Surface, gvk: Operation['gvk']): string | undefined {
  const matches = (found: Operation) =>
    found.body !== undefined && found.gvk.kind === gvk.kind && found.gvk.group === gvk.group;
  return surface.operations.find((found) => matches(found) && found.method !== 'DELETE')?.body;
}

/** Objects member by member; otherwise what `own` says. */
function merged(made: JsonObject, own: JsonObject): JsonObject {
  const result = { ...made };
  for (const [name, value] of Object.entries(own)) {
    const other = made[name];
    result[name] = isObject(value) && isObject(other) ? merged(other, value) : value;
  }
  return result;
}
