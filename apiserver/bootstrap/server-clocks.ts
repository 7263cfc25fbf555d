import type { Logger } from '#machinery/log.ts';

/** Clocks that differ by more are told of. Source of the amount: what a Lease bears, with room to spare. */
const SKEW_MS = 5_000;

/** When another server last renewed its Lease, in ms by its own clock. */
export interface Renewal {
  server: string;
  at: number;
}

/** What the renewals of other servers tell of their clocks. */
export class OtherClocks {
  readonly #log: Logger;
  #known = new Map<string, { at: number; offsetMs: number }>();
  /** By our clock. */
  #lookedAt = Number.NaN;
  #told = '';

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Which of them go wrong, or this one does, in words; empty when all agree. */
  look(renewals: readonly Renewal[], now: number): string {
    const known = new Map<string, { at: number; offsetMs: number }>();
    for (const { server, at } of renewals) {
      const before = this.#known.get(server);
      // Only of what came since the last look it is known when it was written.
      const isNew = before !== undefined && before.at !== at;
      const offsetMs = isNew ? clockOffset(at, this.#lookedAt, now) : (before?.offsetMs ?? 0);
      known.set(server, { at, offsetMs });
    }
    this.#known = known;
    this.#lookedAt = now;
    return this.#tell();
  }

  #tell(): string {
    const apart = [...this.#known].filter(([, { offsetMs }]) => Math.abs(offsetMs) > SKEW_MS);
    const words = ([server, { offsetMs }]: (typeof apart)[number]) =>
      `${server} is ${Math.abs(offsetMs) / 1000} s ${offsetMs > 0 ? 'ahead' : 'behind'}`;
    const text = apart.map(words).sort().join(', ');
    if (text && !this.#told) this.#log.warn('The clocks of servers differ: set them by NTP', { skew: text });
    if (!text && this.#told) this.#log.info('The clocks of servers agree again');
    this.#told = text;
    return text;
  }
}

/** By how much at least, in ms, the clock that wrote `writtenAt` between two moments of ours differs from it; above 0: it is ahead. */
export function clockOffset(writtenAt: number, after: number, before: number): number {
  if (writtenAt > before) return writtenAt - before;
  return writtenAt < after ? writtenAt - after : 0;
}
