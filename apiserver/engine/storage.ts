import { type Kind, resourceName } from '#api/kind.ts';
import type { ApiObject } from '#api/objects.ts';
import type { Clock } from '#machinery/clock.ts';
import { StatusError } from '#machinery/errors.ts';
import type { CommitResult, Entry, Op, Store } from '#store/contract.ts';
import { type CacheItem, itemOf, spliceVersion, storedBytes } from '../cache/item.ts';
import type { WatchCache } from '../cache/watch-cache.ts';
import type { ValueCodec } from '../encryption/codec.ts';
import type { StoreMetrics } from '../metrics/store.ts';
import type { VersionBase } from './base.ts';
import type { KeySpace } from './keys.ts';

/** What a write of an object may take: etcd's limit for a request, which the embedded store keeps to as well. */
export const WRITE_LIMIT_BYTES = 1_572_864;
/** What encryption adds to a value at most: counted always, so that whatever is stored can be encrypted later. */
const SEAL_BYTES = 304;
/** What a request carries beside keys and values: for each operation, and once for the record of who wrote it. */
const OPERATION_BYTES = 64;
const RECORD_BYTES = 256;
/** etcd's limit of operations in a request; the server may add one of its own. */
const MAX_OPERATIONS = 127;

/** What a write answers: the object and its JSON, which shares nothing with the caller's object. */
export interface Written {
  object: ApiObject;
  bytes: Buffer;
}

/** Who writes and why: kept with the revision. */
export interface WriteCause {
  actor: string;
  cause: string;
}

/** Where an object is written, and the revision that must be there. */
interface Write {
  key: string;
  cause: WriteCause;
  expect: number;
}

function tooLarge(kind: Kind, { metadata }: ApiObject, why: string): StatusError {
  return new StatusError(
    'RequestEntityTooLarge',
    `${resourceName(kind)} "${metadata.name}" is too large: ${why}`,
  );
}

function oversized(kind: Kind, object: ApiObject, jsonBytes: number, bytes: number): StatusError {
  const limit = `at most ${WRITE_LIMIT_BYTES} bytes (1.5 MiB) are allowed`;
  return tooLarge(kind, object, `storing its ${jsonBytes} bytes of JSON takes ${bytes} bytes, ${limit}`);
}

/** What etcd counts of a commit: each key is in the comparison, in the operation and in the answer to a failure. */
export function requestBytes(ops: readonly Op[], { actor, cause }: WriteCause): number {
  let bytes = RECORD_BYTES + SEAL_BYTES + Buffer.byteLength(actor) + Buffer.byteLength(cause);
  for (const op of ops) {
    bytes += 3 * (Buffer.byteLength(op.key) + OPERATION_BYTES);
    if (op.op === 'put') bytes += op.value.length;
  }
  return bytes;
}

/** More members and elements than real objects have. */
const MANY_PARTS = 10_000;

function hasMoreParts(object: object, limit: number): boolean {
  let count = 0;
  const rest: object[] = [object];
  for (let next = rest.pop(); next; next = rest.pop())
    for (const part of Object.values(next)) {
      if (++count > limit) return true;
      if (typeof part === 'object' && part !== null) rest.push(part);
    }
  return false;
}

/** Objects as the engine reads and writes them: by key, with the revision they must still have. */
export class Storage {
  readonly keys: KeySpace;
  readonly base: VersionBase;
  readonly cache: WatchCache;
  readonly #codec: ValueCodec;
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #metrics: StoreMetrics | undefined;

  constructor(options: {
    store: Store;
    keys: KeySpace;
    base: VersionBase;
    codec: ValueCodec;
    cache: WatchCache;
    clock: Clock;
    metrics?: StoreMetrics;
  }) {
    this.#codec = options.codec;
    this.#store = options.store;
    this.keys = options.keys;
    this.base = options.base;
    this.cache = options.cache;
    this.#clock = options.clock;
    this.#metrics = options.metrics;
  }

  /** The newest state that this server can know of. */
  async read(kind: Kind, namespace: string | undefined, name: string): Promise<CacheItem | undefined> {
    await this.cache.fresh();
    return this.cache.of(kind).get(this.keys.object(kind, namespace, name));
  }

