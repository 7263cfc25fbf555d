/**
 * A Transport over HTTP/2 with TLS: one session for all requests, made when first needed and again when it breaks.
 * Upgrades (exec, attach, port-forward, tunnels) go over HTTP/1.1 connections of their own, since HTTP/2 has no Upgrade.
 * A session that answers no ping is torn down, so that a dead route shows up as an error and never as silence.
 */
import * as http2 from 'node:http2';
import * as https from 'node:https';
import { isIP } from 'node:net';
import { type TLSSocket, connect as tlsConnect } from 'node:tls';
import type { Clock, Timer } from '#machinery/clock.ts';
import { isStatus, messageOf, StatusError } from '#machinery/errors.ts';
import { refusalOf } from '#machinery/http-over.ts';
import { tlsThrough } from '#machinery/proxy/connect.ts';
import type { ProxyFor } from '#machinery/proxy/rules.ts';
import type { Transport, TransportRequest, TransportResponse, Upgraded } from '#machinery/transport.ts';

export interface Http2Options {
  /** `https://127.0.0.1:6443`. Of several, equal, servers one is used until it cannot be reached; then the next. */
  url: string | (() => readonly string[]);
  clock: Clock;
  /** PEM certificates of the authorities that may sign the server's. Read for each new connection. */
  ca?: string | (() => string);
  /**
   * Client certificate and key, PEM. Read for each request: once they are others, requests go over a new connection, for the server
   * takes none on an old one whose certificate has ended; what is under way there goes on.
   */
  certificate?: () => { cert: string; key: string };
  /** Bearer token, read for each request. */
  token?: () => string;
  /** Name the server's certificate must carry; needed when the URL holds an address that it does not name. */
  serverName?: string;
  /** By which proxy a server is reached, if any. */
  proxy?: ProxyFor;
  /** Default 10 s. */
  connectTimeoutMs?: number;
  /** A ping that is not answered until the next one is due ends the session. Default 15 s. */
  pingIntervalMs?: number;
}

export interface Http2Transport extends Transport {
  /** Ends the session; requests under way fail. An open session keeps the process alive. */
  close(): void;
}

/** Node's default of 64 KiB lets a watch crawl: one window per round trip. */
const STREAM_WINDOW_BYTES = 4 * 1024 * 1024;
const SESSION_WINDOW_BYTES = 64 * 1024 * 1024;

/** Node refuses new requests beyond 10 MB of unread answers by default: one large list would block all others. */
const SESSION_MEMORY_MB = 256;

const DEFAULT_CONNECT_TIMEOUT_MS = 10_000;
const DEFAULT_PING_INTERVAL_MS = 15_000;

export function http2Transport(options: Http2Options): Http2Transport {
  return new Http2(options);
}

class Http2 implements Http2Transport {
  readonly #options: Http2Options;
  /** Of the server that is used, among those there are. */
  #current = '';
  #session: Promise<http2.ClientHttp2Session> | undefined;
  /** What the promise led to last. */
  #opened: http2.ClientHttp2Session | undefined;
  /** The certificate that it was made with. */
  #shown: string | undefined;
  /** Those with an older one, on which something is still under way. */
  readonly #older = new Set<http2.ClientHttp2Session>();
  #closed = false;

  constructor(options: Http2Options) {
    this.#options = options;
    // One that is none must not wait for the first request.
    for (const url of this.#urls()) new URL(url);
  }

  async request(request: TransportRequest): Promise<TransportResponse> {
    const session = await this.#connected();
    return send(session, request, this.#headers(request));
  }

  async upgrade(request: TransportRequest): Promise<Upgraded> {
    const url = this.#url();
    const onUnreachable = () => this.#turnFrom(url);
    const tls = this.#tls(['http/1.1']);
    const connection = await this.#throughProxy(url, tls, request.signal).catch((error) => {
      onUnreachable();
      throw error;
    });
    const parts = { url, tls, headers: this.#authorized(request), options: this.#options, onUnreachable };
    return await upgrade(request, { ...parts, connection });
  }

  close(): void {
    this.#closed = true;
    this.#session?.then(
      (session) => session.destroy(),
      () => undefined,
    );
    this.#session = undefined;
    for (const session of this.#older) session.destroy();
  }

  #urls(): readonly string[] {
    const { url } = this.#options;
    return typeof url === 'string' ? [url] : url();
  }

