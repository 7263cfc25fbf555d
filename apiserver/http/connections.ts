import type { Server } from 'node:http';
import type { Http2SecureServer, ServerHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';
import { type Clock, sleep } from '#machinery/clock.ts';
import type { Logger } from '#machinery/log.ts';
import type { HttpLimits } from './limits.ts';

const SESSION_WINDOW_BYTES = 16 * 1024 * 1024;

/** The connections of a listener: with windows that let them run, closed when idle, or when the server stops. */
export class Connections {
  readonly #idleMs: number;
  readonly #log: Logger;
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #sockets = new Set<Socket>();
  #draining = false;

  /** To be made before the server listens. */
  constructor(server: Http2SecureServer & Server, limits: HttpLimits, { log }: { log: Logger }) {
    this.#idleMs = limits.idleMs;
    this.#log = log;
    // Of HTTP/1; HTTP/2 has settings for them.
    server.headersTimeout = limits.headMs;
    server.requestTimeout = limits.requestMs;
    server.keepAliveTimeout = limits.idleMs;
    // Those beyond a count would be left out without a word: the bytes are limit enough.
    server.maxHeadersCount = 0;
    Object.assign(server, { connectionsCheckingInterval: limits.checkMs, maxHeaderSize: limits.headBytes });
    server.on('session', (session: ServerHttp2Session) => this.#take(session));
    server.on('secureConnection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
  }

  #take(session: ServerHttp2Session): void {
    session.setLocalWindowSize(SESSION_WINDOW_BYTES);
    this.#sessions.add(session);
    session.once('close', () => this.#sessions.delete(session));
    session.on('error', (error) => this.#log.debug('an HTTP/2 connection broke', { error }));
    let open = 0;
    session.on('stream', (stream) => {
      open++;
      stream.once('close', () => open--);
    });
    session.on('timeout', () => {
      if (open === 0) session.close();
      else session.setTimeout(this.#idleMs);
    });
    session.setTimeout(this.#idleMs);
    if (this.#draining) session.close();
  }

  /** As `drain`, and `destroy` after `graceMs`, for those alone that were made to this address. */
  async leave(host: string, clock: Clock, graceMs: number): Promise<void> {
    const isThere = ({ localAddress }: Socket) => localAddress === host || localAddress === `::ffff:${host}`;
    const sockets = [...this.#sockets].filter(isThere);
    if (sockets.length === 0) return;
    for (const session of this.#sessions) if (isThere(session.socket)) session.close();
    await sleep(clock, graceMs);
    for (const socket of sockets) socket.destroy();
  }

  /** Tells clients to open no new streams; those that are open end by themselves. */
  drain(): void {
    this.#draining = true;
    for (const session of this.#sessions) session.close();
  }

  destroy(): void {
    for (const session of this.#sessions) session.destroy();
    for (const socket of this.#sockets) socket.destroy();
  }
}
