/** Whether what a write has stored can be read in every form that clients ask for. */
import { isDeepStrictEqual } from 'node:util';
import { decodeProtobuf } from '#machinery/protobuf/envelope.ts';
import { isObject, type JsonObject } from '#machinery/schema/model.ts';
import type { Answer } from './judge.ts';
import { parsed } from './judge.ts';
import type { Operation } from './surface.ts';
import type { Target } from './target.ts';

const FORMS: Record<string, string> = {
  json: 'application/json',
  yaml: 'application/yaml',
  protobuf: 'application/vnd.kubernetes.protobuf',
  table: 'application/json;as=Table;v=v1;g=meta.k8s.io',
  partial: 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io',
};

/** Whether what an operation creates can be read; reviews are answered and forgotten. */
export function isReadable({ surface }: Target, { path }: Operation): boolean {
  return surface.operations.some((other) => other.path === `${path}/{name}` && other.action === 'get');
}

/** Reads the object at `path`, its list and a watch of it. What is wrong, or undefined. */
export async function readBackFault(
  target: Target,
  path: string,
  schema: string | undefined,
): Promise<string | undefined> {
  const { send } = target;
  const plain = await send({ method: 'GET', path, headers: {} });
  if (plain.status === 404) return undefined;
  const object = parsed(plain.bytes);
  if (plain.status !== 200 || !isObject(object)) return `reading ${path} gives ${plain.status}`;
  const slash = path.lastIndexOf('/');
  const name = decodeURIComponent(path.slice(slash + 1)).replace(/[\\,=]/g, '\\$&');
  const collection = `${path.slice(0, slash)}?fieldSelector=metadata.name%3D${encodeURIComponent(name)}`;
  for (const [form, accept] of Object.entries(FORMS))
    for (const at of [path, collection, `${collection}&watch=1&resourceVersion=0`]) {
      const answer = await send({ method: 'GET', path: at, headers: { accept } });
      if (answer.status !== 200 || answer.bytes.length === 0)
        return `reading ${at} as ${form} gives ${answer.status}: ${answer.bytes.toString().slice(0, 300)}`;
      const fault = at === path && form === 'protobuf' && protobufFault(target, answer, object, schema);
      if (fault) return fault;
    }
  return writeBackFault(target, path, object);
}

/** Both formats must say the same. */
function protobufFault(
  { schemas }: Target,
  answer: Answer,
  object: JsonObject,
  schema: string | undefined,
): string | undefined {
  if (!answer.headers['content-type']?.includes('protobuf') || schema === undefined) return undefined;
  const decoded = decodeProtobuf(answer.bytes, schemas.type(schema));
  // The server itself may have written it in between.
  if (versionOf(decoded) !== versionOf(object)) return undefined;
  const difference = differenceOf(withoutEmpty(decoded), withoutEmpty(object));
  return difference && `protobuf and JSON differ: ${difference}`;
}

function unversioned(object: unknown): unknown {
  if (!isObject(object) || !isObject(object['metadata'])) return object;
  const { resourceVersion: _, ...metadata } = object['metadata'];
  return { ...object, metadata };
}

function versionOf({ metadata }: JsonObject): unknown {
  return isObject(metadata) ? metadata['resourceVersion'] : undefined;
}

/** Where two values differ first, and how. */
function differenceOf(a: unknown, b: unknown, at = ''): string | undefined {
  if (isDeepStrictEqual(a, b)) return undefined;
  const isBoth = (Array.isArray(a) && Array.isArray(b)) || (isObject(a) && isObject(b));
  if (!isBoth) return `${at}: ${shorten(a)} and ${shorten(b)}`;
  const [left, right] = [a, b] as [JsonObject, JsonObject];
  for (const name of new Set([...Object.keys(left), ...Object.keys(right)])) {
    const found = differenceOf(left[name], right[name], `${at}/${name}`);
    if (found) return found;
  }
  return `${at}: the members have another order`;
}

function shorten(value: unknown): string {
  return (JSON.stringify(value) ?? 'nothing').slice(0, 300);
}

/** Holds a field that the tables know no number for, so that protobuf leaves it out. */
const UNNUMBERED = 'nodeAllocatableResourceClaimStatuses';

/** What is empty or null is written by defaults; in protobuf it is not told from what is absent. */
function withoutEmpty(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutEmpty);
  if (!isObject(value)) return value;
  const members = Object.entries(value)
    .map(([name, member]) => [name, withoutEmpty(member)] as const)
    .filter(([name, member]) => name !== UNNUMBERED && !isEmpty(member));
  return Object.fromEntries(members);
}

function isEmpty(value: unknown): boolean {
  return value === null || (typeof value === 'object' && Object.keys(value).length === 0);
}

/** What the server gives it takes back, and nothing changes by it. */
async function writeBackFault(
  { send }: Target,
  path: string,
  object: JsonObject,
): Promise<string | undefined> {
  const answer = await send({
    method: 'PUT',
    path,
    headers: { 'content-type': 'application/json' },
    body: Buffer.from(JSON.stringify(object)),
  });
  // Nobody updates it, or the server itself has just done so.
  if (answer.status === 405 || answer.status === 409) return undefined;
  const text = answer.bytes.toString();
  if (answer.status !== 200)
    return `writing back what was read gives ${answer.status}: ${text.slice(0, 500)}`;
  const after = parsed(answer.bytes);
  // Another version is the effect of another difference, which says more.
  const difference = differenceOf(unversioned(object), unversioned(after)) ?? differenceOf(object, after);
  return difference && `writing back what was read changes ${difference}`;
}
