import type { Kind } from '#api/kind.ts';
import { type Clock, sleep } from '#machinery/clock.ts';
import { StatusError } from '#machinery/errors.ts';
import type { Logger } from '#machinery/log.ts';
import {
  CompactedError,
  type Entry,
  SlowWatcherError,
  type Store,
  StoreFailedError,
  type WatchBatch,
} from '#store/contract.ts';
import { EncryptionKeyError, type ValueCodec } from '../encryption/codec.ts';
import type { VersionBase } from '../engine/base.ts';
import type { KeySpace } from '../engine/keys.ts';
import { History } from './history.ts';
import { type CacheItem, itemOf } from './item.ts';
import { ResourceCache } from './resource-cache.ts';

/** Entries of one page while filling: bounds what is in flight between the store and the cache. */
const LOAD_PAGE = 500;

/** How long a reader waits for a revision that the store has not delivered yet. Source: Kubernetes' watch cache. */
const FRESH_TIMEOUT_MS = 3_000;

/** How long to wait before watching the store again after it failed. */
const RECONNECT_MS = 100;

/** What was replaced is in the cache itself. */
const NO_PREVIOUS = { previous: false };

interface Waiter {
  version: number;
  resolve(): void;
}

/**
 * Memory of everything in the store, one ResourceCache for each stored kind, fed by one watch over all keys: so all of
 * them always show the same revision. Never answers from before a write that this server has acknowledged.
 */
export class WatchCache {
  readonly #store: Store;
  readonly #keys: KeySpace;
  readonly #base: VersionBase;
  readonly #codec: ValueCodec;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #byPrefix = new Map<string, ResourceCache>();
  readonly #byKind = new Map<string, ResourceCache>();
  readonly #claims = new Set<string>();
  #version = 0;
  /** Set when the cache can no longer follow the store. */
  failure: Error | undefined;
  #floor = 0;
  #waiters: Waiter[] = [];
  #revisionCall: Promise<number> | undefined;
  readonly #shared: boolean;
  readonly #progress = new Set<() => void>();
  readonly #histories = new Map<ResourceCache, History>();

  /** `shared`: other servers write to the same store, so consistent reads ask it for its newest revision. */
  constructor(options: {
    store: Store;
    keys: KeySpace;
    base: VersionBase;
    codec: ValueCodec;
    clock: Clock;
    log: Logger;
    kinds: readonly Kind[];
    shared: boolean;
  }) {
    this.#store = options.store;
    this.#keys = options.keys;
    this.#base = options.base;
    this.#codec = options.codec;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#shared = options.shared;
    for (const kind of options.kinds) this.#add(kind, 0);
  }

