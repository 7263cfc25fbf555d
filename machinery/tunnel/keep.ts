import type { Duplex } from 'node:stream';
import { type Clock, sleep } from '../clock.ts';
import { messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Random } from '../random.ts';
import { answerTunnel, type TunnelTargets } from './tunnel.ts';

export interface KeptTunnel {
  /** Opens a connection whose upgrade has been accepted. */
  dial(signal: AbortSignal): Promise<Duplex>;
  targets: TunnelTargets;
  clock: Clock;
  random: Random;
  log: Logger;
}

const FIRST_DELAY_MS = 100;
/** Long enough not to be a burden, short enough that a restarted server is found within seconds. */
const LAST_DELAY_MS = 5_000;

/** Keeps one tunnel up: dials again, ever more slowly, as long as `signal` is not aborted. Resolves then. */
export async function keepTunnel(kept: KeptTunnel, signal: AbortSignal): Promise<void> {
  const { clock, random, log } = kept;
  let delayMs = FIRST_DELAY_MS;
  while (!signal.aborted) {
    try {
      const connection = await kept.dial(signal);
      const since = clock.monotonic();
      log.info('the tunnel to the server is up');
      await answerTunnel(connection, kept.targets, clock, signal);
      // One that was torn at once is no reason to hurry.
      if (clock.monotonic() - since > LAST_DELAY_MS) delayMs = FIRST_DELAY_MS;
      if (!signal.aborted) log.warn('the tunnel to the server is down');
    } catch (error) {
      if (!signal.aborted) log.warn('the tunnel to the server cannot be opened', { error: messageOf(error) });
    }
    // Half fixed, half by chance, so that the nodes of a restarted server do not all come at once.
    await sleep(clock, delayMs / 2 + (random.next() * delayMs) / 2, signal).catch(() => {});
    delayMs = Math.min(delayMs * 2, LAST_DELAY_MS);
  }
}
