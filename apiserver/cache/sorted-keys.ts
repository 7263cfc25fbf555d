/** Strings in order (by UTF-16 unit; store keys are ASCII) in chunks, so that an insert among 100,000 moves few. */
const CHUNK = 512;

export class SortedKeys {
  #chunks: string[][] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(key: string): void {
    const chunks = this.#chunks;
    if (chunks.length === 0) {
      chunks.push([key]);
      this.#size = 1;
      return;
    }
    const at = this.#chunkOf(key);
    const chunk = chunks[at]!;
    const index = lowerBound(chunk, key);
    if (chunk[index] === key) return;
    if (index === chunk.length) chunk.push(key);
    else chunk.splice(index, 0, key);
    this.#size++;
    if (chunk.length > 2 * CHUNK) chunks.splice(at + 1, 0, chunk.splice(CHUNK));
  }

  remove(key: string): void {
    const at = this.#chunkOf(key);
    const chunk = this.#chunks[at];
    if (!chunk) return;
    const index = lowerBound(chunk, key);
    if (chunk[index] !== key) return;
    chunk.splice(index, 1);
    this.#size--;
    if (chunk.length === 0) this.#chunks.splice(at, 1);
  }

  /** Keys that start with `prefix` and are greater than `after`, in order. */
  *under(prefix: string, after = ''): Generator<string> {
    const from = after > prefix ? after : prefix;
    for (let at = Math.max(0, this.#chunkOf(from)); at < this.#chunks.length; at++) {
      const chunk = this.#chunks[at]!;
      for (let index = lowerBound(chunk, from); index < chunk.length; index++) {
        const key = chunk[index]!;
        if (key <= after) continue;
        if (!key.startsWith(prefix)) return;
        yield key;
      }
    }
  }

  /** The last chunk that begins at or before `key`. */
  #chunkOf(key: string): number {
    let low = 0;
    let high = this.#chunks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#chunks[middle]![0]! <= key) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

function lowerBound(keys: string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (keys[middle]! < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
