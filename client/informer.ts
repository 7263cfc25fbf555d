/**
 * A local copy of one kind, kept by list + watch. It resumes from the last event after a broken watch, lists anew when the
 * server no longer has that revision, and never goes back: what a new list lacks is reported as deleted. The objects
 * it hands out are shared by everybody; changing one is a bug (`freeze` makes that throw, for tests).
 */
import type { Kind } from '#api/kind.ts';
import { type ApiObject, keyOf, type ObjectKey } from '#api/objects.ts';
import { type Clock, sleep } from '#machinery/clock.ts';
import { isStatus } from '#machinery/errors.ts';
import type { Random } from '#machinery/random.ts';
import { backoffMs } from './backoff.ts';
import type { Change, Client, Informer, WatchEvent } from './contract.ts';
import { ObjectIndexes } from './object-indexes.ts';
import { needsRelist } from './rest.ts';

export interface InformerOptions<T extends ApiObject> {
  client: Client;
  kind: Kind<T>;
  clock: Clock;
  random: Random;
  /** Ends the informer. */
  signal: AbortSignal;
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
  /** Each gives the values under which an object is found by byIndex. */
  indexes?: Record<string, (object: T) => string[]>;
  /** What is held of an object, when that is less than all of it: the rest is let go of at once. */
  keep?: (object: T) => T;
  /** Told of each failed list or watch; the informer goes on by itself. */
  onError?: (error: unknown) => void;
  /** Makes a change of a handed-out object throw. Costs time: for tests. */
  freeze?: boolean;
}

/**
 * Objects per page of a list: bounds what is in memory beside the objects that are held. With objects of 2 kB the text of
 * a page stays below the megabyte from which V8 keeps strings outside of its heap, where garbage lies for long.
 */
const PAGE_SIZE = 400;
/** A server that comes back is heard of within this time: an agent must take its pods up again at once. */
const MAX_BACKOFF_MS = 2000;
/** A watch that ends at once is not opened again at once. */
const REOPEN_DELAY_MS = 50;

/** Starts at once and runs until the signal aborts. */
export function startInformer<T extends ApiObject>(options: InformerOptions<T>): Informer<T> {
  return new ListWatchInformer(options);
}

interface Waiter {
  revision: number;
  done: () => void;
}

class ListWatchInformer<T extends ApiObject> implements Informer<T> {
  readonly kind: Kind<T>;
  readonly synced: Promise<void>;
  readonly #options: InformerOptions<T>;
  readonly #objects = new Map<ObjectKey, T>();
  readonly #indexes: ObjectIndexes<T>;
  readonly #listeners = new Set<(change: Change<T>) => void>();
  readonly #waiters = new Set<Waiter>();
  #listed: readonly T[] | undefined;
  #revision = '';
  #mustList = true;
  #setSynced!: () => void;

  constructor(options: InformerOptions<T>) {
    this.kind = options.kind;
    this.#options = options;
    this.#indexes = new ObjectIndexes(options.indexes ?? {});
    this.synced = new Promise((resolve) => {
      this.#setSynced = resolve;
    });
    void this.#run();
  }

  get(key: ObjectKey): T | undefined {
    return this.#objects.get(key);
  }

  list(): readonly T[] {
    this.#listed ??= [...this.#objects.values()];
    return this.#listed;
  }

  byIndex(name: string, value: string): readonly T[] {
    return this.#indexes.get(name, value);
  }

  revision(): string {
    return this.#revision;
  }

