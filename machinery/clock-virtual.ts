import type { Clock, Timer } from './clock.ts';

interface Pending {
  at: number;
  order: number;
  fire: () => void;
}

/**
 * A clock that stands still until told to advance. Timers fire in order of due time, then of creation, so that a run is
 * the same each time.
 */
export class VirtualClock implements Clock {
  #now: number;
  readonly #start: number;
  #order = 0;
  #pending: Pending[] = [];

  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#now = startMs;
    this.#start = startMs;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now - this.#start;
  }

  timer(delayMs: number, fire: () => void): Timer {
    const entry: Pending = { at: this.#now + Math.max(0, delayMs), order: this.#order++, fire };
    this.#pending.push(entry);
    return {
      cancel: () => {
        this.#pending = this.#pending.filter((other) => other !== entry);
      },
    };
  }

  /** Due time of the next timer, or undefined when none is pending. */
  get next(): number | undefined {
    return this.#earliest()?.at;
  }

  /** Moves time on by `ms`, firing what falls due on the way and letting promises settle after each. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    // What is ready to run may want a timer that falls due on the way.
    await settle();
    for (let due = this.#earliest(); due && due.at <= end; due = this.#earliest()) {
      this.#now = due.at;
      this.#pending = this.#pending.filter((other) => other !== due);
      due.fire();
      await settle();
    }
    this.#now = end;
    await settle();
  }

  #earliest(): Pending | undefined {
    let best: Pending | undefined;
    for (const entry of this.#pending) {
      if (!best || entry.at < best.at || (entry.at === best.at && entry.order < best.order)) best = entry;
    }
    return best;
  }
}

/** Lets every promise that is ready run on, including those that became ready meanwhile. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
