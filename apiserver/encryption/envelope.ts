/**
 * Encrypted values: AES-256-GCM with a key of its own for each value.
 *
 *     body = u8 length of the key id, key id, salt (32 bytes), ciphertext, tag (16 bytes)
 *     key, nonce = HKDF-SHA-256(data key, salt, "gantry value 1")
 *     additional data = u32 length of the store's key, that key, the value's head
 *
 * The salt is random for each write, so that no pair of key and nonce comes twice however often a data key is used: random
 * 96-bit nonces under one key would be safe for 2^32 writes only (NIST SP 800-38D, 8.3). The additional data binds a
 * value to its place and its header. Source of the scheme: Kubernetes' KMS v2.
 */
import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto';
import type { Random } from '#machinery/random.ts';
import {
  headerOf,
  joinValue,
  type StoredValue,
  takeApart,
  VALUE_ENCODING,
  ValueFormatError,
  type ValueHeader,
  valueHead,
} from '#store/value.ts';
import { EncryptionKeyError } from './codec.ts';

const CIPHER = 'aes-256-gcm';
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const SALT_BYTES = 32;
const TAG_BYTES = 16;
const PURPOSE = 'gantry value 1';

export interface DataKey {
  /** At most 255 bytes. */
  id: string;
  secret: Uint8Array;
}

export function seal(
  dataKey: DataKey,
  key: string,
  header: ValueHeader,
  body: Uint8Array,
  random: Random,
): Uint8Array {
  const head = valueHead(header, VALUE_ENCODING.sealed);
  const salt = random.bytes(SALT_BYTES);
  const { secret, nonce } = derived(dataKey.secret, salt);
  const cipher = createCipheriv(CIPHER, secret, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(boundTo(key, head));
  const sealed = cipher.update(body);
  cipher.final();
  const id = Buffer.from(dataKey.id);
  return joinValue(head, Buffer.of(id.length), id, salt, sealed, cipher.getAuthTag());
}

/** Throws EncryptionKeyError when `find` knows no such key, ValueFormatError when the value is not what was written here. */
export function open(
  find: (id: string) => Uint8Array | undefined,
  key: string,
  value: Uint8Array,
): StoredValue {
  const parts = takeApart(value);
  const { id, rest } = addressed(parts.body);
  const secretOfKey = find(id);
  if (!secretOfKey)
    throw new EncryptionKeyError(`${key} is encrypted with the key "${id}", which is not in the key ring`);
  if (rest.length < SALT_BYTES + TAG_BYTES) throw damaged(key);
  const { secret, nonce } = derived(secretOfKey, rest.subarray(0, SALT_BYTES));
  const decipher = createDecipheriv(CIPHER, secret, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(boundTo(key, parts.head));
  decipher.setAuthTag(rest.subarray(rest.length - TAG_BYTES));
  const body = decipher.update(rest.subarray(SALT_BYTES, rest.length - TAG_BYTES));
  try {
    decipher.final();
  } catch {
    throw damaged(key);
  }
  return { header: headerOf(parts), body };
}

/** The id of the key that a value is encrypted with; undefined for a plain one. */
export function sealedWith(value: Uint8Array): string | undefined {
  const { encoding, body } = takeApart(value);
  return encoding === VALUE_ENCODING.sealed ? addressed(body).id : undefined;
}

function addressed(body: Buffer): { id: string; rest: Buffer } {
  const end = 1 + (body[0] ?? 0);
  if (body.length < end) throw new ValueFormatError('an encrypted value is cut inside the id of its key');
  return { id: body.toString('utf8', 1, end), rest: body.subarray(end) };
}

function derived(secret: Uint8Array, salt: Uint8Array): { secret: Uint8Array; nonce: Uint8Array } {
  const bytes = new Uint8Array(hkdfSync('sha256', secret, salt, PURPOSE, KEY_BYTES + NONCE_BYTES));
  return { secret: bytes.subarray(0, KEY_BYTES), nonce: bytes.subarray(KEY_BYTES) };
}

function boundTo(key: string, head: Uint8Array): Buffer {
  const name = Buffer.from(key);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(name.length);
  return Buffer.concat([length, name, head]);
}

function damaged(key: string): ValueFormatError {
  return new ValueFormatError(
    `the encrypted value of ${key} was damaged, changed, or moved from another key: restore it from a backup`,
  );
}