  #add(kind: Kind, version: number): void {
    const cache = new ResourceCache(kind, version);
    this.#byPrefix.set(this.#keys.prefix(kind), cache);
    this.#byKind.set(`${kind.group}/${kind.plural}`, cache);
  }

  /** The cache of a kind; of the kind it is stored as, for a view. */
  of(kind: Pick<Kind, 'group' | 'plural' | 'storedAs'>): ResourceCache {
    const stored = kind.storedAs ?? kind;
    const cache = this.#byKind.get(`${stored.group}/${stored.plural}`);
    if (!cache) throw new Error(`${stored.plural}.${stored.group} is not a stored kind`);
    return cache;
  }

  /** resourceVersion up to which everything has arrived. */
  get version(): number {
    return this.#version;
  }

  /** Whether a value of a pool is claimed. `key` is that of the claim. */
  claimed(key: string): boolean {
    return this.#claims.has(key);
  }

  get claimCount(): number {
    return this.#claims.size;
  }

  /** Reads everything, then follows the store until `signal` aborts. Resolves when filled. */
  async start(signal: AbortSignal): Promise<void> {
    const revision = await this.#fill();
    for (const [prefix, cache] of this.#byPrefix) {
      const history = new History(cache, prefix, revision, {
        store: this.#store,
        base: this.#base,
        clock: this.#clock,
        itemOf: (entry) => this.#itemOf(cache, entry),
        signal,
      });
      this.#histories.set(cache, history);
    }
    void this.#follow(revision, signal);
  }

  async #fill(): Promise<number> {
    let after: string | undefined;
    let revision: number | undefined;
    for (;;) {
      const page = await this.#store.list(this.#keys.root, { limit: LOAD_PAGE, after, revision });
      revision = page.revision;
      for (const entry of page.entries) {
        const cache = this.#cacheOf(entry.key);
        if (cache) cache.load(this.#itemOf(cache, entry));
        else if (entry.key.startsWith(this.#keys.claims)) this.#claims.add(entry.key);
      }
      after = page.entries.at(-1)?.key;
      if (!page.more || after === undefined) break;
    }
    for (const cache of this.#byKind.values()) cache.begin(this.#base.version(revision));
    this.#advance(this.#base.version(revision));
    return revision;
  }

  async #follow(from: number, signal: AbortSignal): Promise<void> {
    let revision = from;
    while (!signal.aborted) {
      try {
        for await (const batch of this.#store.watch(this.#keys.root, revision, signal, NO_PREVIOUS)) {
          this.#apply(batch);
          revision = batch.revision;
        }
      } catch (error) {
        if (signal.aborted) return;
        if (isFinal(error)) return this.fail(error);
        if (!(error instanceof SlowWatcherError)) this.#log.error('the watch of the store broke', { error });
      }
      await sleep(this.#clock, RECONNECT_MS, signal).catch(() => undefined);
    }
  }

  /** The server must be started anew. */
  fail(error: Error): void {
    this.failure = error;
    this.#log.error('the cache lost the store and cannot go on', { error });
  }

  #apply(batch: WatchBatch): void {
    const version = this.#base.version(batch.revision);
    for (const event of batch.events) {
      const key = event.type === 'put' ? event.entry.key : event.key;
      const cache = this.#cacheOf(key);
      if (!cache) {
        if (!key.startsWith(this.#keys.claims)) continue;
        if (event.type === 'put') this.#claims.add(key);
        else this.#claims.delete(key);
      } else if (event.type === 'put') {
        cache.put(this.#itemOf(cache, event.entry));
      } else cache.remove(key, version);
    }
    this.#advance(version);
  }

  #advance(version: number): void {
    if (version > this.#version) this.#version = version;
    if (this.#waiters.length > 0) {
      const due = this.#waiters.filter((waiter) => waiter.version <= this.#version);
      this.#waiters = this.#waiters.filter((waiter) => waiter.version > this.#version);
      for (const waiter of due) waiter.resolve();
    }
    for (const listener of this.#progress) listener();
  }

  /** Calls whenever a whole commit has arrived. */
  onProgress(listener: () => void): () => void {
    this.#progress.add(listener);
    return () => this.#progress.delete(listener);
  }

  #itemOf(cache: ResourceCache, { key, value, revision }: Entry): CacheItem {
    const { body } = this.#codec.decode(key, value);
    return itemOf(cache.kind, key, body, revision, this.#base.version(revision));
  }

  #cacheOf(key: string): ResourceCache | undefined {
    const group = key.indexOf('/', this.#keys.root.length);
    const resource = key.indexOf('/', group + 1);
    return resource < 0 ? undefined : this.#byPrefix.get(key.slice(0, resource + 1));
  }

  /**
   * Makes a resource able to say what happened after `version`, as far as the store's log still can: for those who
   * watched before this server started.
   */
  async recall(resource: ResourceCache, version: number): Promise<void> {
    if (version < resource.oldest) await this.#histories.get(resource)?.reach(version);
  }

  /** A write was acknowledged at this store revision: later consistent reads show it. */
  acknowledge(revision: number): void {
    this.#floor = Math.max(this.#floor, this.#base.version(revision));
  }

  /** Resolves when a read sees every write acknowledged before the call (undefined when it already does). */
  fresh(): Promise<void> | undefined {
    return this.#shared ? this.#freshShared() : this.caughtUp();
  }

  /** Like fresh, for writes of this server alone: never asks the store. */
  caughtUp(): Promise<void> | undefined {
    return this.#floor <= this.#version ? undefined : this.waitFor(this.#floor);
  }

  async #freshShared(): Promise<void> {
    // One call serves everybody who asks in the same turn of the loop.
    this.#revisionCall ??= Promise.resolve().then(() => {
      this.#revisionCall = undefined;
      return this.#store.revision();
    });
    await this.waitFor(this.#base.version(await this.#revisionCall));
  }

  /** Resolves once the cache has seen `version`; fails with Timeout when that takes more than three seconds. */
  waitFor(version: number): Promise<void> {
    if (version <= this.#version) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        version,
        resolve: () => {
          timer.cancel();
          resolve();
        },
      };
      const timer = this.#clock.timer(FRESH_TIMEOUT_MS, () => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
        reject(tooLarge(version, this.#version));
      });
      this.#waiters.push(waiter);
    });
  }
}

/**
 * What was compacted before the cache saw it is lost to it, as is a store that has failed; a key that another server has made
 * is read at the next start.
 */
function isFinal(error: unknown): error is Error {
  return (
    error instanceof CompactedError ||
    error instanceof StoreFailedError ||
    error instanceof EncryptionKeyError
  );
}

/** Source: Kubernetes storage errors, "Too large resource version". */
function tooLarge(wanted: number, current: number): StatusError {
  return new StatusError('Timeout', `Timeout: Too large resource version: ${wanted}, current: ${current}`, {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 1,
  });
}
