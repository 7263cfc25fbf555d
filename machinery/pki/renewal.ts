import { type Clock, sleep } from '../clock.ts';
import type { Random } from '../random.ts';
import { validityOf } from './certificate.ts';

/** Between two tries, where one has failed. */
export const RENEWAL_RETRY_MS = 60_000;
/** No timer reaches further. */
const LONGEST_SLEEP_MS = 24 * 3_600_000;

/**
 * When a certificate is to be renewed, in ms of the epoch: after 70 to 90 % of its life, so that nodes that joined together
 * do not ask together. Source: Kubernetes, client-go's certificate manager.
 */
export function renewalTime(certificate: string, random: Random): number {
  const { fromMs, untilMs } = validityOf(certificate);
  return fromMs + (untilMs - fromMs) * (0.7 + 0.2 * random.next());
}

export interface Renewal {
  clock: Clock;
  signal: AbortSignal;
  /** When it is due for the first time, in ms of the epoch. */
  dueMs: number;
  /** Renews what is due; gives when it is due again. */
  renew(): Promise<number>;
  /** Told of each try that failed, before it is tried again. */
  failed(error: unknown): void;
}

/** Renews each time that it is due, until the signal aborts. */
export async function keepRenewed({ clock, signal, dueMs: first, renew, failed }: Renewal): Promise<void> {
  let dueMs = first;
  while (!signal.aborted) {
    try {
      const leftMs = dueMs - clock.now();
      if (leftMs > 0) await sleep(clock, Math.min(leftMs, LONGEST_SLEEP_MS), signal);
      else dueMs = await renew();
    } catch (error) {
      if (signal.aborted) return;
      failed(error);
      await sleep(clock, RENEWAL_RETRY_MS, signal).catch(() => {}); // only the abort ends it early
    }
  }
}
