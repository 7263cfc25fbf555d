import type { CacheItem } from './item.ts';

/** The items of a resource by the value of one selectable field. Items without a value are not kept. */
export class FieldIndex {
  readonly #field: string;
  readonly #byValue = new Map<string, Map<string, CacheItem>>();

  constructor(field: string) {
    this.#field = field;
  }

  /** One item in the place of the other; undefined = none. */
  replace(previous: CacheItem | undefined, item: CacheItem | undefined): void {
    const before = previous?.fields?.[this.#field];
    const now = item?.fields?.[this.#field];
    if (before && before !== now) {
      const items = this.#byValue.get(before);
      items?.delete(previous!.key);
      if (items?.size === 0) this.#byValue.delete(before);
    }
    if (!now) return;
    const items = this.#byValue.get(now) ?? new Map<string, CacheItem>();
    this.#byValue.set(now, items.set(item!.key, item!));
  }

  /** In order of key. */
  of(value: string): CacheItem[] {
    return [...(this.#byValue.get(value)?.values() ?? [])].sort((a, b) => (a.key < b.key ? -1 : 1));
  }
}
