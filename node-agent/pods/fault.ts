import type { Reasoned } from './observed.ts';

/** An effect that failed for a reason a user of Kubernetes knows; it is tried again later. */
export class EffectFault extends Error {
  override readonly name = 'EffectFault';
  readonly fault: Reasoned;
  /** Longest delay before it is tried again. */
  readonly maxRetryMs: number;
  constructor(reason: string, message: string, maxRetryMs = 60_000) {
    super(message);
    this.fault = { reason, message };
    this.maxRetryMs = maxRetryMs;
  }
}
