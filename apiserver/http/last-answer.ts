import type { Duplex } from 'node:stream';
import type { Clock } from '#machinery/clock.ts';

/** How long a client may take to read why nothing more is read of it. */
const LAST_READ_MS = 1_000;

/** Sends `answer` and closes the connection, whether or not the client does so, and whatever it goes on sending. */
export function answerLast(socket: Duplex, answer: string | Uint8Array, clock: Clock): void {
  const timer = clock.timer(LAST_READ_MS, () => socket.destroy());
  socket.once('close', () => timer.cancel());
  // Closed with something unread it would be reset, and the answer lost.
  socket.resume();
  socket.end(answer);
}