  waitFor(resourceVersion: string, signal?: AbortSignal): Promise<void> {
    const revision = Number(resourceVersion);
    if (Number(this.#revision || -1) >= revision) return Promise.resolve();
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const waiter: Waiter = {
        revision,
        done: () => {
          signal?.removeEventListener('abort', abort);
          resolve();
        },
      };
      const abort = () => {
        this.#waiters.delete(waiter);
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', abort, { once: true });
      this.#waiters.add(waiter);
    });
  }

  onChange(listener: (change: Change<T>) => void): () => void {
    for (const object of this.list()) listener({ type: 'added', object });
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #run(): Promise<void> {
    const { signal, clock, random } = this.#options;
    let failures = 0;
    while (!signal.aborted) {
      try {
        if (this.#mustList) await this.#relist();
        await this.#follow(() => {
          failures = 0;
        });
        await sleep(clock, REOPEN_DELAY_MS, signal);
      } catch (error) {
        if (signal.aborted) return;
        if (needsRelist(error)) this.#mustList = true;
        this.#options.onError?.(error);
        await sleep(clock, backoffMs(failures++, random, { maxMs: MAX_BACKOFF_MS }), signal).catch(
          ignoreAbort(signal),
        );
      }
    }
  }

  /** Page by page, so that no more than one is there as a whole. Who looks meanwhile sees each object as new as can be. */
  async #relist(): Promise<void> {
    const { client, kind, namespace, labelSelector, fieldSelector } = this.#options;
    const missing = new Set(this.#objects.keys());
    let next: string | undefined;
    let revision: string;
    do {
      const scope = { namespace, labelSelector, fieldSelector, limit: PAGE_SIZE };
      const page = await client.list(kind, { ...scope, ...(next && { continue: next }) });
      for (const object of page.items) {
        missing.delete(keyOf(object));
        this.#put(object);
      }
      next = page.continue;
      revision = page.resourceVersion;
    } while (next);
    for (const key of missing) this.#remove(key);
    this.#reach(revision);
    this.#mustList = false;
    this.#setSynced();
  }

  async #follow(alive: () => void): Promise<void> {
    const { client, kind, namespace, labelSelector, fieldSelector, signal } = this.#options;
    const watch = client.watch(kind, {
      namespace,
      labelSelector,
      fieldSelector,
      resourceVersion: this.#revision,
      signal,
    });
    for await (const event of watch) {
      alive();
      this.#apply(event);
    }
  }

  #apply(event: WatchEvent<T>): void {
    if (event.type === 'bookmark') {
      this.#reach(event.resourceVersion);
      return;
    }
    if (event.type === 'deleted') this.#remove(keyOf(event.object), event.object);
    else this.#put(event.object);
    this.#reach(event.object.metadata.resourceVersion ?? '');
  }

  #put(whole: T): void {
    const object = this.#options.keep?.(whole) ?? whole;
    if (this.#options.freeze) deepFreeze(object);
    const key = keyOf(object);
    // Deleted and made again while nobody watched: two changes, as a watcher would have seen.
    if (this.#objects.get(key)?.metadata.uid !== object.metadata.uid) this.#remove(key);
    const previous = this.#objects.get(key);
    if (previous && previous.metadata.resourceVersion === object.metadata.resourceVersion) return;
    this.#objects.set(key, object);
    this.#indexes.replace(key, previous, object);
    this.#listed = undefined;
    this.#tell(previous ? { type: 'modified', object, previous } : { type: 'added', object });
  }

  #remove(key: ObjectKey, last?: T): void {
    const previous = this.#objects.get(key);
    if (!previous) return;
    this.#objects.delete(key);
    this.#indexes.replace(key, previous, undefined);
    this.#listed = undefined;
    this.#tell({ type: 'deleted', object: last ?? previous });
  }

  #tell(change: Change<T>): void {
    for (const listener of this.#listeners) listener(change);
  }

  #reach(revision: string): void {
    if (Number(revision) < Number(this.#revision || 0)) return;
    this.#revision = revision;
    for (const waiter of this.#waiters) {
      if (waiter.revision > Number(revision)) continue;
      this.#waiters.delete(waiter);
      waiter.done();
    }
  }
}

function ignoreAbort(signal: AbortSignal) {
  return (error: unknown) => {
    if (!signal.aborted && !isStatus(error)) throw error;
  };
}

function deepFreeze(value: unknown): void {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return;
  Object.freeze(value);
  for (const part of Object.values(value)) deepFreeze(part);
}
