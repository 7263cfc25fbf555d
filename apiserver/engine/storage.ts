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

/** An object may take this much as JSON: etcd's limit for a request, which the embedded store keeps to as well. */
const OBJECT_LIMIT_BYTES = 1_572_864;

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

  /** Bytes to store; RequestEntityTooLarge beyond the limit. */
  encode(kind: Kind, object: ApiObject): Buffer {
    let body = storedBytes(object);
    if (body.length > OBJECT_LIMIT_BYTES && object.metadata.managedFields) {
      // Better without owners than not at all. Source: kube-apiserver's create and update handlers.
      delete object.metadata.managedFields;
      body = storedBytes(object);
    }
    if (body.length > OBJECT_LIMIT_BYTES)
      throw new StatusError(
        'RequestEntityTooLarge',
        `${resourceName(kind)} "${object.metadata.name}" is too large: ${body.length} bytes as JSON, at most ${OBJECT_LIMIT_BYTES} bytes (1.5 MiB) are allowed`,
      );
    return body;
  }

  put(key: string, body: Buffer, cause: WriteCause, expect: number): Op {
    const header = { time: this.#clock.now(), ...cause };
    return { op: 'put', key, value: this.#codec.encode(key, header, body), expect };
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
