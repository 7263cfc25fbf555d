import type { Server } from 'node:http';
import { TUNNEL_PROTOCOL, tunnelPath } from '#api/node-link.ts';
import { type Clock, sleep } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import type { Logger } from '#machinery/log.ts';
import type { Random } from '#machinery/random.ts';
import type { Transport } from '#machinery/transport.ts';
import { dialTcp } from '#machinery/tunnel/dial.ts';
import { answerTunnel } from '#machinery/tunnel/tunnel.ts';

const FIRST_RETRY_MS = 100;
/** A refused connection costs next to nothing, and until it is back nobody can look into its pods. */
const MAX_RETRY_MS = 1_000;

export interface TunnelOptions {
  transport: Transport;
  node: string;
  /** Gets each connection the apiserver opens to the agent. */
  server: Server;
  clock: Clock;
  random: Random;
  log: Logger;
  signal: AbortSignal;
}

/** Keeps the tunnel to the apiserver open until the signal aborts: dials, answers, and dials again when it breaks. */
export async function keepTunnel(options: TunnelOptions): Promise<void> {
  const { transport, node, server, clock, random, log, signal } = options;
  const targets = {
    agent: (stream: unknown) => server.emit('connection', stream),
    dial: (address: string) => dialTcp(address, clock),
  };
  let delayMs = FIRST_RETRY_MS;
  while (!signal.aborted) {
    try {
      const headers = { connection: 'Upgrade', upgrade: TUNNEL_PROTOCOL };
      const { stream } = await transport.upgrade({ method: 'GET', path: tunnelPath(node), headers, signal });
      log.debug('The tunnel to the server is open');
      delayMs = FIRST_RETRY_MS;
      await answerTunnel(stream, targets, clock, signal);
    } catch (error) {
      if (!signal.aborted) log.debug('The tunnel could not be opened', { error: messageOf(error) });
    }
    if (signal.aborted) return;
    // Spread over half a delay, so that many nodes do not come back at one moment.
    await sleep(clock, delayMs * (0.5 + random.next()), signal).catch(() => {}); // only the abort ends it early
    delayMs = Math.min(delayMs * 2, MAX_RETRY_MS);
  }
}
