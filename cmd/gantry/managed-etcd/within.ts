import { type Clock, sleep } from '#machinery/clock.ts';

const LOOK_EVERY_MS = 100;

/** Looks again and again until there is something; after `waitMs` throws what `failure` gives. */
export async function within<T>(
  { clock, signal, waitMs }: { clock: Clock; signal: AbortSignal; waitMs: number },
  look: () => Promise<T | undefined>,
  failure: () => Error | Promise<Error>,
): Promise<T> {
  const end = clock.monotonic() + waitMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (clock.monotonic() > end) throw await failure();
    await sleep(clock, LOOK_EVERY_MS, signal);
  }
}
