import type { Clock, Timer } from '#machinery/clock.ts';
import type { LeaseId } from './contract.ts';

/**
 * When leases end. After a restart every lease starts anew with its full time: a crash may lengthen a lease, never
 * shorten it.
 */
export class LeaseTimers {
  readonly #clock: Clock;
  readonly #expire: (lease: LeaseId) => void;
  readonly #running = new Map<LeaseId, { ttlMs: number; timer: Timer }>();

  constructor(clock: Clock, expire: (lease: LeaseId) => void) {
    this.#clock = clock;
    this.#expire = expire;
  }

  start(lease: LeaseId, ttlMs: number): void {
    const timer = this.#clock.timer(ttlMs, () => {
      this.#running.delete(lease);
      this.#expire(lease);
    });
    this.#running.set(lease, { ttlMs, timer });
  }

  has(lease: LeaseId): boolean {
    return this.#running.has(lease);
  }

  /** False when the lease has ended. */
  renew(lease: LeaseId): boolean {
    const entry = this.#running.get(lease);
    if (!entry) return false;
    entry.timer.cancel();
    this.start(lease, entry.ttlMs);
    return true;
  }

  /** False when it had ended already. */
  stop(lease: LeaseId): boolean {
    this.#running.get(lease)?.timer.cancel();
    return this.#running.delete(lease);
  }

  stopAll(): void {
    for (const { timer } of this.#running.values()) timer.cancel();
    this.#running.clear();
  }
}
