/**
 * Items in order of key (by UTF-16 unit; store keys are ASCII), in chunks, so that a change among 100,000 moves few and
 * a snapshot of them all is a copy of references.
 */
const CHUNK = 512;

export class SortedItems<T extends { key: string }> {
  readonly #chunks: T[][] = [];

  /** Adds an item, or replaces the one with its key. */
  set(item: T): void {
    const chunks = this.#chunks;
    if (chunks.length === 0) {
      chunks.push([item]);
      return;
    }
    const at = this.#chunkOf(item.key);
    const chunk = chunks[at]!;
    const index = lowerBound(chunk, item.key);
    if (chunk[index]?.key === item.key) {
      chunk[index] = item;
      return;
    }
    if (index === chunk.length) chunk.push(item);
    else chunk.splice(index, 0, item);
    if (chunk.length > 2 * CHUNK) chunks.splice(at + 1, 0, chunk.splice(CHUNK));
  }

  remove(key: string): void {
    const at = this.#chunkOf(key);
    const chunk = this.#chunks[at];
    if (!chunk) return;
    const index = lowerBound(chunk, key);
    if (chunk[index]?.key !== key) return;
    chunk.splice(index, 1);
    if (chunk.length === 0) this.#chunks.splice(at, 1);
  }

  /** The items whose keys start with `prefix` and are greater than `after`, in order: a snapshot. */
  under(prefix: string, after = ''): T[] {
    const first = after > prefix ? `${after}\0` : prefix;
    const end = `${prefix}\uffff`;
    const found: T[][] = [];
    for (let at = this.#chunkOf(first); at < this.#chunks.length; at++) {
      const chunk = this.#chunks[at]!;
      const from = lowerBound(chunk, first);
      const to = lowerBound(chunk, end);
      if (from < to) found.push(chunk.slice(from, to));
      if (to < chunk.length) break;
    }
    return found.length === 1 ? found[0]! : found.flat();
  }

  /** The last chunk that begins at or before `key`; 0 when there is none. */
  #chunkOf(key: string): number {
    let low = 0;
    let high = this.#chunks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#chunks[middle]![0]!.key <= key) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

function lowerBound(items: readonly { key: string }[], key: string): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (items[middle]!.key < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
