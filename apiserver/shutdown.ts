/**
 * The stages in which the server stops: `/readyz` fails while everything is still served, so that load balancers go
 * elsewhere; then new requests are refused and watches end; what was begun has a bounded time. Source: kube-apiserver,
 * graceful shutdown (--shutdown-delay-duration, --shutdown-send-retry-after).
 */
import { type Clock, sleep } from '#machinery/clock.ts';
import { StatusError } from '#machinery/errors.ts';
import type { RequestInfo } from './contract.ts';
import type { Check } from './health.ts';

export interface ShutdownSettings {
  /** Between the first failing /readyz and the first refused request. */
  delayMs?: number;
  /** For requests that are being worked on. */
  graceMs?: number;
}

/** Well within what a supervisor waits before it kills. */
const GRACE_MS = 5_000;
const RETRY_AFTER_S = 5;

/** Whoever watches over the server still wants to know. Source: kube-apiserver, WithRetryAfter. */
const ANSWERED_TO_THE_END = ['/readyz', '/livez', '/healthz', '/metrics'];

export class Shutdown {
  readonly #clock: Clock;
  readonly #settings: ShutdownSettings;
  readonly #draining = new AbortController();
  #begun = false;
  #running = 0;
  #idle: (() => void) | undefined;

  constructor(clock: Clock, settings: ShutdownSettings = {}) {
    this.#clock = clock;
    this.#settings = settings;
  }

  readonly check: Check = {
    name: 'shutdown',
    readiness: true,
    fault: () => (this.#begun ? 'process is shutting down' : undefined),
  };

  /** Aborts when watches are to end. */
  get draining(): AbortSignal {
    return this.#draining.signal;
  }

  /** ServiceUnavailable once the server takes no new requests. */
  refuse(info: RequestInfo): void {
    if (!this.#draining.signal.aborted || ANSWERED_TO_THE_END.some((path) => info.path.startsWith(path)))
      return;
    throw new StatusError('ServiceUnavailable', 'The apiserver is shutting down, please try again later.', {
      retryAfterSeconds: RETRY_AFTER_S,
    });
  }

  /** A request that is to be waited for; `leave` ends it. */
  enter(): void {
    this.#running++;
  }

  leave(): void {
    this.#running--;
    if (this.#running === 0) this.#idle?.();
  }

  /** Resolves when nothing runs that was begun before, or its time is over. `drain` is called when requests are refused. */
  async run(drain: () => void): Promise<void> {
    this.#begun = true;
    const { delayMs = 0, graceMs = GRACE_MS } = this.#settings;
    if (delayMs > 0) await sleep(this.#clock, delayMs);
    this.#draining.abort();
    drain();
    if (this.#running === 0) return;
    await new Promise<void>((resolve) => {
      const timer = this.#clock.timer(graceMs, resolve);
      this.#idle = () => {
        timer.cancel();
        resolve();
      };
    });
  }
}