  #url(): URL {
    const urls = this.#urls();
    if (!urls.includes(this.#current)) this.#current = urls[0]!;
    return new URL(this.#current);
  }

  /** That server cannot be reached: the next one is asked from now on. */
  #turnFrom(url: URL): void {
    const urls = this.#urls();
    const at = urls.findIndex((each) => new URL(each).href === url.href);
    if (at >= 0 && new URL(this.#current).href === url.href) this.#current = urls[(at + 1) % urls.length]!;
  }

  #authorized(request: TransportRequest): Record<string, string> {
    const token = this.#options.token?.();
    return token ? { ...request.headers, authorization: `Bearer ${token}` } : request.headers;
  }

  #headers(request: TransportRequest): http2.OutgoingHttpHeaders {
    return { ...this.#authorized(request), ':method': request.method, ':path': request.path };
  }

  #tls(ALPNProtocols: string[]) {
    const serverName = this.#options.serverName;
    const { ca } = this.#options;
    return {
      ca: typeof ca === 'function' ? ca() : ca,
      ...this.#options.certificate?.(),
      ...(serverName && { servername: serverName }),
      ALPNProtocols,
    };
  }

  /** Undefined when the server is reached without a proxy. */
  async #throughProxy(url: URL, tls: object, signal?: AbortSignal): Promise<TLSSocket | undefined> {
    const { proxy: proxyFor, clock } = this.#options;
    const proxy = proxyFor?.(url);
    return proxy && (await tlsThrough(proxy, url, tls, { clock, signal }));
  }

  #connected(): Promise<http2.ClientHttp2Session> {
    if (this.#closed)
      throw new StatusError('ServiceUnavailable', `the client of ${this.#url().origin} is closed`);
    const shown = this.#options.certificate?.().cert;
    if (this.#opened && shown !== this.#shown) this.#retire(this.#opened);
    if (this.#session) return this.#session;
    this.#shown = shown;
    const session = this.#connectAny();
    this.#session = session;
    // A failure is told to who waits for the session.
    session.catch(() => {
      if (this.#session === session) this.#session = undefined;
    });
    return session;
  }

  #retire(session: http2.ClientHttp2Session): void {
    this.#session = undefined;
    this.#opened = undefined;
    if (session.destroyed) return;
    this.#older.add(session);
    session.once('close', () => this.#older.delete(session));
    session.close();
  }

  /** Tries each server once. */
  async #connectAny(): Promise<http2.ClientHttp2Session> {
    for (let left = this.#urls().length; ; left--) {
      const url = this.#url();
      try {
        let opened: http2.ClientHttp2Session | undefined;
        const tls = this.#tls(['h2']);
        const connection = (await this.#throughProxy(url, tls)) ?? connectionTo(url, tls);
        opened = await openSession(url, connection, this.#options, (broken) => {
          if (opened === undefined) return; // it never was one: told by the rejection
          if (broken) this.#turnFrom(url);
          if (this.#opened === opened) this.#session = undefined;
        });
        this.#opened = opened;
        return opened;
      } catch (error) {
        this.#turnFrom(url);
        if (left <= 1 || this.#closed) throw error;
      }
    }
  }
}

function connectionTo(url: URL, tls: object): TLSSocket {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const name = isIP(host) === 0 ? { servername: host } : {};
  return tlsConnect({ host, port: Number(url.port || 443), ...name, ...tls });
}

/** Resolves once connected. `onEnd` is called when no new request must be sent on the session; `broken`: not by the server's wish. */
function openSession(
  url: URL,
  connection: TLSSocket,
  options: Http2Options,
  onEnd: (broken: boolean) => void,
): Promise<http2.ClientHttp2Session> {
  return new Promise((resolve, reject) => {
    const timeoutMs = options.connectTimeoutMs ?? DEFAULT_CONNECT_TIMEOUT_MS;
    let session: http2.ClientHttp2Session;
    try {
      session = http2.connect(url.origin, {
        createConnection: () => connection,
        maxSessionMemory: SESSION_MEMORY_MB,
        settings: { initialWindowSize: STREAM_WINDOW_BYTES },
      });
    } catch (error) {
      reject(unavailable(url, error));
      return;
    }
    const timer = options.clock.timer(timeoutMs, () => {
      // The session alone would wait until the kernel gives the connection up, which takes two minutes.
      connection.destroy(new Error(`no connection within ${timeoutMs} ms`));
    });
    let pings: { cancel(): void } | undefined;
    session.once('connect', () => {
      timer.cancel();
      session.setLocalWindowSize(SESSION_WINDOW_BYTES);
      pings = keepAlive(session, options);
      resolve(session);
    });
    session.on('error', (error) => {
      onEnd(true);
      reject(unavailable(url, error));
    });
    session.once('goaway', () => {
      onEnd(false);
      // Requests under way may finish; nothing new is sent.
      session.close();
    });
    session.once('close', () => {
      timer.cancel();
      pings?.cancel();
      onEnd(false);
      reject(unavailable(url, new Error('the connection was closed')));
    });
  });
}

function keepAlive(session: http2.ClientHttp2Session, options: Http2Options): { cancel(): void } {
  const intervalMs = options.pingIntervalMs ?? DEFAULT_PING_INTERVAL_MS;
  let answered = true;
  let timer: Timer;
  const tick = () => {
    if (session.destroyed) return;
    if (!answered) {
      session.destroy(new Error(`the server answered no ping for ${intervalMs} ms`));
      return;
    }
    answered = false;
    session.ping((error) => {
      answered = !error;
    });
    timer = options.clock.timer(intervalMs, tick);
  };
  timer = options.clock.timer(intervalMs, tick);
  return { cancel: () => timer.cancel() };
}

function send(
  session: http2.ClientHttp2Session,
  request: TransportRequest,
  headers: http2.OutgoingHttpHeaders,
): Promise<TransportResponse> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => reject(unavailable(undefined, error));
    if (request.signal?.aborted) return fail(new Error('the request was cancelled'));
    let stream: http2.ClientHttp2Stream;
    try {
      stream = session.request(headers, { endStream: !request.body });
    } catch (error) {
      return fail(error);
    }
    const abort = () => stream.close(http2.constants.NGHTTP2_CANCEL);
    request.signal?.addEventListener('abort', abort, { once: true });
    stream.once('close', () => {
      request.signal?.removeEventListener('abort', abort);
      fail(new Error('the connection was closed before an answer'));
    });
    stream.on('error', fail);
    stream.once('response', (received) => {
      resolve({
        status: Number(received[':status']),
        headers: plainHeaders(received),
        body: bodyOf(stream, request.signal),
      });
    });
    if (request.body) stream.end(request.body);
  });
}

/** The stream's chunks; a cancelled or broken stream ends in a StatusError, never in a short body. */
function bodyOf(stream: http2.ClientHttp2Stream, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  const chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  // Read from now on: when the server ends a stream that nobody has read of, Node drains it, and its body is lost.
  const first = chunks.next();
  first.catch(() => undefined);
  return restOf(stream, first, chunks, signal);
}

async function* restOf(
  stream: http2.ClientHttp2Stream,
  first: Promise<IteratorResult<Buffer>>,
  chunks: AsyncIterator<Buffer>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  try {
    for (let next = await first; !next.done; next = await chunks.next()) yield next.value;
  } catch (error) {
    throw unavailable(undefined, error);
  } finally {
    await chunks.return?.();
  }
  if (signal?.aborted || (stream.rstCode ?? 0) !== 0)
    throw unavailable(undefined, new Error('the answer was cut off'));
}

function plainHeaders(received: http2.IncomingHttpHeaders): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(received)) {
    if (!name.startsWith(':') && value !== undefined)
      headers[name] = Array.isArray(value) ? value.join(', ') : String(value);
  }
  return headers;
}

