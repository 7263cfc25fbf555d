import { apply, type Target } from './faults.ts';
import { describe, durationOf, type Event } from './schedule.ts';

/** `    4.8 s  power h4 for 14.9 s`. */
export function lineOf({ atMs, fault }: Event): string {
  return `${(atMs / 1000).toFixed(1).padStart(7)} s  ${describe(fault)}`;
}

/** Lets the events happen at their times, and says each; all that was begun is over at the end. */
export async function play(
  events: readonly Event[],
  target: Target,
  say: (line: string) => void,
): Promise<void> {
  const started = performance.now();
  const until = async (ms: number) => {
    const left = started + ms - performance.now();
    if (left > 0) await new Promise((resolve) => setTimeout(resolve, left));
  };
  await Promise.all(
    events.map(async (event) => {
      await until(event.atMs);
      say(lineOf(event));
      const end = await apply(event.fault, target);
      await until(event.atMs + durationOf(event.fault));
      await end();
    }),
  );
}
