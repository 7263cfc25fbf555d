import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { Files } from '#machinery/io.ts';
import type { Random } from '#machinery/random.ts';
import { EncryptionKeyError } from './codec.ts';
import type { KeyProvider, WrappedKey } from './key-provider.ts';

/** The file: JSON `{ "format": 1, "keys": [{ "id": "...", "secret": "<32 bytes in base64>" }] }`; the first key wraps. */
interface KeyFileContent {
  format: 1;
  keys: { id: string; secret: string }[];
}

const CIPHER = 'aes-256-gcm';
const SECRET_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const ID = /^[A-Za-z0-9._-]{1,64}$/;

/**
 * Key-encryption keys in a file of its owner. A few data keys are wrapped with each, so random nonces are safe. `create`: a
 * file that is not there is made when a first key is needed; never to unwrap, for which only the old file will do.
 */
export function keyFile(path: string, deps: { files: Files; random: Random; create: boolean }): KeyProvider {
  const { files, random } = deps;

  async function read(): Promise<KeyFileContent | undefined> {
    const bytes = await files.read(path);
    return bytes && parseKeyFile(path, Buffer.from(bytes).toString());
  }

  const write = (content: KeyFileContent) =>
    files.write(path, `${JSON.stringify(content, null, 2)}\n`, 0o600);

  function newKey(): { id: string; secret: string } {
    const id = `file-${Buffer.from(random.bytes(6)).toString('hex')}`;
    return { id, secret: Buffer.from(random.bytes(SECRET_BYTES)).toString('base64') };
  }

  async function newest(): Promise<{ id: string; secret: string }> {
    const content = await read();
    if (content) return content.keys[0]!;
    if (!deps.create) throw new EncryptionKeyError(`the key file ${path} does not exist`);
    const made: KeyFileContent = { format: 1, keys: [newKey()] };
    await write(made);
    return made.keys[0]!;
  }

  return {
    name: 'file',
    async wrap(id, secret) {
      const key = await newest();
      const nonce = random.bytes(NONCE_BYTES);
      const cipher = createCipheriv(CIPHER, Buffer.from(key.secret, 'base64'), nonce);
      cipher.setAAD(Buffer.from(id));
      const sealed = Buffer.concat([cipher.update(secret), cipher.final()]);
      return { wrappedBy: key.id, wrapped: Buffer.concat([nonce, sealed, cipher.getAuthTag()]) };
    },
    async unwrap(id, wrapped) {
      const content = await read();
      if (!content)
        throw new EncryptionKeyError(
          `values in the store are encrypted with keys of ${path}, which does not exist: bring it back, or name it with --encryption-keys`,
        );
      const key = content.keys.find((one) => one.id === wrapped.wrappedBy);
      if (!key)
        throw new EncryptionKeyError(
          `values in the store are encrypted with the key "${wrapped.wrappedBy}", which ${path} does not hold: add it to the file again`,
        );
      return unwrapWith(Buffer.from(key.secret, 'base64'), id, wrapped, path);
    },
    async renew() {
      const content = await read();
      if (!content && !deps.create) throw new EncryptionKeyError(`the key file ${path} does not exist`);
      await write({ format: 1, keys: [newKey(), ...(content?.keys ?? [])] });
    },
    async unused(used, drop) {
      const content = await read();
      if (!content) return [];
      const gone = content.keys.slice(1).filter(({ id }) => !used.has(id));
      if (drop && gone.length > 0)
        await write({ ...content, keys: content.keys.filter((key) => !gone.includes(key)) });
      return gone.map(({ id }) => id);
    },
  };
}

function unwrapWith(secret: Buffer, id: string, { wrappedBy, wrapped }: WrappedKey, path: string): Buffer {
  const bytes = Buffer.from(wrapped);
  const decipher = createDecipheriv(CIPHER, secret, bytes.subarray(0, NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(Buffer.from(id));
  decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
  } catch {
    throw new EncryptionKeyError(
      `the key "${wrappedBy}" of ${path} is not the one that values in the store are encrypted with: bring back the file that was there`,
    );
  }
}

/** Throws EncryptionKeyError that says what is wrong, without any of the content. */
function parseKeyFile(path: string, text: string): KeyFileContent {
  const wrong = (what: string) => new EncryptionKeyError(`the key file ${path} ${what}`);
  let content: KeyFileContent;
  try {
    content = JSON.parse(text);
  } catch {
    throw wrong('is no JSON');
  }
  if (content?.format !== 1) throw wrong('has no "format": 1');
  const { keys } = content;
  if (!Array.isArray(keys) || keys.length === 0) throw wrong('holds no keys');
  for (const key of keys) {
    if (typeof key?.id !== 'string' || !ID.test(key.id))
      throw wrong('has a key whose id is not 1-64 letters, digits, ".", "_" or "-"');
    if (typeof key.secret !== 'string' || Buffer.from(key.secret, 'base64').length !== SECRET_BYTES)
      throw wrong(`has a key "${key.id}" whose secret is not ${SECRET_BYTES} bytes in base64`);
  }
  if (new Set(keys.map(({ id }) => id)).size < keys.length) throw wrong('has two keys of one id');
  return content;
}
