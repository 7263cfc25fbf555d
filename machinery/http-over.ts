import http, { type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Clock } from './clock.ts';
import { messageOf, StatusError } from './errors.ts';
import type { Body, Transport, TransportRequest } from './transport.ts';

/**
 * HTTP/1.1 over connections that `connect` opens, one per request: what reaches an agent through its tunnel. Redirects
 * are never followed: they are answers like others.
 */
export function httpOver(connect: () => Promise<Duplex>, clock: Clock): Transport {
  return {
    async request(request) {
      const stream = await within(request.signal, connect());
      const answer = await exchange(request, stream, clock);
      if (answer.upgraded) {
        answer.upgraded.destroy();
        throw unavailable('the server upgraded a connection that was not to be upgraded');
      }
      const { message } = answer;
      return { status: message.statusCode ?? 502, headers: plain(message), body: message };
    },

    async upgrade(request) {
      const stream = await within(request.signal, connect());
      const { message, upgraded } = await exchange(request, stream, clock);
      if (upgraded) return { status: message.statusCode ?? 101, headers: plain(message), stream: upgraded };
      // The connection is not used again, whatever the answer was: its bytes would be taken for an upgraded stream's
      // (CVE-2018-1002105).
      throw await refusalOf(message.statusCode ?? 502, message, clock).finally(() => stream.destroy());
    },
  };
}

/** The connection, unless nobody wants it any more by then. */
function within(signal: AbortSignal | undefined, connecting: Promise<Duplex>): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      reject(unavailable('the request was cancelled'));
      connecting.then(
        (stream) => stream.destroy(),
        () => undefined, // there is none
      );
    };
    if (signal?.aborted) return abort();
    signal?.addEventListener('abort', abort, { once: true });
    connecting.then(resolve, reject).finally(() => signal?.removeEventListener('abort', abort));
  });
}

/** How long a server may take to begin its answer. */
const HEAD_WITHIN_MS = 30_000;
/** Of what it says with a refusal so much is read, and so long is waited for it. */
const MAX_REFUSAL_BYTES = 64 * 1024;
const REFUSAL_WITHIN_MS = 5_000;
/** Of an answer's head; a bomb of headers is an error. */
const MAX_HEAD_BYTES = 64 * 1024;

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
      maxHeaderSize: MAX_HEAD_BYTES,
    });
    let answered: IncomingMessage | undefined;
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
      answered = message;
      message.once('close', () => stream.destroy());
      resolve({ message });
    });
    outgoing.once('upgrade', (message, _socket, head) => {
      settled();
      if (head.length > 0) stream.unshift(head);
      resolve({ message, upgraded: stream });
    });
    outgoing.on('error', (error) => {
      settled();
      stream.destroy();
      // Whoever reads the answer is told why there is no more of it, and not that it was "aborted".
      answered?.destroy(unavailable(messageOf(error)));
      reject(unavailable(messageOf(error)));
    });
    if (request.signal?.aborted) abort();
    outgoing.end(request.body);
  });
}

/** The error that a refusal with this status and body stands for. The rest of a body that is long or slow is left unread. */
export async function refusalOf(status: number, body: Body, clock: Clock): Promise<StatusError> {
  return statusFromText((await beginningOf(body, clock)).trim(), status);
}

async function beginningOf(body: Body, clock: Clock): Promise<string> {
  if (body instanceof Uint8Array) return Buffer.from(body).toString('utf8', 0, MAX_REFUSAL_BYTES);
  const parts: Uint8Array[] = [];
  const chunks = body[Symbol.asyncIterator]();
  const late = Promise.withResolvers<undefined>();
  const timer = clock.timer(REFUSAL_WITHIN_MS, () => late.resolve(undefined));
  try {
    for (let length = 0; length < MAX_REFUSAL_BYTES; ) {
      const next = await Promise.race([chunks.next(), late.promise]);
      if (!next || next.done) break;
      parts.push(next.value);
      length += next.value.length;
    }
  } catch (error) {
    throw unavailable(`the refusal broke off: ${messageOf(error)}`);
  } finally {
    timer.cancel();
    // Not waited for: a body that is stuck ends with its connection.
    chunks.return?.().catch(() => {});
  }
  return Buffer.concat(parts).toString('utf8', 0, MAX_REFUSAL_BYTES);
}

/** A Status in JSON, or plain words with the reason of their HTTP status. */
function statusFromText(text: string, status: number): StatusError {
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
