import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Clock } from '../clock.ts';

const CONNECT_WITHIN_MS = 10_000;

/** A TCP connection to `host:port` (`[v6]:port`), half-open. Rejects with the system's error, or after ten seconds. */
export function dialTcp(address: string, clock: Clock): Promise<Duplex> {
  const colon = address.lastIndexOf(':');
  const host = address.slice(0, colon).replace(/^\[|\]$/g, '');
  const port = Number(address.slice(colon + 1));
  if (colon <= 0 || !Number.isInteger(port) || port < 1 || port > 65535) {
    return Promise.reject(new Error(`${address} is no host:port`));
  }
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, allowHalfOpen: true });
    const timer = clock.timer(CONNECT_WITHIN_MS, () => {
      socket.destroy(new Error(`${address} did not answer within ${CONNECT_WITHIN_MS} ms`));
    });
    socket.once('connect', () => {
      timer.cancel();
      socket.off('error', reject);
      resolve(socket);
    });
    socket.once('error', reject);
    socket.once('close', () => timer.cancel());
  });
}
