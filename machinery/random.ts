import { randomBytes } from 'node:crypto';

/** Chance as a value that is passed in, so that a simulated cluster repeats itself from one seed. */
export interface Random {
  /** A float in [0, 1). */
  next(): number;
  /** `length` random bytes; cryptographically strong in the system implementation. */
  bytes(length: number): Uint8Array;
}

/** What is fetched at once for small requests: a call of the operating system costs more than its bytes. */
const POOL_BYTES = 4096;
let pool = Buffer.alloc(0);
let used = 0;

/** Bytes that nobody else gets: each byte of the pool is given out once. */
function strongBytes(length: number): Buffer {
  if (length > POOL_BYTES / 16) return randomBytes(length);
  if (used + length > pool.length) {
    pool = randomBytes(POOL_BYTES);
    used = 0;
  }
  used += length;
  // A copy: a key made of it must not keep the pool, nor the pool a key.
  const bytes = Buffer.from(pool.subarray(used - length, used));
  pool.fill(0, used - length, used);
  return bytes;
}

/** Strong randomness of the operating system. */
export const systemRandom: Random = {
  next: () => strongBytes(4).readUInt32BE() / 2 ** 32,
  bytes: strongBytes,
};

/** A repeatable generator (mulberry32). Never for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return { next, bytes: (length) => Uint8Array.from({ length }, () => Math.floor(next() * 256)) };
}

/** A version 4 UUID (RFC 9562), as metadata.uid carries it. */
export function uuid(random: Random): string {
  const bytes = random.bytes(16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = Buffer.from(bytes).toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** The characters Kubernetes puts into generated names: no vowels, no look-alikes, so no words. */
const NAME_ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';

/** A name suffix of `length` characters, as generateName appends (five by default). */
export function nameSuffix(random: Random, length = 5): string {
  let suffix = '';
  for (let i = 0; i < length; i++) suffix += NAME_ALPHABET[Math.floor(random.next() * NAME_ALPHABET.length)];
  return suffix;
}
