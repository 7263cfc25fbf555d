import { canonicalQuantity, isQuantity } from '#machinery/values/quantity.ts';

/** Rewrites each quantity of a list in its canonical form, in place. What is no quantity is left for validation. */
export function canonicalQuantities(list: Record<string, string> | undefined): void {
  for (const name in list) list[name] = canonicalQuantityOr(list[name]!);
}

/** The canonical form (`1000m` is `1`, `1024Mi` is `1Gi`), or the value itself when it is no quantity. */
export function canonicalQuantityOr(value: string | number): string {
  if (CANONICAL.test(String(value))) return String(value);
  return isQuantity(value) ? canonicalQuantity(value) : (value as string);
}

/** Whole numbers below a thousand are canonical as they stand: the common case, without big-number arithmetic. */
const CANONICAL = /^(?:0|[1-9][0-9]{0,2})$/;
