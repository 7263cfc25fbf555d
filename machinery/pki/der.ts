/** As much of DER as certificate requests need. Source: ITU-T X.690. */

/** Bytes that are not DER, or not the structure that was expected. Worded as Go's encoding/asn1 does. */
export class DerError extends Error {
  override readonly name = 'DerError';
}

/** Identifier octets, of universal types unless said otherwise. */
export const TAG = {
  boolean: 0x01,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  t61String: 0x14,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
  /** Context-specific and constructed: `[0]`. */
  context0: 0xa0,
} as const;

export interface DerElement {
  tag: number;
  content: Buffer;
  /** With identifier and length. */
  whole: Buffer;
}

/** The one element that `bytes` holds. */
export function onlyElement(bytes: Buffer, tag: number): DerElement {
  const [element, ...rest] = elementsOf(bytes);
  if (rest.length > 0) throw new DerError('asn1: syntax error: trailing data');
  return expectTag(element, tag);
}

/** The elements inside a constructed one, in order. */
export function elementsOf(bytes: Buffer): DerElement[] {
  const elements: DerElement[] = [];
  for (let at = 0; at < bytes.length; ) {
    const element = elementAt(bytes, at);
    elements.push(element);
    at += element.whole.length;
  }
  return elements;
}

export function expectTag(element: DerElement | undefined, tag: number): DerElement {
  if (!element) throw new DerError('asn1: syntax error: sequence truncated');
  if (element.tag !== tag)
    throw new DerError(`asn1: structure error: tags don't match (${tag & 0x1f} vs ${element.tag & 0x1f})`);
  return element;
}

/** Lengths of more bytes are beyond anything that fits a request. */
const MAX_LENGTH_BYTES = 4;

function elementAt(bytes: Buffer, at: number): DerElement {
  const first = bytes[at + 1];
  if (first === undefined) throw new DerError('asn1: syntax error: data truncated');
  let start = at + 2;
  let length = first;
  if (first >= 0x80) {
    const count = first & 0x7f;
    if (count === 0 || count > MAX_LENGTH_BYTES)
      throw new DerError('asn1: structure error: length too large');
    if (start + count > bytes.length) throw new DerError('asn1: syntax error: truncated length');
    length = bytes.readUIntBE(start, count);
    start += count;
  }
  const end = start + length;
  if (end > bytes.length) throw new DerError('asn1: syntax error: data truncated');
  return { tag: bytes[at]!, content: bytes.subarray(start, end), whole: bytes.subarray(at, end) };
}

/** `1.2.840.113549.1.1.11`. */
export function objectIdentifierOf(element: DerElement | undefined): string {
  const { content } = expectTag(element, TAG.objectIdentifier);
  const parts: number[] = [];
  let value = 0;
  for (const byte of content) {
    value = value * 128 + (byte & 0x7f);
    if (byte & 0x80) continue;
    parts.push(value);
    value = 0;
  }
  const [first = 0, ...rest] = parts;
  const root = Math.min(2, Math.floor(first / 40));
  return [root, first - root * 40, ...rest].join('.');
}

/** The text of a string of any of the types that names are written in. */
export function stringOf({ tag, content }: DerElement): string {
  if (tag === TAG.bmpString) {
    if (content.length % 2 !== 0) throw new DerError('asn1: structure error: invalid BMPString');
    return Buffer.from(content).swap16().toString('utf16le');
  }
  return content.toString(tag === TAG.t61String ? 'latin1' : 'utf8');
}
