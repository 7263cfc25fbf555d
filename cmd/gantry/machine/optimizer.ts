import { PerformanceObserver } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import type { Clock } from '#machinery/clock.ts';

/** Starts Node without its optimizing compilers: to have compiled one function leaves 6 MB in memory that a process at rest needs for nothing. */
export const WITHOUT_OPTIMIZER = ['--no-maglev', '--no-opt'];

/** Short: a burst of pods shall not be over before. */
const LOOK_MS = 1_000;
/** Of one CPU. An agent at rest uses a hundredth of it. */
const BUSY_SHARE = 0.1;

export interface Work {
  clock: Clock;
  signal: AbortSignal;
  /** What this process has used of the CPUs so far. */
  cpuMs(): number;
  /** Has `collected` called after garbage collections, until what it returns is called. */
  onGarbage(collected: () => void): () => void;
  /** Called at most once. */
  optimize(): void;
}

/**
 * Has the code optimized of a process that was started without, once it has been busy for a second: when pods come, or ask its DNS a lot.
 * Whoever works makes garbage: a process at rest is not woken for this.
 */
export function optimizeWhenBusy({ clock, signal, cpuMs, onGarbage, optimize }: Work): void {
  let before = cpuMs();
  let since = clock.monotonic();
  const stop = onGarbage(() => {
    const now = clock.monotonic();
    if (now - since < LOOK_MS) return;
    const used = cpuMs();
    if (used - before >= BUSY_SHARE * (now - since)) {
      stop();
      optimize();
    }
    before = used;
    since = now;
  });
  signal.addEventListener('abort', stop, { once: true });
}

/** Of this process's main thread. */
export function garbageCollected(collected: () => void): () => void {
  const observer = new PerformanceObserver(collected);
  observer.observe({ entryTypes: ['gc'] });
  return () => observer.disconnect();
}

/** Of this process, all its threads. */
export function usedCpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** V8 looks at this flag each time it might compile a function. */
export function switchOptimizerOn(): void {
  setFlagsFromString('--opt');
}
