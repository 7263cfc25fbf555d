import { type Clock, rfc3339 } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import type { Logger } from '#machinery/log.ts';
import { validityOf } from '#machinery/pki/certificate.ts';
import { keepRenewed, RENEWAL_RETRY_MS, renewalTime } from '#machinery/pki/renewal.ts';
import type { Random } from '#machinery/random.ts';
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

/** When the first of the server's own certificates is to be renewed, in ms of the epoch. */
function dueTime(pki: Pki, random: Random): number {
  return Math.min(...LEAVES.map((name) => renewalTime(pki[name].certificate, random)));
}

/** Renews what the server shows and signs in with, each after 70 to 90 % of its life, until the signal aborts. */
export async function keepPki(pki: Pki, deps: PkiRenewalDeps): Promise<void> {
  const { clock, random, log, signal } = deps;
  let current = pki;
  await keepRenewed({
    clock,
    signal,
    dueMs: dueTime(current, random),
    async renew() {
      const next = await deps.refresh();
      const made = renewed(current, next);
      for (const name of made)
        log.info('A certificate is renewed', {
          name,
          until: rfc3339(validityOf(next[name].certificate).untilMs),
        });
      current = next;
      return made.length > 0 ? dueTime(current, random) : clock.now() + RENEWAL_RETRY_MS;
    },
    failed: (error) =>
      log.warn("The server's certificates could not be renewed", { error: messageOf(error) }),
  });
}

function renewed(before: Pki, after: Pki): (typeof LEAVES)[number][] {
  return LEAVES.filter((name) => before[name].certificate !== after[name].certificate);
}
