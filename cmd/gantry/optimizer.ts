import { setFlagsFromString } from 'node:v8';
import { type Clock, sleep } from '#machinery/clock.ts';

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
  /** Called at most once. */
  optimize(): void;
}

/** Has the code optimized of a process that was started without, once it has been busy for a second: when pods come, or ask its DNS a lot. */
export async function optimizeWhenBusy({ clock, signal, cpuMs, optimize }: Work): Promise<void> {
  let before = cpuMs();
  let since = clock.monotonic();
  while (await waited(clock, signal)) {
    const now = clock.monotonic();
    const used = cpuMs();
    if (used - before >= BUSY_SHARE * (now - since)) return optimize();
    before = used;
    since = now;
  }
}

async function waited(clock: Clock, signal: AbortSignal): Promise<boolean> {
  await sleep(clock, LOOK_MS, signal).catch(() => {}); // only the abort ends it early
  return !signal.aborted;
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
