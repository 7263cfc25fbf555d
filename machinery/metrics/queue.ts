import type { Clock } from '../clock.ts';
import { Family, Histogram, quoted } from './exposition.ts';

/** Source: client-go, util/workqueue/metrics.go: ten times each, from 10 ns to 10 s. */
const BOUNDS = [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1, 10];

/** What happens in one work queue. Plain numbers: it is on the path of every key. */
export class QueueCounts {
  readonly queueSeconds = new Histogram(BOUNDS);
  readonly workSeconds = new Histogram(BOUNDS);
  /** When the work of each key that is worked on began, in ms of the monotonic clock. */
  readonly #begun = new Set<{ atMs: number }>();
  readonly #clock: Clock;
  adds = 0;
  retries = 0;
  /** Keys that wait now. */
  depth = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Work on a key that waited since `sinceMs` begins; what is returned tells that it has ended. */
  begin(sinceMs: number): () => void {
    const begun = { atMs: this.#clock.monotonic() };
    this.queueSeconds.observe((begun.atMs - sinceMs) / 1000);
    this.#begun.add(begun);
    return () => {
      this.#begun.delete(begun);
      this.workSeconds.observe((this.#clock.monotonic() - begun.atMs) / 1000);
    };
  }

  /** How long each key that is worked on has been, in seconds. */
  unfinished(): number[] {
    const now = this.#clock.monotonic();
    return [...this.#begun].map(({ atMs }) => (now - atMs) / 1000);
  }
}

/** Of several queues by their names, as client-go's `workqueue_*`. */
export function queueMetrics(queues: ReadonlyMap<string, QueueCounts>): string {
  const value = (
    ...[name, type, help, read]: [string, 'counter' | 'gauge', string, (counts: QueueCounts) => number]
  ) => {
    const family = new Family(`workqueue_${name}`, type, help);
    for (const [queue, counts] of queues) family.value(`name=${quoted(queue)}`, read(counts));
    return family.text();
  };
  const times = (name: string, help: string, read: (counts: QueueCounts) => Histogram) => {
    const family = new Family(`workqueue_${name}`, 'histogram', help);
    for (const [queue, counts] of queues) family.histogram(`name=${quoted(queue)}`, read(counts));
    return family.text();
  };
  const sum = (values: number[]) => values.reduce((total, each) => total + each, 0);
  return [
    value('depth', 'gauge', 'Keys that wait.', ({ depth }) => depth),
    value('adds_total', 'counter', 'Keys that were added.', ({ adds }) => adds),
    value('retries_total', 'counter', 'Keys that came again because of a failure.', ({ retries }) => retries),
    value('unfinished_work_seconds', 'gauge', 'Time spent on keys that are worked on.', (counts) =>
      sum(counts.unfinished()),
    ),
    value('longest_running_processor_seconds', 'gauge', 'The longest of these.', (counts) =>
      Math.max(0, ...counts.unfinished()),
    ),
    times('queue_duration_seconds', 'Time that keys wait.', ({ queueSeconds }) => queueSeconds),
    times('work_duration_seconds', 'Time that the work on a key takes.', ({ workSeconds }) => workSeconds),
  ].join('');
}
