/** Where the time of one request goes, and the log of those that take too long. Source: Kubernetes, utiltrace. */
import type { Clock } from '#machinery/clock.ts';
import type { Logger } from '#machinery/log.ts';
import type { RequestContext } from './contract.ts';
import { isLongRunning } from './request-info.ts';

/**
 * In the order of the chain. `store`: reading and committing, and waiting for the cache to show what was asked for.
 * `serve`: finding out who serves a request, and what handlers of their own do.
 */
const STAGES = ['authenticate', 'queue', 'authorize', 'serve', 'decode', 'admit', 'store', 'encode'] as const;

export type Stage = (typeof STAGES)[number];

const STAGE_AT = Object.fromEntries(STAGES.map((stage, at) => [stage, at])) as Record<Stage, number>;

/** On every request's path: a list of numbers and nothing else. */
export class RequestTrace {
  readonly startedMs: number;
  readonly #clock: Clock;
  #sinceMs: number;
  #at = 0;
  readonly #spent = [0, 0, 0, 0, 0, 0, 0, 0];

  constructor(clock: Clock) {
    this.#clock = clock;
    this.startedMs = clock.monotonic();
    this.#sinceMs = this.startedMs;
  }

  /** What follows is counted to this stage, until the next one is entered. */
  enter(stage: Stage): void {
    const now = this.#clock.monotonic();
    this.#spent[this.#at]! += now - this.#sinceMs;
    this.#sinceMs = now;
    this.#at = STAGE_AT[stage];
  }

  /** Ends the last stage. Milliseconds since the request came. */
  end(): number {
    this.enter('serve');
    return this.#sinceMs - this.startedMs;
  }

  spentMs(stage: Stage): number {
    return this.#spent[STAGE_AT[stage]]!;
  }

  /** The stages that took any time, in whole milliseconds: `{ queueMs: 12, storeMs: 1003 }`. */
  summary(): Record<string, number> {
    const shares = STAGES.map((stage) => [`${stage}Ms`, Math.round(this.spentMs(stage))] as const);
    return Object.fromEntries(shares.filter(([, ms]) => ms > 0));
  }
}

/** Source: kube-apiserver logs traces of requests that take longer than about this. */
export const SLOW_REQUEST_MS = 1_000;

/** Tells of a request that took longer than `thresholdMs`, once. Watches, logs and connections may take as long as they like. */
export function logSlowRequest(
  log: Logger,
  { info, identity, requestId, request, trace }: RequestContext,
  code: number,
  tookMs: number,
): void {
  if (isLongRunning(info)) return;
  log.warn('a request was slow', {
    verb: info.verb,
    path: request.path,
    user: identity.name,
    code,
    requestId,
    tookMs: Math.round(tookMs),
    ...trace?.summary(),
  });
}
