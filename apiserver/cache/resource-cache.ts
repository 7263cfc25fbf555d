import type { Kind } from '#api/kind.ts';
import { Dispatch, type EventListener, type Interest } from './dispatch.ts';
import { FieldIndex } from './field-index.ts';
import { type CacheItem, withVersion } from './item.ts';
import { type CacheEvent, EventRing } from './ring.ts';
import { SortedItems } from './sorted-items.ts';

/** All objects of one kind as bytes, and its latest events. Filled by WatchCache, in order of revision. */
export class ResourceCache {
  readonly kind: Kind;
  readonly #items = new Map<string, CacheItem>();
  readonly #sorted = new SortedItems<CacheItem>();
  #ring: EventRing;
  /** resourceVersion of the last change of this resource. */
  #changed: number;
  readonly #dispatch = new Dispatch();
  readonly #indexes: ReadonlyMap<string, FieldIndex>;

  constructor(kind: Kind, start: number) {
    this.kind = kind;
    this.#ring = new EventRing(start);
    this.#changed = start;
    this.#indexes = new Map(kind.indexedFields?.map((field) => [field, new FieldIndex(field)]));
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
    return this.#ring.start;
  }

  /** A snapshot of the items under a key prefix and after a key, in order of key. */
  under(prefix: string, after = ''): CacheItem[] {
    return this.#sorted.under(prefix, after);
  }

  /** The items with a value of an indexed field, in order of key; undefined when there is no index of the field. */
  having(field: string, value: string): CacheItem[] | undefined {
    return this.#indexes.get(field)?.of(value);
  }

  /** An item of the first snapshot. */
  load(item: CacheItem): void {
    this.#set(item, undefined);
  }

  /** Ends the first snapshot: watches can start from here on. */
  begin(version: number): void {
    this.#ring = new EventRing(version);
    this.#changed = version;
  }

  put(item: CacheItem): void {
    const previous = this.#items.get(item.key);
    this.#set(item, previous);
    this.#emit({ type: previous ? 'MODIFIED' : 'ADDED', version: item.version, item, previous });
  }

  remove(key: string, version: number): void {
    const previous = this.#items.get(key);
    if (!previous) return;
    this.#items.delete(key);
    this.#sorted.remove(key);
    for (const index of this.#indexes.values()) index.replace(previous, undefined);
    this.#emit({ type: 'DELETED', version, item: withVersion(previous, version), previous });
  }

  /** Events after `version` in order, or undefined when they are no longer known. */
  since(version: number): CacheEvent[] | undefined {
    return this.#ring.since(version);
  }

  /** Whether it would hold events from before `begin`: not once later ones had to go. */
  get recalls(): boolean {
    return !this.#ring.cut;
  }

  /** What happened before the oldest event that is known. */
  recall(older: EventRing): void {
    this.#ring.precede(older);
  }

  /** Calls for each event from now on; for those that concern an interest, when one is given. */
  onEvent(listener: EventListener, interest?: Interest): () => void {
    return this.#dispatch.add(listener, interest);
  }

  #set(item: CacheItem, previous: CacheItem | undefined): void {
    this.#items.set(item.key, item);
    this.#sorted.set(item);
    for (const index of this.#indexes.values()) index.replace(previous, item);
  }

  #emit(event: CacheEvent): void {
    this.#changed = event.version;
    this.#ring.push(event);
    this.#dispatch.emit(event);
  }
}
