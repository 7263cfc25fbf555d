import type { ServerResponse } from 'node:http';
import { constants } from 'node:http2';
import type { StatusError } from '#machinery/errors.ts';
import type { TransportResponse } from '#machinery/transport.ts';
import type { StreamReply } from './streams.ts';

/** Headers that HTTP/2 forbids. */
const CONNECTION_HEADERS = new Set(['connection', 'keep-alive', 'transfer-encoding', 'upgrade']);

/** The answer that an error stands for, where there is no request to answer to in another format. */
export function statusResponse(error: StatusError): TransportResponse {
  return {
    status: error.code,
    headers: { 'content-type': 'application/json' },
    body: Buffer.from(`${JSON.stringify(error.status())}\n`),
  };
}

/** Sends a response; a stream with backpressure, until it ends or the client goes away. */
export async function sendResponse(
  reply: ServerResponse | StreamReply,
  response: TransportResponse,
  headOnly: boolean,
): Promise<void> {
  // The two classes have the same methods with types that do not meet.
  const raw = reply as unknown as ServerResponse;
  const { status, headers, body } = response;
  if (raw.destroyed || raw.writableEnded) return discard(response);
  const http2 = 'stream' in reply;
  for (const name in headers)
    if (!(http2 && CONNECTION_HEADERS.has(name))) raw.setHeader(name, headers[name]!);
  if (body instanceof Uint8Array) {
    raw.setHeader('content-length', body.length);
    raw.writeHead(status);
    if (headOnly) raw.end();
    // Finished means that the bytes are with TLS or the kernel. A connection that breaks never finishes.
    else if (response.release) raw.end(body, response.release);
    else raw.end(body);
    return;
  }
  raw.writeHead(status);
  if (headOnly) {
    raw.end();
    return discard(response);
  }
  // Watches must learn at once that they are accepted, long before the first event.
  raw.flushHeaders();
  response.cut?.addEventListener('abort', () => breakOff(reply), { once: true });
  await pump(raw, body);
}

/** Whoever does not read must not hold what it was to be sent; a client takes a stream that breaks for one to open anew. */
export function breakOff(reply: ServerResponse | StreamReply): void {
  if ('stream' in reply) reply.stream.close(constants.NGHTTP2_CANCEL);
  else reply.destroy();
}

async function pump(raw: ServerResponse, body: AsyncIterable<Uint8Array>): Promise<void> {
  const chunks = body[Symbol.asyncIterator]();
  const client = new Leaving(raw);
  try {
    while (!client.gone) {
      const next = await client.orGone(chunks.next());
      if (!next || next.done) break;
      if (!raw.write(next.value)) await client.orGone(drained(raw));
    }
  } finally {
    // Not awaited when the client is gone: a generator that waits for its next event only ends with its signal.
    void chunks.return?.();
    if (!client.gone) raw.end();
  }
}

/**
 * Waits that end when the client goes. Not a race against one promise of its going: that promise would remember every
 * wait there ever was, for as long as the watch lasts.
 */
class Leaving {
  gone = false;
  #leave: (() => void) | undefined;

  constructor(raw: ServerResponse) {
    raw.once('close', () => {
      this.gone = true;
      this.#leave?.();
    });
  }

  /** Undefined when the client has gone first. */
  orGone<T>(wait: Promise<T>): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      this.#leave = () => resolve(undefined);
      wait.then(resolve, reject);
    });
  }
}

function drained(raw: ServerResponse): Promise<void> {
  return new Promise((resolve) => raw.once('drain', resolve));
}

/** Lets go of a response that nobody is sent. */
export function discard({ body, release }: TransportResponse): void {
  if (body instanceof Uint8Array) release?.();
  else void body[Symbol.asyncIterator]().return?.();
}
