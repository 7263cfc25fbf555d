/** Order and ranges of keys: bytewise over their UTF-8, the same in every store. */

/** Negative, zero or positive, as for Array.sort. */
export function compareKeys(a: string, b: string): number {
  // UTF-16 order differs from UTF-8 order only when surrogates are involved.
  if (a === b) return 0;
  if (!hasSurrogate(a) && !hasSurrogate(b)) return a < b ? -1 : 1;
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function hasSurrogate(key: string): boolean {
  return /[\ud800-\udfff]/.test(key);
}

/** Index of the first key that is not before `key` in a sorted list. */
export function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareKeys(keys[middle]!, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
