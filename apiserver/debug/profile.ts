/**
 * Profiles of this thread, the one that answers requests. Sources: Chrome DevTools Protocol, Profiler; Node, "v8".
 */
import { type Clock, sleep } from '#machinery/clock.ts';

/** A CPU profile of the time until `ms` have passed, as the JSON that Chrome and VS Code open (`.cpuprofile`). */
export async function cpuProfile(clock: Clock, ms: number, signal: AbortSignal): Promise<string> {
  // Loaded only when it is asked for.
  const { Session } = await import('node:inspector/promises');
  const session = new Session();
  session.connect();
  try {
    await session.post('Profiler.enable');
    await session.post('Profiler.start');
    await sleep(clock, ms, signal);
    const { profile } = await session.post('Profiler.stop');
    return JSON.stringify(profile);
  } finally {
    session.disconnect();
  }
}

/** What the heap holds, in bytes: cheap. */
export async function heapStatistics(): Promise<object> {
  const { getHeapSpaceStatistics, getHeapStatistics } = await import('node:v8');
  return { process: process.memoryUsage(), heap: getHeapStatistics(), spaces: getHeapSpaceStatistics() };
}

/** Every object of the heap (`.heapsnapshot`). Nothing else is answered while it is made: a second for each 100 MB or so. */
export async function heapSnapshot(): Promise<AsyncIterable<Uint8Array>> {
  const { getHeapSnapshot } = await import('node:v8');
  return getHeapSnapshot();
}