interface UpgradeParts {
  url: URL;
  tls: object;
  /** One that there is already. */
  connection: TLSSocket | undefined;
  headers: Record<string, string>;
  options: Http2Options;
  onUnreachable: () => void;
}

function upgrade(
  request: TransportRequest,
  { url, tls, connection, headers, options, onUnreachable }: UpgradeParts,
): Promise<Upgraded> {
  return new Promise((resolve, reject) => {
    const timeoutMs = options.connectTimeoutMs ?? DEFAULT_CONNECT_TIMEOUT_MS;
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const outgoing = https.request({
      host,
      port: url.port || 443,
      method: request.method,
      path: request.path,
      headers: { connection: 'Upgrade', ...headers },
      createConnection: () => connection ?? connectionTo(url, tls),
      signal: request.signal,
    });
    const timer = options.clock.timer(timeoutMs, () => {
      outgoing.destroy(new Error(`no answer within ${timeoutMs} ms`));
    });
    outgoing.once('error', (error) => {
      timer.cancel();
      onUnreachable();
      reject(unavailable(url, error));
    });
    outgoing.once('upgrade', (response, socket, head) => {
      timer.cancel();
      if (head.length) socket.unshift(head);
      resolve({
        status: response.statusCode ?? 101,
        headers: plainHeaders(response.headers),
        stream: socket,
      });
    });
    outgoing.once('response', (response) => {
      timer.cancel();
      refusalOf(response.statusCode ?? 500, response, options.clock)
        .then(reject, (error) => reject(unavailable(url, error)))
        .finally(() => outgoing.destroy());
    });
    outgoing.end(request.body);
  });
}

function unavailable(url: URL | undefined, error: unknown): StatusError {
  if (isStatus(error)) return error;
  const where = url ? `${url.origin}: ` : '';
  return new StatusError('ServiceUnavailable', `${where}${messageOf(error)}`);
}
