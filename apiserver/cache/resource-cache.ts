import type { Kind } from '#api/kind.ts';
import { type CacheItem, withVersion } from './item.ts';
import { SortedItems } from './sorted-items.ts';

/** A change of one object, shared by all watchers. */
export interface CacheEvent {
  type: 'ADDED' | 'MODIFIED' | 'DELETED';
  version: number;
  /** For DELETED the last state with the resourceVersion of the deletion. */
  item: CacheItem;
  /** The state before, for selectors that start or stop to match. */
  previous: CacheItem | undefined;
  /** The event as watchers of plain JSON get it, made once by the first of them. */
  frame?: Buffer;
}

/** What a ring may hold: enough to bridge a reconnect, bounded so that big objects do not eat the memory. */
const RING_BYTES = 2 * 1024 * 1024;
const RING_EVENTS = 16_384;

/** All objects of one kind as bytes, and its latest events. Filled by WatchCache, in order of revision. */
export class ResourceCache {
  readonly kind: Kind;
  readonly #items = new Map<string, CacheItem>();
  readonly #sorted = new SortedItems<CacheItem>();
  #ring: CacheEvent[] = [];
  #ringBytes = 0;
  /** Events after this resourceVersion are in the ring. */
  #ringStart: number;
  /** resourceVersion of the last change of this resource. */
  #changed: number;
  readonly #listeners = new Set<(event: CacheEvent) => void>();

  constructor(kind: Kind, start: number) {
    this.kind = kind;
    this.#ringStart = start;
    this.#changed = start;
  }

  get(key: string): CacheItem | undefined {
    return this.#items.get(key);
  }

  get size(): number {
    return this.#items.size;
  }

  get changed(): number {
    return this.#changed;
  }

  /** The oldest resourceVersion a watch can start from. */
  get oldest(): number {
    return this.#ringStart;
  }

  /** A snapshot of the items under a key prefix and after a key, in order of key. */
  under(prefix: string, after = ''): CacheItem[] {
    return this.#sorted.under(prefix, after);
  }

  /** An item of the first snapshot. */
  load(item: CacheItem): void {
    this.#items.set(item.key, item);
    this.#sorted.set(item);
  }

  /** Ends the first snapshot: watches can start from here on. */
  begin(version: number): void {
    this.#ringStart = version;
    this.#changed = version;
  }

  put(item: CacheItem): void {
    const previous = this.#items.get(item.key);
    this.#items.set(item.key, item);
    this.#sorted.set(item);
    this.#emit({ type: previous ? 'MODIFIED' : 'ADDED', version: item.version, item, previous });
  }

  remove(key: string, version: number): void {
    const previous = this.#items.get(key);
    if (!previous) return;
    this.#items.delete(key);
    this.#sorted.remove(key);
    this.#emit({ type: 'DELETED', version, item: withVersion(previous, version), previous });
  }

  /** Events after `version` in order, or undefined when the ring no longer reaches back to it. */
  since(version: number): CacheEvent[] | undefined {
    if (version < this.#ringStart) return undefined;
    const ring = this.#ring;
    let low = 0;
    let high = ring.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (ring[middle]!.version <= version) low = middle + 1;
      else high = middle;
    }
    return ring.slice(low);
  }

  /** Calls for each event from now on. */
  onEvent(listener: (event: CacheEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #emit(event: CacheEvent): void {
    this.#changed = event.version;
    this.#ring.push(event);
    this.#ringBytes += event.item.bytes.length;
    if (this.#ringBytes > RING_BYTES || this.#ring.length > RING_EVENTS) this.#trim();
    for (const listener of this.#listeners) listener(event);
  }

  /** Drops the older half, so that the cost of dropping is spread thin. */
  #trim(): void {
    let dropped = 0;
    const full = () => this.#ringBytes > RING_BYTES / 2 || this.#ring.length - dropped > RING_EVENTS / 2;
    while (dropped < this.#ring.length - 1 && full()) {
      const event = this.#ring[dropped++]!;
      this.#ringBytes -= event.item.bytes.length;
      this.#ringStart = event.version;
    }
    this.#ring = this.#ring.slice(dropped);
  }
}
