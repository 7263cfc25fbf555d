import type { Random } from '#machinery/random.ts';
import type { Op, Revision, Store } from '#store/contract.ts';
import {
  decodeValue,
  encodeValue,
  type StoredValue,
  takeApart,
  VALUE_ENCODING,
  type ValueHeader,
} from '#store/value.ts';
import type { KeySpace } from '../engine/keys.ts';
import { EncryptionKeyError, type ValueCodec } from './codec.ts';
import { open, seal } from './envelope.ts';
import type { KeyProvider } from './key-provider.ts';

/** What is encrypted, and who holds the keys of the keys. */
export interface EncryptionSettings {
  /** The first wraps new data keys; the others only unwrap what they once wrapped. */
  providers: readonly KeyProvider[];
  /** Kinds whose objects are encrypted from now on. */
  kinds: readonly { group: string; plural: string }[];
}

export const NO_ENCRYPTION: EncryptionSettings = { providers: [], kinds: [] };

/** A data key in the store, wrapped (base64). */
interface RingKey {
  id: string;
  provider: string;
  wrappedBy: string;
  wrapped: string;
}

interface RingContent {
  format: 1;
  /** The first encrypts. */
  keys: RingKey[];
}

export interface RingOptions {
  store: Store;
  keys: KeySpace;
  settings: EncryptionSettings;
  random: Random;
  /** Wall time in ms. */
  now: () => number;
  /** Other servers write to the same store, with a ring of their own in memory. */
  shared: boolean;
}

const DATA_KEY_BYTES = 32;
/** Each lost race means that another server has written the ring. */
const MAX_TRIES = 10;

/**
 * The data keys of a cluster. They lie in the store, wrapped by keys that do not, and travel with a backup; all of them are
 * unwrapped when the server starts, so that values are decoded at once. A server that meets a value whose key came after
 * its start cannot decode it and has to start anew.
 */
export class KeyRing implements ValueCodec {
  readonly #options: RingOptions;
  readonly #prefixes: readonly string[];
  /** Keys that were dropped stay here until the server ends: readers of the past may still need them. */
  readonly #secrets = new Map<string, Uint8Array>();
  #content: RingContent = { format: 1, keys: [] };
  #revision: Revision = 0;

