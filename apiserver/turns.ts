/** Work over many items in turns of the event loop, so that no other request waits for all of it. */
const ITEMS_A_TURN = 1000;

/** The items that `keep` holds of, at most `limit` of them when it is not 0. */
export async function filterInTurns<T>(
  items: readonly T[],
  keep: (item: T) => boolean,
  limit = 0,
): Promise<T[]> {
  const kept: T[] = [];
  for (let at = 0; at < items.length; at++) {
    if (at > 0 && at % ITEMS_A_TURN === 0) await turn();
    if (!keep(items[at]!)) continue;
    kept.push(items[at]!);
    if (kept.length === limit) break;
  }
  return kept;
}

export async function mapInTurns<T, U>(
  items: readonly T[],
  change: (item: T) => U,
  itemsATurn: number,
): Promise<U[]> {
  const changed: U[] = [];
  for (const [at, item] of items.entries()) {
    if (at > 0 && at % itemsATurn === 0) await turn();
    changed.push(change(item));
  }
  return changed;
}

/** Lets everything else that is ready run once. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
