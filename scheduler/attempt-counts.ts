import { Family, Histogram, quoted } from '#machinery/metrics/exposition.ts';

export type AttemptResult = 'scheduled' | 'unschedulable' | 'error';

/** Source: kube-scheduler, scheduling_attempt_duration_seconds: doubled 15 times from 1 ms. */
const BOUNDS = Array.from({ length: 15 }, (_, at) => 0.001 * 2 ** at);

/** How attempts to place a pod ended, under kube-scheduler's names. */
export class AttemptCounts {
  readonly #seconds = new Map<AttemptResult, Histogram>();

  ended(result: AttemptResult, tookMs: number): void {
    const seconds = this.#seconds.get(result) ?? new Histogram(BOUNDS);
    this.#seconds.set(result, seconds);
    seconds.observe(tookMs / 1000);
  }

  /** `pending`: pods by the queue they wait in. */
  text(profile: string, pending: Record<string, number>): string {
    const waiting = new Family('scheduler_pending_pods', 'gauge', 'Pods without a node.');
    for (const [queue, count] of Object.entries(pending)) waiting.value(`queue=${quoted(queue)}`, count);
    const attempts = new Family('scheduler_schedule_attempts_total', 'counter', 'Attempts to place a pod.');
    const seconds = new Family(
      'scheduler_scheduling_attempt_duration_seconds',
      'histogram',
      'Time from looking for a node to the answer to the binding.',
    );
    for (const [result, histogram] of this.#seconds) {
      const labels = `profile=${quoted(profile)},result=${quoted(result)}`;
      attempts.value(labels, histogram.count);
      seconds.histogram(labels, histogram);
    }
    return waiting.text() + attempts.text() + seconds.text();
  }
}
