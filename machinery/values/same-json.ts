/**
 * Whether two JSON values say the same. `isNothing`: what is as good as not there; by default `undefined` alone, so that a
 * key without a value and a missing one are alike.
 */
export function sameJson(
  a: unknown,
  b: unknown,
  isNothing: (value: unknown) => boolean = isUndefined,
): boolean {
  if (a === b) return true;
  if (isNothing(a) && isNothing(b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    return a.every((value, index) => sameJson(value, b[index], isNothing));
  }
  const left = a as Record<string, unknown>;
  const right = b as Record<string, unknown>;
  for (const key in left) if (!sameJson(left[key], ownOf(right, key), isNothing)) return false;
  for (const key in right) if (!Object.hasOwn(left, key) && !isNothing(right[key])) return false;
  return true;
}

/** A key like `constructor` is not what every object inherits. */
function ownOf(object: Record<string, unknown>, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

function isUndefined(value: unknown): boolean {
  return value === undefined;
}
