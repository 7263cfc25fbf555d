import type { CacheItem } from './item.ts';

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
  /** `previous` at this version, for selectors that stopped to match: made once by the first of them. */
  exit?: CacheItem;
}

/** What a ring may hold: enough to bridge a reconnect, bounded so that big objects do not eat the memory. */
export const RING_LIMITS = { bytes: 4 * 1024 * 1024, events: 16_384 };

/** The latest events of a resource, in order of version, without a gap: at most so many bytes and events. */
export class EventRing {
  #events: CacheEvent[] = [];
  #bytes = 0;
  /** Events after this resourceVersion are here. */
  #start: number;
  readonly #limits: typeof RING_LIMITS;
  #cut = false;

  constructor(start: number, limits = RING_LIMITS) {
    this.#start = start;
    this.#limits = limits;
  }

  /** The oldest resourceVersion after which nothing is missing. */
  get start(): number {
    return this.#start;
  }

  /** Whether events had to go because there were too many: older ones would have to go as well. */
  get cut(): boolean {
    return this.#cut;
  }

  push(event: CacheEvent): void {
    this.#events.push(event);
    this.#bytes += sizeOf(event);
    if (this.#over(1, 0)) this.#trim();
  }

  /** Events after `version` in order, or undefined when the ring does not reach back to it. */
  since(version: number): CacheEvent[] | undefined {
    if (version < this.#start) return undefined;
    const events = this.#events;
    let low = 0;
    let high = events.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (events[middle]!.version <= version) low = middle + 1;
      else high = middle;
    }
    return events.slice(low);
  }

  /** Puts what happened before in front of what is here: `older` must end where this one starts. */
  precede(older: EventRing): void {
    const events = this.#events;
    this.#events = older.#events;
    this.#bytes += older.#bytes;
    this.#start = older.#start;
    this.#cut = older.#cut;
    for (const event of events) this.#events.push(event);
    if (this.#over(1, 0)) this.#trim();
  }

  #over(share: number, dropped: number): boolean {
    const { bytes, events } = this.#limits;
    return this.#bytes > bytes * share || this.#events.length - dropped > events * share;
  }

  /** Drops the older half, so that the cost of dropping is spread thin. */
  #trim(): void {
    let dropped = 0;
    while (dropped < this.#events.length - 1 && this.#over(0.5, dropped)) {
      const event = this.#events[dropped++]!;
      this.#bytes -= sizeOf(event);
      this.#start = event.version;
    }
    this.#events = this.#events.slice(dropped);
    this.#cut = true;
  }
}

/** What the event keeps in memory, at most: the cache itself may hold the newer state as well. */
function sizeOf({ item, previous }: CacheEvent): number {
  return item.bytes.length + (previous?.bytes.length ?? 0);
}
