import type { Duplex } from 'node:stream';
import { type Clock, sleep } from '../clock.ts';
import { messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Random } from '../random.ts';
import { answerTunnel, type StreamClass, type TunnelTargets } from './tunnel.ts';

export interface KeptTunnel {
  /** Opens a connection whose upgrade has been accepted. */
  dial(signal: AbortSignal): Promise<Duplex>;
  use: StreamClass;
  targets: TunnelTargets;
  clock: Clock;
  random: Random;
  log: Logger;
}

const FIRST_DELAY_MS = 100;
/** A refused connection costs next to nothing, and until it is back nobody can look into the node's pods. */
const LAST_DELAY_MS = 1_000;

/** Keeps one tunnel up: dials again, ever more slowly, as long as `signal` is not aborted. Resolves then. */
export async function keepTunnel(kept: KeptTunnel, signal: AbortSignal): Promise<void> {
  const { clock, random, log } = kept;
  let delayMs = FIRST_DELAY_MS;
  let told = false;
  while (!signal.aborted) {
    try {
      const connection = await kept.dial(signal);
      const since = clock.monotonic();
      told = false;
      log.debug('The tunnel to the server is open');
      await answerTunnel(connection, { use: kept.use, targets: kept.targets, clock, signal });
      // One that was torn at once is no reason to hurry.
      if (clock.monotonic() - since > LAST_DELAY_MS) delayMs = FIRST_DELAY_MS;
      if (!signal.aborted) log.debug('The tunnel to the server broke');
    } catch (error) {
      // Once for each outage: who waits for a server does not need a line a second.
      if (!signal.aborted && !told) {
        log.warn('The tunnel to the server cannot be opened', { error: messageOf(error) });
      }
      told = true;
    }
    if (signal.aborted) return;
    // Half fixed, half by chance, so that the nodes of a restarted server do not all come at once.
    await sleep(clock, delayMs / 2 + (random.next() * delayMs) / 2, signal).catch(() => {}); // only the abort ends it early
    delayMs = Math.min(delayMs * 2, LAST_DELAY_MS);
  }
}
