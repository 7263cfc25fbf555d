import type { Clock } from '#machinery/clock.ts';

/** How far a wall clock is ahead, in ms; may change at any time. */
export interface Skew {
  ms: number;
}

/** A machine's clock that shows another time than it is; durations are right. */
export function skewedClock(clock: Clock, skew: Skew): Clock {
  return {
    now: () => clock.now() + skew.ms,
    monotonic: () => clock.monotonic(),
    timer: (delayMs, fire) => clock.timer(delayMs, fire),
  };
}
