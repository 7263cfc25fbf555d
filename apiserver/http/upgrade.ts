import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Clock } from '#machinery/clock.ts';
import { isStatus, messageOf, StatusError } from '#machinery/errors.ts';
import type { Logger } from '#machinery/log.ts';
import { splice } from '#machinery/tunnel/tunnel.ts';
import type { RequestChain } from '../chain.ts';
import { credentialsOf } from './credentials.ts';
import { answerLast } from './last-answer.ts';

/** Hands a raw HTTP/1.1 connection with an Upgrade header to the subresource that wants it, or answers with a Status. */
export async function serveUpgrade(
  chain: RequestChain,
  message: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  { clock, log, trusted }: { clock: Clock; log: Logger; trusted(): string },
): Promise<void> {
  const abort = new AbortController();
  socket.once('close', () => abort.abort());
  // Errors of the connection itself end it; there is nobody left to tell.
  socket.on('error', (error) => log.debug('an upgraded connection broke', { error, path: message.url }));
  if (head.length > 0) socket.unshift(head);
  try {
    const upgraded = await chain.upgrade(
      {
        method: message.method ?? 'GET',
        path: message.url ?? '/',
        headers: message.headers as Record<string, string>,
        credentials: credentialsOf(message as Parameters<typeof credentialsOf>[0], trusted()),
        signal: abort.signal,
      },
      socket,
    );
    if (!upgraded) return;
    if (socket.destroyed) {
      upgraded.stream.destroy();
      return;
    }
    writeHead(socket, upgraded.status, upgraded.headers);
    splice(socket, upgraded.stream);
  } catch (error) {
    if (!isStatus(error)) log.error('an upgrade failed inside the server', { error, path: message.url });
    refuse(
      socket,
      isStatus(error)
        ? error
        : new StatusError('InternalError', `Internal error occurred: ${messageOf(error)}`),
      clock,
    );
  }
}

function writeHead(socket: Duplex, status: number, headers: Record<string, string>): void {
  socket.write(headOf(status, headers));
}

function headOf(status: number, headers: Record<string, string>): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return `${[`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`, ...lines].join('\r\n')}\r\n\r\n`;
}

function refuse(socket: Duplex, error: StatusError, clock: Clock): void {
  const body = `${JSON.stringify(error.status())}\n`;
  const head = headOf(error.code, {
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close',
  });
  answerLast(socket, head + body, clock);
}
