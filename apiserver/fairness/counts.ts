import { Histogram } from '#machinery/metrics/exposition.ts';

/** Source: kube-apiserver's buckets of how long requests waited, in seconds. */
const WAIT_BOUNDS = [0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30];

export type Refusal = 'queue-full' | 'concurrency-limit' | 'time-out' | 'cancelled';

/** What is counted of one flow schema at its level. Those that did not wait are in `dispatched` alone. */
export class Counts {
  readonly level: string;
  readonly schema: string;
  executing = 0;
  seats = 0;
  waiting = 0;
  dispatched = 0;
  readonly refused: Record<Refusal, number> = {
    'queue-full': 0,
    'concurrency-limit': 0,
    'time-out': 0,
    cancelled: 0,
  };
  /** Seconds of those that waited and were let in, and of those that waited in vain. */
  readonly waited = new Histogram(WAIT_BOUNDS);
  readonly waitedInVain = new Histogram(WAIT_BOUNDS);

  constructor(level: string, schema: string) {
    this.level = level;
    this.schema = schema;
  }

  /** Seconds of all that were let in: those that did not wait count as none. */
  get waits(): Histogram {
    const all = new Histogram(WAIT_BOUNDS);
    all.sum = this.waited.sum;
    all.count = this.dispatched;
    all.counts.splice(0, all.counts.length, ...this.waited.counts);
    all.counts[0]! += this.dispatched - this.waited.count;
    return all;
  }
}
