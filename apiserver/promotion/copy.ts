import { createHash } from 'node:crypto';
import type { Op, Revision, Store } from '#store/contract.ts';
import { Batches } from '../backup/batches.ts';
import { isReserved } from '../backup/restore.ts';
import type { KeySpace } from '../engine/keys.ts';

/** Entries that are in memory at a time. */
const PAGE = 100;

/** What a store holds of a cluster, in a few words: two that hold the same have the same. */
export interface Digest {
  entries: number;
  /** Of all keys and values. */
  bytes: number;
  /** Hex SHA-256 over keys and values in order, each with its length. */
  sha256: string;
}

/** The pages of what there is now, without the reserved keys. Not one snapshot, unless nobody writes. */
export async function* pagesOf(store: Store, keys: KeySpace, signal: AbortSignal) {
  let after: string | undefined;
  for (;;) {
    signal.throwIfAborted();
    const page = await store.list(keys.root, { limit: PAGE, after });
    yield page.entries.filter(({ key }) => !isReserved(key, keys));
    after = page.entries.at(-1)?.key;
    if (!page.more || after === undefined) return;
  }
}

/** Reads all that the store holds. */
export async function digestOf(store: Store, keys: KeySpace, signal: AbortSignal): Promise<Digest> {
  const hash = createHash('sha256');
  const lengths = Buffer.alloc(8);
  const digest: Digest = { entries: 0, bytes: 0, sha256: '' };
  for await (const entries of pagesOf(store, keys, signal))
    for (const { key, value } of entries) {
      const name = Buffer.from(key);
      lengths.writeUInt32BE(name.length, 0);
      lengths.writeUInt32BE(value.length, 4);
      hash.update(lengths).update(name).update(value);
      digest.entries++;
      digest.bytes += name.length + value.length;
    }
  digest.sha256 = hash.digest('hex');
  return digest;
}

/** Makes one store hold what another one does, round by round: each round writes what has changed since the last. */
export class Copy {
  readonly #source: Store;
  readonly #keys: KeySpace;
  readonly #write: (ops: Op[]) => Promise<unknown>;
  readonly #signal: AbortSignal;
  /** What the target holds: the revision in the source of each key. */
  #copied = new Map<string, Revision>();

  /** `write` commits to the target, which is empty. */
  constructor(source: Store, keys: KeySpace, write: (ops: Op[]) => Promise<unknown>, signal: AbortSignal) {
    this.#source = source;
    this.#keys = keys;
    this.#write = write;
    this.#signal = signal;
  }

  get entries(): number {
    return this.#copied.size;
  }

  /** Resolves to how many keys were written or deleted. While others write, the target is between two states. */
  async round(progress: (written: number) => void = () => undefined): Promise<number> {
    const before = this.#copied;
    this.#copied = new Map();
    let changes = 0;
    const batches = new Batches(async (ops) => {
      await this.#write(ops);
      changes += ops.length;
      progress(changes);
    });
    for await (const entries of pagesOf(this.#source, this.#keys, this.#signal))
      for (const { key, value, revision } of entries) {
        if (before.get(key) !== revision) await batches.add({ op: 'put', key, value });
        this.#copied.set(key, revision);
        before.delete(key);
      }
    for (const key of before.keys()) await batches.add({ op: 'delete', key });
    await batches.flush();
    return changes;
  }
}