  /**
   * RequestEntityTooLarge for what came in a large body of many parts and can never be stored: before much work is done for
   * it. A few long texts are left to validation, which says more.
   */
  refuseOversized(kind: Kind, object: ApiObject, sentBytes: number): void {
    if (sentBytes <= WRITE_LIMIT_BYTES || !hasMoreParts(object, MANY_PARTS)) return;
    const { length } = storedBytes(object);
    if (length > WRITE_LIMIT_BYTES) throw oversized(kind, object, length, length);
  }

  /**
   * The bytes of `object` and the operations that write them under `write.key`, together with `others`.
   * RequestEntityTooLarge when that is more than every store takes.
   */
  plan(kind: Kind, object: ApiObject, write: Write, others: readonly Op[] = []): { body: Buffer; ops: Op[] } {
    if (others.length >= MAX_OPERATIONS)
      throw tooLarge(
        kind,
        object,
        `it claims ${others.length} values, at most ${MAX_OPERATIONS - 1} are allowed`,
      );
    let body = storedBytes(object);
    let ops = this.#ops(write, body, others);
    if (requestBytes(ops, write.cause) > WRITE_LIMIT_BYTES && object.metadata.managedFields) {
      // Better without owners than not at all. Source: kube-apiserver's create and update handlers.
      delete object.metadata.managedFields;
      body = storedBytes(object);
      ops = this.#ops(write, body, others);
    }
    const bytes = requestBytes(ops, write.cause);
    if (bytes > WRITE_LIMIT_BYTES) throw oversized(kind, object, body.length, bytes);
    return { body, ops };
  }

  #ops({ key, cause, expect }: Write, body: Buffer, others: readonly Op[]): Op[] {
    const header = { time: this.#clock.now(), ...cause };
    return [{ op: 'put', key, value: this.#codec.encode(key, header, body), expect }, ...others];
  }

  async commit(ops: Op[], cause: WriteCause): Promise<CommitResult> {
    const guard = this.#codec.guard(ops);
    const all = guard ? [...ops, guard] : ops;
    const started = this.#clock.monotonic();
    const result = await this.#store.commit(all, { time: this.#clock.now(), ...cause });
    if (ops[0]) this.#metrics?.committed(ops[0], this.#clock.monotonic() - started);
    if (result.ok) this.cache.acknowledge(result.revision);
    else if (guard && result.key === guard.key) this.#keysChanged(ops, guard);
    return result;
  }

  /** The values may be encrypted with a key that is about to be dropped: they must be written anew. */
  #keysChanged(ops: readonly Op[], guard: Op): never {
    const mine = this.#codec.guard(ops)?.expect !== guard.expect;
    if (!mine) this.cache.fail(new Error('another server has changed the encryption keys'));
    throw new StatusError('ServiceUnavailable', 'the encryption keys have just been changed: try again', {
      retryAfterSeconds: 1,
    });
  }

  /** The object with the resourceVersion of its commit. */
  written(object: ApiObject, body: Buffer, revision: number): Written {
    const version = this.base.version(revision);
    object.metadata.resourceVersion = String(version);
    return { object, bytes: spliceVersion(body, version) };
  }

  /** An entry that a failed commit reported. */
  item(kind: Kind, entry: Entry): CacheItem {
    const { body } = this.#codec.decode(entry.key, entry.value);
    return itemOf(kind, entry.key, body, entry.revision, this.base.version(entry.revision));
  }

  /** The objects under a prefix as they were at a store revision. */
  async snapshot(kind: Kind, prefix: string, options: { revision: number; after?: string; limit?: number }) {
    const page = await this.#store.list(prefix, options);
    return { items: page.entries.map((entry) => this.item(kind, entry)), more: page.more };
  }

  /** An object as it was at a store revision. */
  async past(kind: Kind, key: string, revision: number): Promise<CacheItem | undefined> {
    const entry = await this.#store.get(key, revision);
    return entry && this.item(kind, entry);
  }

  get store(): Store {
    return this.#store;
  }
}
