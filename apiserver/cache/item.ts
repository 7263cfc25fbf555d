import type { Kind } from '#api/kind.ts';
import type { ApiObject } from '#api/objects.ts';

/**
 * One object of the cache: its JSON once, with the resourceVersion in it, and what selectors ask for. All readers and
 * watchers share the bytes; nobody changes them.
 */
export interface CacheItem {
  key: string;
  namespace: string;
  name: string;
  /** resourceVersion. */
  version: number;
  /** Store revision of the last change: what a conditional write expects. */
  revision: number;
  bytes: Buffer;
  labels: Record<string, string> | undefined;
  /** Values of the kind's selectable fields. */
  fields: Record<string, string> | undefined;
  /** Kept once somebody inside the server has read it as an object. */
  parsed: ApiObject | undefined;
}

/** The engine writes metadata third, after apiVersion and kind, so that its start is found without parsing. */
const METADATA = Buffer.from('"metadata":{');
const VERSION = Buffer.from('"resourceVersion":"');

/** The bytes to store: metadata third and without resourceVersion, which belongs to the store. */
export function storedBytes(object: ApiObject): Buffer {
  const { apiVersion, kind, metadata, ...rest } = object;
  return Buffer.from(
    JSON.stringify({ apiVersion, kind, metadata: { ...metadata, resourceVersion: undefined }, ...rest }),
  );
}

/** A stored body with its resourceVersion. Copies, so that the store's buffer is let go. */
export function spliceVersion(body: Uint8Array, version: number): Buffer {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.length);
  const found = bytes.indexOf(METADATA);
  if (found < 0) throw new Error('a stored object has no metadata');
  const at = found + METADATA.length;
  const text = `"resourceVersion":"${version}"${bytes[at] === 0x7d ? '' : ','}`;
  const out = Buffer.allocUnsafeSlow(bytes.length + text.length);
  bytes.copy(out, 0, 0, at);
  out.write(text, at, 'latin1');
  bytes.copy(out, at + text.length, at);
  return out;
}

/** The same object with another resourceVersion: the last state of a deleted object carries that of its deletion. */
export function withVersion(item: CacheItem, version: number): CacheItem {
  const start = item.bytes.indexOf(VERSION) + VERSION.length;
  const end = item.bytes.indexOf(0x22, start);
  const bytes = Buffer.concat([
    item.bytes.subarray(0, start),
    Buffer.from(String(version)),
    item.bytes.subarray(end),
  ]);
  return { ...item, version, bytes, parsed: undefined };
}

/** Parses a decoded body once, for labels and selectable fields; the object itself is not kept. */
export function itemOf(
  kind: Kind,
  key: string,
  body: Uint8Array,
  revision: number,
  version: number,
): CacheItem {
  const bytes = spliceVersion(body, version);
  const object = JSON.parse(bytes.toString()) as ApiObject;
  return describedItem(kind, key, object, bytes, revision, version);
}

function describedItem(
  kind: Kind,
  key: string,
  object: ApiObject,
  bytes: Buffer,
  revision: number,
  version: number,
): CacheItem {
  return {
    key,
    namespace: object.metadata.namespace ?? '',
    name: object.metadata.name,
    version,
    revision,
    bytes,
    labels: object.metadata.labels,
    fields: fieldsOf(kind, object),
    parsed: undefined,
  };
}

export function fieldsOf(kind: Kind, object: ApiObject): Record<string, string> | undefined {
  if (!kind.selectableFields) return undefined;
  const fields: Record<string, string> = {};
  for (const name in kind.selectableFields) fields[name] = kind.selectableFields[name]!(object);
  return fields;
}

/** A fresh object that the caller may change. */
export function parseItem(item: CacheItem): ApiObject {
  return JSON.parse(item.bytes.toString()) as ApiObject;
}

/** The shared object: not to be changed. */
export function objectOf(item: CacheItem): ApiObject {
  item.parsed ??= parseItem(item);
  return item.parsed;
}
