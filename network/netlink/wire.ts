/**
 * Netlink messages and attributes as bytes, little endian as this machine is. Source: RFC 3549, <linux/netlink.h>.
 * `Attributes` writes, `parseMessages` and `parseAttributes` read; both never look at what an attribute means.
 */

export const NLM_F_REQUEST = 0x1;
export const NLM_F_ACK = 0x4;
/** Modifiers of NEW requests. */
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
export const NLM_F_APPEND = 0x800;
/** ROOT | MATCH, modifiers of GET requests. */
export const NLM_F_DUMP = 0x300;

export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;

const HEADER_BYTES = 16;
const ATTRIBUTE_HEADER_BYTES = 4;
const NLA_F_NESTED = 0x8000;
const NLA_TYPE_MASK = 0x3fff;

const align = (length: number): number => (length + 3) & ~3;

/** One message as received: `body` starts after nlmsghdr. */
export interface Message {
  type: number;
  flags: number;
  sequence: number;
  body: Buffer;
}

/** A growing list of attributes; every method returns the list itself, to be chained. */
export class Attributes {
  #bytes = Buffer.allocUnsafe(256);
  #length = 0;

  bytes(type: number, value: Uint8Array): this {
    const at = this.#grow(ATTRIBUTE_HEADER_BYTES + value.length);
    this.#header(at, type, value.length);
    this.#bytes.set(value, at + ATTRIBUTE_HEADER_BYTES);
    return this;
  }

  u8(type: number, value: number): this {
    return this.bytes(type, Uint8Array.of(value));
  }

  u16(type: number, value: number): this {
    const at = this.#grow(ATTRIBUTE_HEADER_BYTES + 2);
    this.#header(at, type, 2);
    this.#bytes.writeUInt16LE(value, at + ATTRIBUTE_HEADER_BYTES);
    return this;
  }

  u32(type: number, value: number): this {
    const at = this.#grow(ATTRIBUTE_HEADER_BYTES + 4);
    this.#header(at, type, 4);
    this.#bytes.writeUInt32LE(value >>> 0, at + ATTRIBUTE_HEADER_BYTES);
    return this;
  }

  /** Network byte order, as nfnetlink's numbers are. */
  be32(type: number, value: number): this {
    const at = this.#grow(ATTRIBUTE_HEADER_BYTES + 4);
    this.#header(at, type, 4);
    this.#bytes.writeUInt32BE(value >>> 0, at + ATTRIBUTE_HEADER_BYTES);
    return this;
  }

  be64(type: number, value: bigint): this {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64BE(value);
    return this.bytes(type, bytes);
  }

  /** With its final zero byte. */
  text(type: number, value: string): this {
    return this.bytes(type, Buffer.from(`${value}\0`));
  }

  nest(type: number, inner: Attributes): this {
    return this.bytes(type | NLA_F_NESTED, inner.encode());
  }

  /** Nested without the flag, as rtnetlink's oldest attributes are. */
  group(type: number, inner: Attributes | Uint8Array): this {
    return this.bytes(type, inner instanceof Attributes ? inner.encode() : inner);
  }

  encode(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  #header(at: number, type: number, payload: number): void {
    this.#bytes.writeUInt16LE(ATTRIBUTE_HEADER_BYTES + payload, at);
    this.#bytes.writeUInt16LE(type, at + 2);
  }

  /** Makes room for an attribute of `length` bytes and returns where it starts; the padding is zero. */
  #grow(length: number): number {
    const at = this.#length;
    const end = at + align(length);
    if (end > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(end, this.#bytes.length * 2));
      this.#bytes.copy(larger, 0, 0, at);
      this.#bytes = larger;
    }
    if (end !== at + length) this.#bytes.fill(0, at + length, end);
    this.#length = end;
    return at;
  }
}

/** A whole message: nlmsghdr, the family's fixed header, attributes. */
export function encodeMessage(
  type: number,
  flags: number,
  sequence: number,
  header: Uint8Array,
  attributes?: Attributes,
): Buffer {
  const tail = attributes?.encode();
  const attributesAt = HEADER_BYTES + align(header.length);
  const length = attributesAt + (tail?.length ?? 0);
  const bytes = Buffer.alloc(align(length));
  bytes.writeUInt32LE(length, 0);
  bytes.writeUInt16LE(type, 4);
  bytes.writeUInt16LE(flags | NLM_F_REQUEST, 6);
  bytes.writeUInt32LE(sequence, 8);
  bytes.set(header, HEADER_BYTES);
  if (tail) bytes.set(tail, attributesAt);
  return bytes;
}

/** The messages of a reply in order. Throws RangeError when the bytes are cut off. */
export function parseMessages(bytes: Uint8Array): Message[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const messages: Message[] = [];
  for (let at = 0; at + HEADER_BYTES <= buffer.length; ) {
    const length = buffer.readUInt32LE(at);
    if (length < HEADER_BYTES || at + length > buffer.length)
      throw new RangeError(`a netlink message of ${length} bytes at ${at} runs past the end of the reply`);
    messages.push({
      type: buffer.readUInt16LE(at + 4),
      flags: buffer.readUInt16LE(at + 6),
      sequence: buffer.readUInt32LE(at + 8),
      body: buffer.subarray(at + HEADER_BYTES, at + length),
    });
    at += align(length);
  }
  return messages;
}

/** Attributes by type; the last of a repeated type wins. Flags (nested, byte order) are stripped. */
export function parseAttributes(bytes: Buffer): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  for (const [type, value] of listAttributes(bytes)) found.set(type, value);
  return found;
}

/** Attributes in order, repeated ones too: for lists. Stops where the bytes are damaged. */
export function listAttributes(bytes: Buffer): [type: number, value: Buffer][] {
  const found: [number, Buffer][] = [];
  for (let at = 0; at + ATTRIBUTE_HEADER_BYTES <= bytes.length; ) {
    const length = bytes.readUInt16LE(at);
    if (length < ATTRIBUTE_HEADER_BYTES || at + length > bytes.length) break;
    const type = bytes.readUInt16LE(at + 2) & NLA_TYPE_MASK;
    found.push([type, bytes.subarray(at + ATTRIBUTE_HEADER_BYTES, at + length)]);
    at += align(length);
  }
  return found;
}

/** A C string attribute without its final zero. */
export function textOf(value: Buffer | undefined): string {
  if (!value) return '';
  const end = value.indexOf(0);
  return value.toString('utf8', 0, end < 0 ? value.length : end);
}
