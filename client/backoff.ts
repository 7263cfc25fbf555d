import type { Random } from '#machinery/random.ts';

const FIRST_MS = 100;
const MAX_MS = 30_000;

/**
 * Time to wait after `failures` failures in a row (0 = after the first): doubles up to 30 s, and a random half of it is
 * taken off, so that clients that failed together do not come back together.
 */
export function backoffMs(
  failures: number,
  random: Random,
  limits: { firstMs?: number; maxMs?: number } = {},
): number {
  const { firstMs = FIRST_MS, maxMs = MAX_MS } = limits;
  const full = Math.min(maxMs, firstMs * 2 ** Math.min(failures, 30));
  return full * (0.5 + random.next() / 2);
}
