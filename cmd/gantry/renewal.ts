import { type Clock, rfc3339, sleep } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import type { Logger } from '#machinery/log.ts';
import { validityOf } from '#machinery/pki/certificate.ts';
import type { Random } from '#machinery/random.ts';
import { renewalTime } from '#node-agent/registration/certificate.ts';
import type { Pki } from './pki.ts';

export interface PkiRenewalDeps {
  clock: Clock;
  random: Random;
  log: Logger;
  signal: AbortSignal;
  /** Makes anew what is near its end, and takes all that is on the disk into use. */
  refresh(): Promise<Pki>;
}

const LEAVES = ['server', 'apiserver', 'controllers', 'scheduler', 'admin', 'node'] as const;
const RETRY_MS = 60_000;
/** No timer reaches further. */
const LONGEST_SLEEP_MS = 24 * 3_600_000;

/** When the first of the server's own certificates is to be renewed, in ms of the epoch. */
function dueTime(pki: Pki, random: Random): number {
  return Math.min(...LEAVES.map((name) => renewalTime(pki[name].certificate, random)));
}

/** Renews what the server shows and signs in with, each after 70 to 90 % of its life, until the signal aborts. */
export async function keepPki(pki: Pki, deps: PkiRenewalDeps): Promise<void> {
  const { clock, random, log, signal } = deps;
  let current = pki;
  let dueMs = dueTime(current, random);
  while (!signal.aborted) {
    try {
      const leftMs = dueMs - clock.now();
      if (leftMs > 0) {
        await sleep(clock, Math.min(leftMs, LONGEST_SLEEP_MS), signal);
        continue;
      }
      const next = await deps.refresh();
      const made = renewed(current, next);
      for (const name of made)
        log.info('A certificate is renewed', {
          name,
          until: rfc3339(validityOf(next[name].certificate).untilMs),
        });
      current = next;
      dueMs = made.length > 0 ? dueTime(current, random) : clock.now() + RETRY_MS;
    } catch (error) {
      if (signal.aborted) return;
      log.warn("The server's certificates could not be renewed", { error: messageOf(error) });
      await sleep(clock, RETRY_MS, signal).catch(() => {}); // only the abort ends it early
    }
  }
}

function renewed(before: Pki, after: Pki): (typeof LEAVES)[number][] {
  return LEAVES.filter((name) => before[name].certificate !== after[name].certificate);
}
