import type { CacheItem } from './item.ts';
import type { CacheEvent } from './ring.ts';

export type EventListener = (event: CacheEvent) => void;

/** The one value of an attribute that objects must have to concern a watcher: `spec.nodeName` is `node-1`. */
export interface Interest {
  /** The same for all that `read` alike. */
  attribute: string;
  value: string;
  read(item: CacheItem): string | undefined;
}

interface Attribute {
  read: Interest['read'];
  byValue: Map<string, Set<EventListener>>;
}

/**
 * Hands each event to those whom it concerns. Who is interested in one value is found by it, before and after the change:
 * an event costs the attributes that somebody asked for and the watchers it reaches, not all watchers there are.
 */
export class Dispatch {
  readonly #all = new Set<EventListener>();
  readonly #attributes = new Map<string, Attribute>();

  /** Without an interest the listener gets every event. Returns what ends it. */
  add(listener: EventListener, interest?: Interest): () => void {
    if (!interest) {
      this.#all.add(listener);
      return () => this.#all.delete(listener);
    }
    const { attribute: name, value, read } = interest;
    let attribute = this.#attributes.get(name);
    if (!attribute) {
      attribute = { read, byValue: new Map() };
      this.#attributes.set(name, attribute);
    }
    const { byValue } = attribute;
    const listeners = byValue.get(value) ?? new Set();
    byValue.set(value, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size > 0 || byValue.get(value) !== listeners) return;
      byValue.delete(value);
      if (byValue.size === 0) this.#attributes.delete(name);
    };
  }

  emit(event: CacheEvent): void {
    for (const listener of this.#all) listener(event);
    for (const { read, byValue } of this.#attributes.values()) {
      const now = read(event.item);
      const before = event.previous && read(event.previous);
      tell(byValue, now, event);
      if (before !== now) tell(byValue, before, event);
    }
  }
}

function tell(byValue: Attribute['byValue'], value: string | undefined, event: CacheEvent): void {
  if (value === undefined) return;
  for (const listener of byValue.get(value) ?? []) listener(event);
}
