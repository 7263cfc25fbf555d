import { type Clock, orAfter } from '#machinery/clock.ts';

/** Whoever gives less in a window of waiting is given up. */
export interface Pace {
  windowMs: number;
  minBytes: number;
}

export class TooSlowError extends Error {
  override readonly name = 'TooSlowError';
}

/**
 * Passes the bytes on while enough come in each window; else it fails with TooSlowError. Only the time that is spent waiting for
 * them counts: whoever takes them may be slow. To end the source is for the caller: one that does not answer cannot be asked to.
 */
export async function* atPace(
  bytes: AsyncIterable<Uint8Array>,
  { windowMs, minBytes }: Pace,
  clock: Clock,
): AsyncGenerator<Uint8Array> {
  const source = bytes[Symbol.asyncIterator]();
  let pending = source.next();
  let waitedMs = 0;
  let came = 0;
  for (;;) {
    const began = clock.monotonic();
    const next = await orAfter(clock, windowMs - waitedMs, pending);
    waitedMs += clock.monotonic() - began;
    if (next?.done) return;
    if (next) {
      came += next.value.length;
      yield next.value;
      pending = source.next();
    }
    if (waitedMs < windowMs) continue;
    if (came < minBytes) throw new TooSlowError(`only ${came} bytes came within ${windowMs} ms`);
    waitedMs = 0;
    came = 0;
  }
}
