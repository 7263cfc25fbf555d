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

/** How the body is kept. Later issues add encrypted ones; an unknown number is refused on reading. */
export const VALUE_ENCODING = { json: 0 } as const;

export interface StoredValue {
  header: ValueHeader;
  /** UTF-8 JSON of the object. */
  body: Uint8Array;
}

/** A value that this version cannot read: damaged, or written by a newer version. */
export class ValueFormatError extends Error {
  override readonly name = 'ValueFormatError';
}

/** The bytes to store. Throws ValueFormatError when the header has more than 64 KiB. */
export function encodeValue(header: ValueHeader, body: Uint8Array): Uint8Array {
  const head = Buffer.from(JSON.stringify({ t: header.time, a: header.actor, c: header.cause }));
  if (head.length > 0xffff) throw new ValueFormatError('the value header is larger than 64 KiB');
  // Not from Node's pool of 64 kB, all of which would travel with each value that is sent to another thread.
  const out = Buffer.allocUnsafeSlow(4 + head.length + body.length);
  out[0] = VALUE_FORMAT;
  out[1] = VALUE_ENCODING.json;
  out.writeUInt16BE(head.length, 2);
  out.set(head, 4);
  out.set(body, 4 + head.length);
  return out;
}

/** What was stored; the body is a view into `value`, not a copy. Throws ValueFormatError. */
export function decodeValue(value: Uint8Array): StoredValue {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.length);
  if (bytes.length < 4) throw new ValueFormatError('a stored value is shorter than its header');
  if (bytes[0] !== VALUE_FORMAT) throw new ValueFormatError(`stored value of unknown format ${bytes[0]}`);
  if (bytes[1] !== VALUE_ENCODING.json)
    throw new ValueFormatError(`stored value of unknown encoding ${bytes[1]}`);
  const end = 4 + bytes.readUInt16BE(2);
  if (bytes.length < end) throw new ValueFormatError('a stored value is cut inside its header');
  const { t, a, c } = JSON.parse(bytes.toString('utf8', 4, end));
  return { header: { time: t, actor: a, cause: c }, body: bytes.subarray(end) };
}
