import http, { type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Clock } from './clock.ts';
import { messageOf, StatusError } from './errors.ts';
import { collect, type Transport, type TransportRequest } from './transport.ts';

/**
 * HTTP/1.1 over connections that `connect` opens, one per request: what reaches an agent through its tunnel. Redirects
 * are never followed: they are answers like others.
 */
export function httpOver(connect: () => Promise<Duplex>, clock: Clock): Transport {
  return {
    async request(request) {
      const stream = await connect();
      const answer = await exchange(request, stream, clock);
      if (answer.upgraded) {
        answer.upgraded.destroy();
        throw unavailable('the server upgraded a connection that was not to be upgraded');
      }
      const { message } = answer;
      return { status: message.statusCode ?? 502, headers: plain(message), body: message };
    },

    async upgrade(request) {
      const stream = await connect();
      const { message, upgraded } = await exchange(request, stream, clock);
      if (upgraded) return { status: message.statusCode ?? 101, headers: plain(message), stream: upgraded };
      // The connection is not used again, whatever the answer was: its bytes would be taken for an upgraded stream's
      // (CVE-2018-1002105).
      const error = await statusOf(message).finally(() => stream.destroy());
      throw error;
    },
  };
}

/** How long a server may take to begin its answer. */
const HEAD_WITHIN_MS = 30_000;
const MAX_ERROR_BYTES = 64 * 1024;

function exchange(
  request: TransportRequest,
  stream: Duplex,
  clock: Clock,
): Promise<{ message: IncomingMessage; upgraded?: Duplex }> {
  return new Promise((resolve, reject) => {
    const outgoing = http.request({
      createConnection: () => stream,
      method: request.method,
      path: request.path,
      headers: request.headers,
      host: 'agent',
    });
    const abort = () => stream.destroy();
    const timer = clock.timer(HEAD_WITHIN_MS, () => {
      reject(new StatusError('Timeout', `no answer within ${HEAD_WITHIN_MS} ms`));
      stream.destroy();
    });
    const settled = () => timer.cancel();
    request.signal?.addEventListener('abort', abort, { once: true });
    stream.once('close', () => request.signal?.removeEventListener('abort', abort));
    outgoing.once('response', (message) => {
      settled();
      message.once('close', () => stream.destroy());
      resolve({ message });
    });
    outgoing.once('upgrade', (message, _socket, head) => {
      settled();
      if (head.length > 0) stream.unshift(head);
      resolve({ message, upgraded: stream });
    });
    outgoing.once('error', (error) => {
      settled();
      stream.destroy();
      reject(unavailable(messageOf(error)));
    });
    if (request.signal?.aborted) abort();
    outgoing.end(request.body);
  });
}

/** The error an answer other than 101 stands for: a Status, or its text. */
export async function statusOf(message: IncomingMessage): Promise<StatusError> {
  const status = message.statusCode ?? 502;
  const text = Buffer.from(await collect(message, MAX_ERROR_BYTES))
    .toString('utf8')
    .trim();
  return statusFromText(text, status);
}

/** A Status in JSON, or plain words with the reason of their HTTP status. */
export function statusFromText(text: string, status: number): StatusError {
  try {
    const parsed: unknown = JSON.parse(text);
    if (parsed !== null && typeof parsed === 'object' && (parsed as { kind?: unknown }).kind === 'Status') {
      return StatusError.from(parsed, status);
    }
  } catch {
    // not JSON: the text is the message
  }
  return StatusError.from(text ? { message: text } : {}, status < 400 ? 502 : status);
}

function plain(message: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(message.headers)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return headers;
}

function unavailable(message: string): StatusError {
  return new StatusError('ServiceUnavailable', message);
}
