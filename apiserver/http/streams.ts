/**
 * HTTP/2 by its streams. Node and fastify offer it in the shape of HTTP/1 too; making each stream look so costs as much as
 * the whole of our own part of a read.
 */
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import * as http2 from 'node:http2';

/** What a listener reads of a request, whatever its version of HTTP. */
export interface StreamRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly stream: ServerHttp2Stream;
  /** Of the connection. */
  readonly socket: unknown;
}

/** Undefined, and answered, when it asks for what is no request of ours (CONNECT has no path). */
export function requestOf(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
): StreamRequest | undefined {
  // 'close' tells all that matters.
  stream.on('error', () => {});
  const { ':method': method, ':path': url } = headers;
  if (method === undefined || url === undefined) {
    stream.respond({ ':status': 405 }, { endStream: true });
    return undefined;
  }
  // RFC 9110, section 10.1.1.
  if (headers.expect?.toLowerCase() === '100-continue') stream.additionalHeaders({ ':status': 100 });
  return {
    method,
    url,
    headers,
    stream,
    get socket() {
      return stream.session?.socket;
    },
  };
}

/** The part of an answer's interface that both versions share. */
export class StreamReply {
  readonly stream: ServerHttp2Stream;
  readonly #headers: http2.OutgoingHttpHeaders = {};

  constructor(stream: ServerHttp2Stream) {
    this.stream = stream;
  }

  get destroyed(): boolean {
    return this.stream.destroyed;
  }

  get writableEnded(): boolean {
    return this.stream.writableEnded;
  }

  setHeader(name: string, value: string | number): void {
    this.#headers[name] = value;
  }

  /** Sends the head at once. */
  writeHead(status: number): void {
    if (this.stream.destroyed || this.stream.headersSent) return;
    this.#headers[http2.constants.HTTP2_HEADER_STATUS] = status;
    this.stream.respond(this.#headers);
  }

  flushHeaders(): void {
    // They are on their way.
  }

  write(chunk: Uint8Array): boolean {
    return this.stream.write(chunk);
  }

  end(body?: Uint8Array, sent?: () => void): void {
    if (body) this.stream.end(body, sent);
    else this.stream.end();
  }

  once(event: 'close' | 'drain', listener: () => void): void {
    this.stream.once(event, listener);
  }

  destroy(): void {
    this.stream.destroy();
  }
}
