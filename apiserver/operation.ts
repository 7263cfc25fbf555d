/** What an operator sees and sets of a server: limits, metrics, slow requests, /debug, and how it stops. */
import type { Clock } from '#machinery/clock.ts';
import type { PathHandler } from './contract.ts';
import { debugHandlers } from './debug/index.ts';
import type { KindIndex } from './engine/kind-index.ts';
import { Fairness } from './fairness/index.ts';
import { fairnessMetrics } from './fairness/metrics.ts';
import { type Check, healthMetrics } from './health.ts';
import type { HttpLimits } from './http/limits.ts';
import { type ObjectCount, RequestMetrics } from './metrics/requests.ts';
import { StoreMetrics } from './metrics/store.ts';
import { Shutdown, type ShutdownSettings } from './shutdown.ts';
import { SLOW_REQUEST_MS } from './trace.ts';

export interface OperationSettings {
  /** Seats for requests that are worked on at once; exempt ones are not limited. */
  concurrency?: number;
  /** Requests that take longer are logged. */
  slowRequestMs?: number;
  shutdown?: ShutdownSettings;
  /** Of connections. */
  http?: Partial<HttpLimits>;
  /** The flags the process runs with, for /debug/flags. */
  flags?: readonly string[];
}

export class Operation {
  readonly fairness: Fairness;
  readonly requests: RequestMetrics;
  readonly commits = new StoreMetrics();
  readonly shutdown: Shutdown;
  readonly slowRequestMs: number;
  readonly debug: readonly PathHandler[];

  constructor(clock: Clock, kinds: KindIndex, settings: OperationSettings = {}) {
    const { concurrency, slowRequestMs, shutdown, flags } = settings;
    this.fairness = new Fairness({ clock, ...(concurrency !== undefined && { concurrency }) });
    this.requests = new RequestMetrics(kinds, clock);
    this.shutdown = new Shutdown(clock, shutdown);
    this.slowRequestMs = slowRequestMs ?? SLOW_REQUEST_MS;
    this.debug = debugHandlers({ fairness: this.fairness, clock, flags: flags ?? [] });
  }

  /** What /metrics says; `others` add what is not of the server itself. */
  async metrics(
    objects: readonly ObjectCount[],
    checks: readonly Check[],
    others: readonly (() => Promise<string>)[] = [],
  ): Promise<string> {
    const more = await Promise.all(others.map((other) => other()));
    const own = [this.requests.text(objects), fairnessMetrics(this.fairness), this.commits.text()];
    return [...own, healthMetrics(checks), ...more].join('');
  }
}
