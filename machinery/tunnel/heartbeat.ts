import type http2 from 'node:http2';
import type { Duplex } from 'node:stream';
import type { Clock } from '../clock.ts';
import { StatusError } from '../errors.ts';

/** How often the side that asks does so. */
export const PING_EVERY_MS = 5_000;
/** A peer of which nothing at all is heard for this long is gone: half of what makes a node NotReady. */
const SILENT_MS = 10_000;

/** One side is enough: who is asked hears so that the other is there, and neither wakes the other twice. */
export type HeartbeatSide = 'asks' | 'is asked';

/**
 * Destroys the session when the peer is gone. On a slow wire the answer to a ping stands in a queue behind what else is on
 * its way: any byte that comes counts. Resolves when the session is gone; a dead peer is found within 10 to 15 s.
 */
export function watchSession(
  session: http2.Http2Session,
  connection: Duplex,
  side: HeartbeatSide,
  clock: Clock,
): Promise<void> {
  let heardAt = clock.monotonic();
  let read = bytesRead(connection);
  let asked = false;
  const giveUp = (why: string) => {
    session.destroy(new StatusError('ServiceUnavailable', why));
    // The session would wait for it, which waits for a peer that is gone.
    connection.destroy();
  };
  const tick = () => {
    if (session.destroyed) return;
    const now = bytesRead(connection);
    if (now !== read) heardAt = clock.monotonic();
    read = now;
    const silentMs = clock.monotonic() - heardAt;
    if (silentMs >= SILENT_MS) {
      giveUp(`nothing was heard of the other side for ${Math.round(silentMs / 1000)} s`);
      return;
    }
    if (side === 'asks' && !asked) asked = session.ping(answered);
    timer = clock.timer(PING_EVERY_MS, tick);
  };
  const answered = (error: Error | null) => {
    asked = false;
    if (!error) heardAt = clock.monotonic();
  };
  let timer = clock.timer(PING_EVERY_MS, tick);
  session.on('ping', () => {
    heardAt = clock.monotonic();
  });
  session.on('error', () => {}); // `close` follows
  connection.on('error', () => {});
  return new Promise((resolve) => {
    session.once('close', () => {
      timer.cancel();
      connection.destroy();
      resolve();
    });
    // Node's session does not notice the end of a connection that may be half-open, as those of its HTTP servers may.
    connection.once('end', () => giveUp('the other side ended the connection'));
    connection.once('close', () => session.destroy());
  });
}

/** Of a socket; what is none is judged by pings and their answers alone. */
function bytesRead(connection: Duplex): number {
  return (connection as { bytesRead?: number }).bytesRead ?? 0;
}
