/**
 * The order of a list that two sides wrote: what `order` names comes in its order; elements that only the live list has
 * keep their place among the others as far as both orders allow.
 */
export function arrange(
  merged: readonly unknown[],
  live: readonly unknown[],
  order: readonly unknown[],
  idOf: (element: unknown) => unknown,
): unknown[] {
  const wanted = indexes(order.map(idOf));
  const lived = indexes(live.map(idOf));
  const rank = (element: unknown) => wanted.get(idOf(element));
  const named = merged.filter((element) => rank(element) !== undefined).sort((a, b) => rank(a)! - rank(b)!);
  const others = merged.filter((element) => rank(element) === undefined);
  const place = (element: unknown) => lived.get(idOf(element)) ?? Number.NaN;
  const result: unknown[] = [];
  let next = 0;
  for (const element of named) {
    while (next < others.length && place(others[next]) < place(element)) result.push(others[next++]);
    result.push(element);
  }
  return [...result, ...others.slice(next)];
}

function indexes(ids: unknown[]): Map<unknown, number> {
  return new Map(ids.map((id, index) => [id, index]));
}
