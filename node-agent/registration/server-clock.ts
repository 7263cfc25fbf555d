import type { Clock } from '#machinery/clock.ts';
import type { Transport } from '#machinery/transport.ts';

/** How far this machine's clock is from the servers': above 0 it is ahead. Both in milliseconds. */
export interface ClockOffset {
  offsetMs: number;
  /** The true offset is at most this far from it. */
  errorMs: number;
}

/** Clocks that differ by more are told of. */
export const SKEW_TOLERANCE_MS = 5_000;

/** A slow answer tells little. */
const LONGEST_TRIP_MS = 2_000;
/** Source: RFC 9110, section 5.6.7: dates are cut to whole seconds. */
const DATE_STEP_MS = 1_000;

/**
 * What one answer tells of the clocks: it was dated somewhere between sending and receiving, most likely in the middle. `sentAt` by our
 * clock, `tripMs` until its headers were here. Undefined when that is nothing.
 */
export function offsetBy(date: string | undefined, sentAt: number, tripMs: number): ClockOffset | undefined {
  const dated = Date.parse(date ?? '');
  if (Number.isNaN(dated) || tripMs > LONGEST_TRIP_MS) return undefined;
  return {
    offsetMs: sentAt + tripMs / 2 - (dated + DATE_STEP_MS / 2),
    errorMs: tripMs / 2 + DATE_STEP_MS / 2,
  };
}

/** Whether the clocks differ by more, whatever the error is. */
export function isSkewed({ offsetMs, errorMs }: ClockOffset, toleranceMs: number): boolean {
  return Math.abs(offsetMs) - errorMs > toleranceMs;
}

/** Compares the clocks at each answer. */
export class ServerClock {
  /** As of the last answer that told. */
  offset: ClockOffset | undefined;
  /** Called when the clocks differ where they did not, or the other way round. */
  onChange: () => void = () => {};
  readonly toleranceMs: number;
  readonly #clock: Clock;

  constructor(clock: Clock, toleranceMs = SKEW_TOLERANCE_MS) {
    this.#clock = clock;
    this.toleranceMs = toleranceMs;
  }

  get skewed(): boolean {
    return this.offset !== undefined && isSkewed(this.offset, this.toleranceMs);
  }

  /** The same transport, with its answers looked at. */
  watching(transport: Transport): Transport {
    return {
      request: async (request) => {
        const sentAt = this.#clock.now();
        const since = this.#clock.monotonic();
        const response = await transport.request(request);
        this.#note(offsetBy(response.headers['date'], sentAt, this.#clock.monotonic() - since));
        return response;
      },
      upgrade: (request) => transport.upgrade(request),
    };
  }

  #note(offset: ClockOffset | undefined): void {
    if (!offset) return;
    const before = this.skewed;
    this.offset = offset;
    if (this.skewed !== before) this.onChange();
  }
}
