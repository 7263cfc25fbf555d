import http2 from 'node:http2';
import type { Duplex } from 'node:stream';
import type { Clock, Timer } from '../clock.ts';
import { messageOf, StatusError } from '../errors.ts';

/**
 * Many streams over one connection that the other side has dialled: HTTP/2 with the roles turned round. The side that
 * accepted the connection is the HTTP/2 client (`callTunnel`), the side that dialled it the server (`answerTunnel`).
 * Each stream is a POST with the header `gantry-open` that says what it is to be connected to.
 */
export type TunnelTarget = { kind: 'agent' } | { kind: 'dial'; address: string };

export interface Tunnel {
  /** Rejects with ServiceUnavailable when the tunnel is down or the target refuses, Timeout when nobody answers. */
  open(target: TunnelTarget): Promise<Duplex>;
  /** Resolves when the tunnel is gone. */
  closed: Promise<void>;
  close(): void;
}

/** How the dialling side connects a stream. A rejection is answered with its message. */
export interface TunnelTargets {
  /** Takes over a connection to its own HTTP server. */
  agent(stream: Duplex): void;
  dial(address: string): Promise<Duplex>;
}

const OPEN_HEADER = 'gantry-open';
const ERROR_HEADER = 'gantry-error';

/** The default of 64 KiB per stream and connection makes logs and copies crawl on any distance. */
const STREAM_WINDOW_BYTES = 256 * 1024;
const SESSION_WINDOW_BYTES = 16 * 1024 * 1024;
const MAX_STREAMS = 10_000;
/** Node refuses new streams above this (ENHANCE_YOUR_CALM); its default of 10 MB is used up by 40 readers that stall. */
const MAX_SESSION_MEMORY_MB = 1024;

/** A peer that answers no ping for this long is gone: half of what makes a node NotReady. */
const PING_EVERY_MS = 5_000;
const PONG_WITHIN_MS = 10_000;
const OPEN_WITHIN_MS = 15_000;

/** The accepting side of a tunnel, on a connection whose upgrade has been answered: all that was written is gone out. */
export function callTunnel(connection: Duplex, clock: Clock): Tunnel {
  const session = http2.connect('http://tunnel', {
    createConnection: () => connection,
    settings: { initialWindowSize: STREAM_WINDOW_BYTES, enablePush: false },
    maxSessionMemory: MAX_SESSION_MEMORY_MB,
  });
  widen(session);
  const closed = watch(session, connection, clock);
  return {
    closed,
    close: () => session.destroy(),
    open: (target) => openStream(session, target, clock),
  };
}

/** The window of the connection can be set only once the session has its handle. */
function widen(session: http2.Http2Session): void {
  session.once('connect', () => {
    if (!session.destroyed) (session as http2.ClientHttp2Session).setLocalWindowSize(SESSION_WINDOW_BYTES);
  });
}

function openStream(session: http2.ClientHttp2Session, target: TunnelTarget, clock: Clock): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    if (session.closed || session.destroyed) return reject(unavailable('the tunnel is closed'));
    const headers = { ':method': 'POST', ':path': '/', [OPEN_HEADER]: JSON.stringify(target) };
    const stream = session.request(headers, { endStream: false });
    const timer = clock.timer(OPEN_WITHIN_MS, () => {
      stream.destroy();
      reject(new StatusError('Timeout', `the node did not connect the stream within ${OPEN_WITHIN_MS} ms`));
    });
    stream.once('response', (answer) => {
      timer.cancel();
      if (answer[':status'] === 200) return resolve(stream);
      stream.destroy();
      const why = answer[ERROR_HEADER];
      reject(unavailable(typeof why === 'string' ? decodeURIComponent(why) : `answer ${answer[':status']}`));
    });
    stream.on('error', (error) => reject(unavailable(error.message)));
    stream.once('close', () => {
      timer.cancel();
      reject(unavailable('the tunnel was closed'));
    });
  });
}

/** The dialling side. Resolves when the tunnel is gone; `signal` ends it. */
export function answerTunnel(
  connection: Duplex,
  targets: TunnelTargets,
  clock: Clock,
  signal?: AbortSignal,
): Promise<void> {
  const session = http2.performServerHandshake(connection, {
    settings: { initialWindowSize: STREAM_WINDOW_BYTES, maxConcurrentStreams: MAX_STREAMS },
    maxSessionMemory: MAX_SESSION_MEMORY_MB,
  });
  widen(session);
  session.on('stream', (stream, headers) => {
    stream.on('error', () => {}); // `close` follows
    connect(stream, headers[OPEN_HEADER], targets).catch((error) => {
      if (stream.destroyed || stream.headersSent) return stream.destroy();
      stream.respond(
        { ':status': 502, [ERROR_HEADER]: encodeURIComponent(messageOf(error)) },
        { endStream: true },
      );
    });
  });
  const end = () => session.destroy();
  signal?.addEventListener('abort', end, { once: true });
  return watch(session, connection, clock).finally(() => signal?.removeEventListener('abort', end));
}

async function connect(
  stream: http2.ServerHttp2Stream,
  header: string | string[] | undefined,
  targets: TunnelTargets,
): Promise<void> {
  const target = targetOf(header);
  if (target.kind === 'agent') {
    stream.respond({ ':status': 200 });
    targets.agent(stream);
    return;
  }
  const dialled = await targets.dial(target.address);
  if (stream.destroyed) {
    dialled.destroy();
    return;
  }
  stream.respond({ ':status': 200 });
  splice(stream, dialled);
}

function targetOf(header: string | string[] | undefined): TunnelTarget {
  const target = typeof header === 'string' ? JSON.parse(header) : undefined;
  if (target?.kind === 'agent') return { kind: 'agent' };
  if (target?.kind === 'dial' && typeof target.address === 'string')
    return { kind: 'dial', address: target.address };
  throw new Error(`a stream to ${header} cannot be opened: agent and dial are known`);
}

/** Joins two streams, each half by itself, as TCP is; when one breaks the other is broken too. */
export function splice(a: Duplex, b: Duplex): void {
  a.pipe(b).pipe(a);
  for (const [one, other] of [
    [a, b],
    [b, a],
  ] as const) {
    one.on('error', () => {}); // `close` follows
    one.once('close', () => {
      // What the closed one has said is still to be delivered; what it would have heard is not.
      if (!other.writableEnded) other.end();
      if (!one.readableEnded) other.destroy();
    });
  }
}

/** Pings, and destroys the session when they stay unanswered. Resolves when it is gone. */
function watch(session: http2.Http2Session, connection: Duplex, clock: Clock): Promise<void> {
  let timer: Timer;
  let deadline: Timer | undefined;
  const ping = () => {
    deadline = clock.timer(PONG_WITHIN_MS, () => session.destroy());
    const sent = session.ping((error) => {
      deadline?.cancel();
      if (!error && !session.destroyed) timer = clock.timer(PING_EVERY_MS, ping);
    });
    if (!sent) session.destroy();
  };
  timer = clock.timer(PING_EVERY_MS, ping);
  session.on('error', () => {}); // `close` follows
  connection.on('error', () => {});
  return new Promise((resolve) => {
    session.once('close', () => {
      timer.cancel();
      deadline?.cancel();
      connection.destroy();
      resolve();
    });
    connection.once('close', () => session.destroy());
  });
}

function unavailable(message: string): StatusError {
  return new StatusError('ServiceUnavailable', message);
}
