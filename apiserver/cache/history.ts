/**
 * What happened before the cache was filled, read from the store's log when somebody asks for it: clients that watched
 * before the server started go on where they were, instead of all listing anew at once.
 */
import type { Clock } from '#machinery/clock.ts';
import { CompactedError, type Entry, type Revision, type Store, type WatchBatch } from '#store/contract.ts';
import type { VersionBase } from '../engine/base.ts';
import { turn } from '../turns.ts';
import { type CacheItem, withVersion } from './item.ts';
import type { ResourceCache } from './resource-cache.ts';
import { type CacheEvent, EventRing } from './ring.ts';

/** How far back it goes: minutes of a busy cluster, a second of reading. Who was away for longer lists anew. */
const MOST_REVISIONS = 20_000;
/** Read at once at the least, so that many clients who were each a little further behind cost few reads. */
const LEAST_REVISIONS = 1_000;
/** After this time it goes without: clients wait for it, and can list instead. */
const READ_TIMEOUT_MS = 10_000;
/** Commits that are read before others get their turn. */
const BATCHES_A_TURN = 50;
/** States kept while reading, because they are the previous ones of what comes next. */
const STATES_KEPT = 1_000;

interface HistoryOptions {
  store: Store;
  base: VersionBase;
  clock: Clock;
  itemOf(entry: Entry): CacheItem;
  /** Ends reading. */
  signal: AbortSignal;
}

/** That of one resource: the store may keep less of others, of Leases and Events only minutes. */
export class History {
  readonly #cache: ResourceCache;
  readonly #prefix: string;
  readonly #options: HistoryOptions;
  /** The cache knows what happened after this revision. */
  #from: Revision;
  /** Nothing before this one can be known. */
  #floor: Revision;
  #reading: Promise<void> | undefined;

  /** `prefix`: of the resource's keys; `filled`: the revision that the cache was filled at. */
  constructor(cache: ResourceCache, prefix: string, filled: Revision, options: HistoryOptions) {
    this.#cache = cache;
    this.#prefix = prefix;
    this.#options = options;
    this.#from = filled;
    this.#floor = Math.max(0, filled - MOST_REVISIONS);
  }

  /** Resolves once the cache knows what happened after `version`, or all there is to know. */
  async reach(version: number): Promise<void> {
    const wanted = this.#options.base.revision(version);
    while (Math.max(wanted, this.#floor) < this.#from && this.#cache.recalls) {
      if (this.#options.signal.aborted) return;
      this.#reading ??= this.#extend(Math.min(wanted, this.#from - LEAST_REVISIONS)).finally(() => {
        this.#reading = undefined;
      });
      await this.#reading;
    }
  }

  async #extend(wanted: Revision): Promise<void> {
    const from = Math.max(wanted, this.#floor);
    try {
      const ring = await this.#read(from, this.#from);
      if (!ring) {
        this.#floor = this.#from;
        return;
      }
      // Meanwhile later events may have had to go: then older ones are of no use.
      if (this.#cache.recalls) this.#cache.recall(ring);
      this.#from = from;
    } catch (error) {
      if (!(error instanceof CompactedError)) throw error;
      this.#floor = Math.min(error.compacted, this.#from);
    }
  }

  /** The events after `from` up to `to`; undefined when they did not all come in time. */
  async #read(from: Revision, to: Revision): Promise<EventRing | undefined> {
    const { store, base, clock, signal } = this.#options;
    const ring = new EventRing(base.version(from));
    const stop = new AbortController();
    const timer = clock.timer(READ_TIMEOUT_MS, () => stop.abort());
    const states = new Map<string, CacheItem>();
    let read = 0;
    try {
      for await (const batch of store.watch(this.#prefix, from, AbortSignal.any([signal, stop.signal]))) {
        // What comes after `to` is in the cache already; batches may be left out when there is nothing in them.
        if (batch.revision <= to) for (const event of this.#events(batch, states)) ring.push(event);
        if (batch.revision >= to) return ring;
        if (++read % BATCHES_A_TURN === 0) await turn();
      }
      return undefined;
    } finally {
      timer.cancel();
      stop.abort();
    }
  }

  /** `states`: what earlier batches have left, for they are the previous states of later ones. */
  *#events(batch: WatchBatch, states: Map<string, CacheItem>): Iterable<CacheEvent> {
    const version = this.#options.base.version(batch.revision);
    for (const event of batch.events) {
      const previous = event.previous && this.#state(event.previous, states);
      if (event.type === 'put') {
        const item = this.#state(event.entry, states);
        yield { type: previous ? 'MODIFIED' : 'ADDED', version, item, previous };
      } else if (previous) {
        yield { type: 'DELETED', version, item: withVersion(previous, version), previous };
      }
    }
  }

  /** The same object for the same state, so that its bytes are in memory once. */
  #state(entry: Entry, states: Map<string, CacheItem>): CacheItem {
    const { key, revision } = entry;
    for (const known of [states.get(key), this.#cache.get(key)])
      if (known?.revision === revision) return known;
    if (states.size >= STATES_KEPT) states.clear();
    const item = this.#options.itemOf(entry);
    states.set(key, item);
    return item;
  }
}
