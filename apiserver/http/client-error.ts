import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Clock } from '#machinery/clock.ts';
import { answerLast } from './last-answer.ts';

const STATUS_OF: Record<string, number> = { HPE_HEADER_OVERFLOW: 431, ERR_HTTP_REQUEST_TIMEOUT: 408 };

const SPEAKS_HTTP = /^(HPE|ERR_HTTP)_/;

/** Answers what is no request over HTTP/1, as far as anybody listens, and closes the connection. */
export function answerClientError(error: { code?: string }, socket: Duplex, clock: Clock): void {
  // What comes after it is no request either.
  if (socket.writableEnded) return;
  const { code = '' } = error;
  // Without TLS there is nobody to answer to.
  if (!socket.writable || !SPEAKS_HTTP.test(code)) {
    socket.destroy();
    return;
  }
  const status = STATUS_OF[code] ?? 400;
  const text = `${status} ${STATUS_CODES[status]}`;
  const head = `HTTP/1.1 ${text}\r\ncontent-type: text/plain; charset=utf-8\r\nconnection: close\r\n\r\n`;
  answerLast(socket, head + text, clock);
}
