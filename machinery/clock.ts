/**
 * Time as a value that is passed in. No other code reads Date.now, setTimeout or performance: then a whole cluster can
 * run on a virtual clock (design.md, decision 7).
 */

export interface Timer {
  /** Stops the timer; harmless when it has fired. */
  cancel(): void;
}

export interface Clock {
  /** Wall time in milliseconds since the epoch; may jump. */
  now(): number;
  /** Milliseconds from an arbitrary start; never goes backwards. For durations. */
  monotonic(): number;
  /** Calls `fire` once after `delayMs`. A pending timer does not keep the process alive. */
  timer(delayMs: number, fire: () => void): Timer;
}

/** The largest delay Node's timers take; longer ones are cut to it. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/** The real clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  timer(delayMs, fire) {
    const handle = setTimeout(fire, Math.min(Math.max(0, delayMs), MAX_DELAY_MS));
    handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
};

/** Resolves after `delayMs`, or rejects with the signal's reason as soon as it aborts. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const abort = () => {
      timer.cancel();
      reject(signal?.reason);
    };
    const timer = clock.timer(delayMs, () => {
      signal?.removeEventListener('abort', abort);
      resolve();
    });
    signal?.addEventListener('abort', abort, { once: true });
  });
}

/** What the work comes to; undefined when the time is over before, or the signal aborts: nobody waits for it any more then. */
export async function orAfter<T>(
  clock: Clock,
  delayMs: number,
  work: Promise<T>,
  signal?: AbortSignal,
): Promise<T | undefined> {
  const over = Promise.withResolvers<undefined>();
  const end = () => over.resolve(undefined);
  const timer = clock.timer(delayMs, end);
  signal?.addEventListener('abort', end, { once: true });
  if (signal?.aborted) end();
  try {
    return await Promise.race([work, over.promise]);
  } finally {
    timer.cancel();
    signal?.removeEventListener('abort', end);
  }
}

/**
 * Works again and again until the signal aborts, each turn `periodMs` after the last has ended; the first after one
 * period, unless `atOnce`. `work` handles its own errors.
 */
export function every(
  clock: Clock,
  periodMs: number,
  signal: AbortSignal,
  work: () => Promise<void>,
  atOnce = false,
): void {
  const turn = async () => {
    if (signal.aborted) return;
    await work();
    plan();
  };
  const plan = () => {
    if (!signal.aborted) clock.timer(periodMs, () => void turn());
  };
  if (atOnce) void turn();
  else plan();
}

/** RFC 3339 with whole seconds, as metav1.Time is written. */
export function rfc3339(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/** RFC 3339 with microseconds, as metav1.MicroTime is written. */
export function rfc3339Micro(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 23)}000Z`;
}
