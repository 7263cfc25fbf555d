/**
 * A stored value: a small header, then the object's JSON without its resourceVersion (which is spliced in on reading).
 *
 * Layout: byte 0 = format (1), byte 1 = encoding, bytes 2-3 = header length n (big endian), n bytes of JSON
 * { t: time ms, a: actor, c: cause }, then the body.
 */
export interface ValueHeader {
  /** Wall time of the write in ms. */
  time: number;
  /** User name of who wrote it. */
  actor: string;
  /** What made them: request id, controller and reason. */
  cause?: string;
}

export const VALUE_FORMAT = 1;

/** How the body is kept: as it is, or encrypted (apiserver/encryption). An unknown number is refused on reading. */
export const VALUE_ENCODING = { json: 0, sealed: 1 } as const;

export type ValueEncoding = (typeof VALUE_ENCODING)[keyof typeof VALUE_ENCODING];

export interface StoredValue {
  header: ValueHeader;
  /** UTF-8 JSON of the object. */
  body: Uint8Array;
}

/** A value that this version cannot read: damaged, or written by a newer version. */
export class ValueFormatError extends Error {
  override readonly name = 'ValueFormatError';
}

/**
 * A value in a form that a newer version writes. What a version writes the one before it can read, for both serve one cluster while it is
 * upgraded: a new form is read by one version and first written by the next.
 */
export class NewerValueError extends ValueFormatError {
  constructor(what: string) {
    super(
      `stored value of unknown ${what}: a newer version of this program wrote it, and this one cannot go back behind it`,
    );
  }
}

/** A value taken apart; all of it are views. */
export interface ValueParts {
  encoding: ValueEncoding;
  /** Everything before the body, and the JSON in it. */
  head: Buffer;
  json: string;
  body: Buffer;
}

/** What stands before the body. Throws ValueFormatError when the header has more than 64 KiB. */
export function valueHead(header: ValueHeader, encoding: ValueEncoding): Buffer {
  const json = Buffer.from(JSON.stringify({ t: header.time, a: header.actor, c: header.cause }));
  if (json.length > 0xffff) throw new ValueFormatError('the value header is larger than 64 KiB');
  const head = Buffer.allocUnsafe(4 + json.length);
  head[0] = VALUE_FORMAT;
  head[1] = encoding;
  head.writeUInt16BE(json.length, 2);
  head.set(json, 4);
  return head;
}

/** The bytes to store, with memory of their own. Throws ValueFormatError when the header has more than 64 KiB. */
export function encodeValue(header: ValueHeader, body: Uint8Array): Uint8Array {
  return joinValue(valueHead(header, VALUE_ENCODING.json), body);
}

/** The parts of a value in one piece, not from Node's pool of 64 kB: all of that would travel to another thread. */
export function joinValue(...parts: Uint8Array[]): Uint8Array {
  const out = Buffer.allocUnsafeSlow(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Throws ValueFormatError for what this version does not know. */
export function takeApart(value: Uint8Array): ValueParts {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.length);
  if (bytes.length < 4) throw new ValueFormatError('a stored value is shorter than its header');
  if (bytes[0] !== VALUE_FORMAT) throw new NewerValueError(`format ${bytes[0]}`);
  const encoding = bytes[1] as ValueEncoding;
  if (encoding !== VALUE_ENCODING.json && encoding !== VALUE_ENCODING.sealed)
    throw new NewerValueError(`encoding ${encoding}`);
  const end = 4 + bytes.readUInt16BE(2);
  if (bytes.length < end) throw new ValueFormatError('a stored value is cut inside its header');
  const head = bytes.subarray(0, end);
  return { encoding, head, json: head.toString('utf8', 4), body: bytes.subarray(end) };
}

/** The parsed header of a value that was taken apart. */
export function headerOf({ json }: ValueParts): ValueHeader {
  const { t, a, c } = JSON.parse(json);
  return { time: t, actor: a, cause: c };
}

/** What was stored; the body is a view into `value`, not a copy. Throws ValueFormatError, for an encrypted one too. */
export function decodeValue(value: Uint8Array): StoredValue {
  const parts = takeApart(value);
  if (parts.encoding !== VALUE_ENCODING.json) throw new ValueFormatError('the stored value is encrypted');
  return { header: headerOf(parts), body: parts.body };
}