  private constructor(options: RingOptions) {
    this.#options = options;
    this.#prefixes = options.settings.kinds.map((kind) =>
      options.keys.prefix({ ...kind, namespaced: false }),
    );
  }

  /** Reads and unwraps all keys, and makes the first when something is to be encrypted. EncryptionKeyError, changing nothing. */
  static async open(options: RingOptions): Promise<KeyRing> {
    const ring = new KeyRing(options);
    await ring.#load();
    for (let tries = 0; ring.#prefixes.length > 0 && ring.#content.keys.length === 0; tries++) {
      if (tries === MAX_TRIES) throw new Error('the key ring is written by others again and again');
      if (!(await ring.#tryAdd())) await ring.#load();
    }
    return ring;
  }

  encode(key: string, header: ValueHeader, body: Uint8Array): Uint8Array {
    const id = this.wanted(key);
    if (id === undefined) return encodeValue(header, body);
    return seal({ id, secret: this.#secrets.get(id)! }, key, header, body, this.#options.random);
  }

  decode(key: string, value: Uint8Array): StoredValue {
    if (takeApart(value).encoding === VALUE_ENCODING.json) return decodeValue(value);
    return open((id) => this.#secrets.get(id), key, value);
  }

  guard(ops: readonly Op[]): Op | undefined {
    if (!this.#options.shared) return undefined;
    if (!ops.some(({ op, key }) => op === 'put' && this.wanted(key) !== undefined)) return undefined;
    return { op: 'check', key: this.#options.keys.keyRing, expect: this.#revision };
  }

  /** The id of the data key that the value of a store's key is to be encrypted with; undefined = plain. */
  wanted(key: string): string | undefined {
    return this.#prefixes.some((prefix) => key.startsWith(prefix)) ? this.#content.keys[0]?.id : undefined;
  }

  get encrypts(): boolean {
    return this.#prefixes.length > 0;
  }

  get ids(): string[] {
    return this.#content.keys.map(({ id }) => id);
  }

  /** Makes a new key of keys, where its provider makes them, and a new data key, which encrypts from now on. */
  async add(): Promise<string> {
    // A key file that is away for the moment must not be taken for one that was never there.
    for (const key of this.#content.keys) await this.#unwrap(key);
    await this.#provider().renew();
    if (!(await this.#tryAdd())) throw ringTaken();
    return this.#content.keys[0]!.id;
  }

  /** Drops all data keys but these. */
  async keep(ids: ReadonlySet<string>): Promise<string[]> {
    const dropped = this.#content.keys.filter(({ id }) => !ids.has(id));
    if (dropped.length === 0) return [];
    const content = { ...this.#content, keys: this.#content.keys.filter(({ id }) => ids.has(id)) };
    if (!(await this.#write(content))) throw ringTaken();
    return dropped.map(({ id }) => id);
  }

  /** Keys of keys that no data key needs; removed for good when `drop`: older backups need them still. */
  async unusedWrappingKeys(drop: boolean): Promise<string[]> {
    const used = new Set(this.#content.keys.map(({ wrappedBy }) => wrappedBy));
    const unused = await Promise.all(this.#options.settings.providers.map((one) => one.unused(used, drop)));
    return unused.flat();
  }

  async #load(): Promise<void> {
    const { store, keys } = this.#options;
    const entry = await store.get(keys.keyRing);
    if (!entry) return;
    const content = JSON.parse(Buffer.from(entry.value).toString()) as RingContent;
    if (content.format !== 1)
      throw new Error(`the key ring has format ${content.format}, this version reads format 1`);
    for (const key of content.keys)
      if (!this.#secrets.has(key.id)) this.#secrets.set(key.id, await this.#unwrap(key));
    this.#content = content;
    this.#revision = entry.revision;
  }

  async #unwrap({ id, provider: name, wrappedBy, wrapped }: RingKey): Promise<Uint8Array> {
    const provider = this.#options.settings.providers.find((one) => one.name === name);
    if (!provider)
      throw new EncryptionKeyError(
        `values in the store are encrypted with a key of the provider "${name}", which is not set up: see --encryption-keys and --encryption-command`,
      );
    return provider.unwrap(id, { wrappedBy, wrapped: Buffer.from(wrapped, 'base64') });
  }

  async #tryAdd(): Promise<boolean> {
    const provider = this.#provider();
    const id = Buffer.from(this.#options.random.bytes(6)).toString('hex');
    const secret = this.#options.random.bytes(DATA_KEY_BYTES);
    const { wrappedBy, wrapped } = await provider.wrap(id, secret);
    const key = { id, provider: provider.name, wrappedBy, wrapped: Buffer.from(wrapped).toString('base64') };
    // What cannot be unwrapped again must not encrypt anything.
    const again = await provider.unwrap(id, { wrappedBy, wrapped });
    if (!Buffer.from(again).equals(secret))
      throw new EncryptionKeyError(`the provider "${provider.name}" does not unwrap what it has wrapped`);
    this.#secrets.set(id, secret);
    return this.#write({ format: 1, keys: [key, ...this.#content.keys] });
  }

  #provider(): KeyProvider {
    const [provider] = this.#options.settings.providers;
    if (!provider) throw new EncryptionKeyError('nothing is set up that holds encryption keys');
    return provider;
  }

  /** False when another server has written the ring since it was read. */
  async #write(content: RingContent): Promise<boolean> {
    const { store, keys, now } = this.#options;
    const value = Buffer.from(JSON.stringify(content));
    const result = await store.commit([{ op: 'put', key: keys.keyRing, value, expect: this.#revision }], {
      time: now(),
      actor: 'system:encryption',
      cause: 'the key ring',
    });
    if (!result.ok) return false;
    this.#content = content;
    this.#revision = result.revision;
    return true;
  }
}

/** The keys of keys that a store's values need, as `provider/key`: read without any of them. */
export async function wrappingKeys(store: Pick<Store, 'get'>, keys: KeySpace): Promise<string[]> {
  const entry = await store.get(keys.keyRing);
  if (!entry) return [];
  const ring = JSON.parse(Buffer.from(entry.value).toString()) as RingContent;
  return [...new Set(ring.keys.map(({ provider, wrappedBy }) => `${provider}/${wrappedBy}`))];
}

function ringTaken(): Error {
  return new Error('another server has changed the key ring: try again');
}
