/** IPv4 and IPv6 addresses and prefixes as numbers. Source: RFC 4632 (CIDR), RFC 4291 and RFC 5952 (IPv6 text). */

export type Family = 4 | 6;

export interface Address {
  family: Family;
  /** Unsigned, 32 or 128 bits. */
  value: bigint;
}

export interface Cidr {
  family: Family;
  /** The network address: host bits are zero. */
  base: bigint;
  /** Length of the prefix in bits. */
  prefix: number;
}

const BITS: Record<Family, number> = { 4: 32, 6: 128 };

/** Strict text of an address (no leading zeros, no zone); undefined when it is none. */
export function parseAddress(text: string): Address | undefined {
  if (text.includes(':')) {
    const value = parseV6(text);
    return value === undefined ? undefined : { family: 6, value };
  }
  const value = parseV4(text);
  return value === undefined ? undefined : { family: 4, value: BigInt(value) };
}

function parseV4(text: string): number | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  let value = 0;
  for (const part of parts) {
    if (!/^(0|[1-9][0-9]{0,2})$/.test(part) || Number(part) > 255) return undefined;
    value = value * 256 + Number(part);
  }
  return value;
}

function parseV6(text: string): bigint | undefined {
  if (text.length > 45) return undefined;
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map((half, at) => groupsOf(half, at === halves.length - 1));
  if (!head || (halves.length === 2 && !tail)) return undefined;
  const missing = 8 - head.length - (tail?.length ?? 0);
  // `::` stands for at least one group.
  if (tail ? missing < 1 : missing !== 0) return undefined;
  const groups = tail ? [...head, ...new Array<number>(missing).fill(0), ...tail] : head;
  return groups.reduce((value, group) => (value << 16n) | BigInt(group), 0n);
}

/** The 16-bit groups of one side of `::`; a dotted IPv4 address may be the last two of all. */
function groupsOf(side: string, isLast: boolean): number[] | undefined {
  if (side === '') return [];
  const parts = side.split(':');
  const groups: number[] = [];
  for (const [at, part] of parts.entries()) {
    if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups.push(Number.parseInt(part, 16));
    else {
      const v4 = isLast && at === parts.length - 1 ? parseV4(part) : undefined;
      if (v4 === undefined) return undefined;
      groups.push(Math.floor(v4 / 0x10000), v4 % 0x10000);
    }
  }
  return groups;
}

/** The canonical text of an address: dotted, or RFC 5952. */
export function formatAddress(address: Address): string {
  if (address.family === 4) {
    const value = Number(address.value);
    return [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.');
  }
  return formatV6(address.value);
}

function formatV6(value: bigint): string {
  const groups = Array.from({ length: 8 }, (_, at) => Number((value >> BigInt(112 - 16 * at)) & 0xffffn));
  // ::ffff:a.b.c.d, as Go and RFC 5952 section 5 write IPv4-mapped addresses.
  if (value >> 32n === 0xffffn) return `::ffff:${formatAddress({ family: 4, value: value & 0xffffffffn })}`;
  const [start, length] = longestZeros(groups);
  const hex = groups.map((group) => group.toString(16));
  if (length < 2) return hex.join(':');
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`;
}

function longestZeros(groups: number[]): [start: number, length: number] {
  let best: [number, number] = [0, 0];
  for (let at = 0; at < groups.length; at++) {
    let end = at;
    while (end < groups.length && groups[end] === 0) end++;
    if (end - at > best[1]) best = [at, end - at];
    at = Math.max(at, end - 1);
  }
  return best;
}

/** The canonical text of an address given as text; undefined when it is none. */
export function canonicalAddress(text: string): string | undefined {
  const address = parseAddress(text);
  return address && formatAddress(address);
}

/** `10.0.0.0/8`; host bits are cleared. undefined when it is none. */
export function parseCidr(text: string): Cidr | undefined {
  const match = /^([^/]+)\/(0|[1-9][0-9]{0,2})$/.exec(text);
  const address = match && parseAddress(match[1]!);
  if (!address) return undefined;
  const prefix = Number(match[2]);
  if (prefix > BITS[address.family]) return undefined;
  return cidrOf(address, prefix);
}

/** The prefix of `prefix` bits that holds `address`. */
export function cidrOf(address: Address, prefix: number): Cidr {
  const hostBits = BigInt(BITS[address.family] - prefix);
  return { family: address.family, base: (address.value >> hostBits) << hostBits, prefix };
}

export function formatCidr(cidr: Cidr): string {
  return `${formatAddress({ family: cidr.family, value: cidr.base })}/${cidr.prefix}`;
}

/** The canonical text of a prefix given as text, host bits cleared; undefined when it is none. */
export function canonicalCidr(text: string): string | undefined {
  const cidr = parseCidr(text);
  return cidr && formatCidr(cidr);
}

/** How many addresses it holds, network and broadcast address included. */
export function cidrSize(cidr: Cidr): bigint {
  return 1n << BigInt(BITS[cidr.family] - cidr.prefix);
}

/** Whether an address, or the whole of another prefix, lies in `cidr`. */
export function cidrContains(cidr: Cidr, inner: Address | Cidr): boolean {
  if (cidr.family !== inner.family) return false;
  if ('prefix' in inner && inner.prefix < cidr.prefix) return false;
  const value = 'prefix' in inner ? inner.base : inner.value;
  const hostBits = BigInt(BITS[cidr.family] - cidr.prefix);
  return value >> hostBits === cidr.base >> hostBits;
}

/** Whether two prefixes share an address. */
export function cidrsOverlap(a: Cidr, b: Cidr): boolean {
  return a.prefix <= b.prefix ? cidrContains(a, b) : cidrContains(b, a);
}

/** The address `n` after the network address (0 = itself); undefined when `cidr` ends before it. */
export function nthAddress(cidr: Cidr, n: number | bigint): Address | undefined {
  const offset = BigInt(n);
  if (offset < 0n || offset >= cidrSize(cidr)) return undefined;
  return { family: cidr.family, value: cidr.base + offset };
}

/** Which address of `cidr` this is, counted from 0; undefined when it lies outside. */
export function addressIndex(cidr: Cidr, address: Address): bigint | undefined {
  return cidrContains(cidr, address) ? address.value - cidr.base : undefined;
}

/** The `n`-th block of `prefix` bits inside `cidr`; undefined when there is none. */
export function nthSubnet(cidr: Cidr, prefix: number, n: number | bigint): Cidr | undefined {
  const at = BigInt(n);
  if (prefix < cidr.prefix || prefix > BITS[cidr.family]) return undefined;
  if (at < 0n || at >= 1n << BigInt(prefix - cidr.prefix)) return undefined;
  return { family: cidr.family, base: cidr.base + (at << BigInt(BITS[cidr.family] - prefix)), prefix };
}

/** Network byte order: 4 or 16 bytes. */
export function addressBytes(address: Address): Uint8Array {
  const bytes = new Uint8Array(BITS[address.family] / 8);
  let value = address.value;
  for (let at = bytes.length - 1; at >= 0; at--, value >>= 8n) bytes[at] = Number(value & 255n);
  return bytes;
}

/** The address in 4 or 16 bytes of network byte order. Throws RangeError on any other length. */
export function addressOfBytes(bytes: Uint8Array): Address {
  if (bytes.length !== 4 && bytes.length !== 16)
    throw new RangeError(`an address has 4 or 16 bytes, not ${bytes.length}`);
  const value = bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  return { family: bytes.length === 4 ? 4 : 6, value };
}
