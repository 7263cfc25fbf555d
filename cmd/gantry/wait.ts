import { existsSync } from 'node:fs';
import { type Clock, sleep } from '#machinery/clock.ts';

const LOOK_EVERY_MS = 20;

/** Resolves once the file is there; rejects when the signal aborts. */
export async function waitForFile(path: string, clock: Clock, signal: AbortSignal): Promise<void> {
  // Timers of the clock do not keep the process alive.
  const hold = setInterval(() => {}, 2 ** 30);
  try {
    while (!existsSync(path)) await sleep(clock, LOOK_EVERY_MS, signal);
  } finally {
    clearInterval(hold);
  }
}

export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
