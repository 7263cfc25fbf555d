import type { Client } from '#client/contract.ts';
import { runElection } from '#client/leases.ts';
import type { Clock } from '#machinery/clock.ts';
import type { Running } from '#machinery/component.ts';
import { messageOf } from '#machinery/errors.ts';
import type { Logger } from '#machinery/log.ts';
import type { Random } from '#machinery/random.ts';
import { aborted } from '../wait.ts';

export interface Turns {
  clock: Clock;
  random: Random;
  log: Logger;
  /** Unique per process. */
  identity: string;
  /** How long a leader that is not heard of stays the leader; undefined: there is no other server. */
  leaseMs: number | undefined;
  /** Ends all at once. */
  crash: AbortSignal;
  /** Ends the waiting for a turn; who is at work finishes. */
  over: AbortSignal;
}

export interface InTurn extends Running {
  /** Whether it is this server's turn. */
  leads(): boolean;
}

/**
 * A component that runs on one of several servers at a time: on the holder of the Lease `kube-system/NAME`. While another one has it
 * this one is ready and well. Who loses the lease drops its work at once, for the next leader is at it.
 */
export async function inTurn(
  name: string,
  client: Client,
  { clock, random, log, identity, leaseMs, crash, over }: Turns,
  start: (signal: AbortSignal) => Promise<Running>,
): Promise<InTurn> {
  if (leaseMs === undefined) return { ...viewOf(await start(crash)), leads: () => true };
  let running: Running | undefined;
  const election = {
    ...{ client, clock, random, identity, namespace: 'kube-system', name, leaseMs },
    renewDeadlineMs: (leaseMs * 2) / 3,
    retryMs: leaseMs / 6,
    onError: (error: unknown) =>
      log.debug('The lease could not be had', { lease: name, error: messageOf(error) }),
  };
  const done = runElection(election, AbortSignal.any([crash, over]), async (leading) => {
    log.info('This server leads', { lease: name });
    const lost = new AbortController();
    leading.addEventListener('abort', () => over.aborted || lost.abort(), { once: true });
    running = await start(AbortSignal.any([crash, lost.signal]));
    await aborted(leading);
    await running.stop();
    running = undefined;
    log.info('This server leads no more', { lease: name });
  });
  return {
    ready: Promise.resolve(),
    health: () => running?.health() ?? { ok: true },
    metrics: () => running?.metrics?.() ?? '',
    leads: () => running !== undefined,
    stop: () => done,
  };
}

function viewOf(running: Running): Running {
  return {
    ready: running.ready,
    health: () => running.health(),
    metrics: () => running.metrics?.() ?? '',
    stop: () => running.stop(),
  };
}
