import http2 from 'node:http2';
import type { Duplex } from 'node:stream';
import type { Clock } from '../clock.ts';
import { messageOf, StatusError } from '../errors.ts';
import { watchSession } from './heartbeat.ts';

/**
 * Many streams over one connection that the other side has dialled: HTTP/2 with the roles turned round. The side that
 * accepted the connection is the HTTP/2 client (`callTunnel`), the side that dialled it the server (`answerTunnel`).
 * Each stream is a POST with the header `gantry-open` that says what it is to be connected to.
 */
export type TunnelTarget = { kind: 'agent' } | { kind: 'dial'; address: string };

/**
 * What a tunnel is for: streams in which somebody waits for each byte, or those that carry all they can. Each has a connection of its
 * own: on a shared one a keystroke would stand behind whatever was sent before it, and wait for what of that is lost.
 */
export const STREAM_CLASSES = ['interactive', 'bulk'] as const;
export type StreamClass = (typeof STREAM_CLASSES)[number];

export interface Tunnel {
  /**
   * Rejects with ServiceUnavailable when the tunnel is down or the target refuses, Timeout when nobody answers, TooManyRequests when
   * too many streams are open.
   */
  open(target: TunnelTarget): Promise<Duplex>;
  /** It has broken: `closed` resolves soon. */
  readonly broken: boolean;
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

/**
 * What may be on its way in a stream before it is read. The default of 64 KiB makes copies crawl on any distance; of an interactive
 * one less, since so much of it can stand before the keystrokes of another.
 */
const WINDOW_BYTES: Record<StreamClass, number> = { interactive: 32 * 1024, bulk: 256 * 1024 };
/** With a window for the connection that all of them fill together: readers that stall then never use up those of others. */
const MAX_STREAMS = 500;
/** Node refuses new streams above this (ENHANCE_YOUR_CALM); its default of 10 MB is used up by 40 readers that stall. */
const MAX_SESSION_MEMORY_MB = 1024;

const OPEN_WITHIN_MS = 15_000;

/** The accepting side of a tunnel, on a connection whose upgrade has been answered: all that was written is gone out. */
export function callTunnel(connection: Duplex, use: StreamClass, clock: Clock): Tunnel {
  const session = http2.connect('http://tunnel', {
    createConnection: () => connection,
    settings: { initialWindowSize: WINDOW_BYTES[use], enablePush: false },
    maxSessionMemory: MAX_SESSION_MEMORY_MB,
  });
  widen(session, use);
  const closed = watchSession(session, connection, 'asks', clock);
  let streams = 0;
  return {
    closed,
    get broken() {
      return session.destroyed;
    },
    close: () => session.destroy(),
    async open(target) {
      if (streams >= MAX_STREAMS)
        throw new StatusError('TooManyRequests', `${streams} streams to the node are open already`);
      streams++;
      return await openStream(session, target, clock, () => streams--);
    },
  };
}

/** The window of the connection can be set only once the session has its handle. */
function widen(session: http2.Http2Session, use: StreamClass): void {
  session.once('connect', () => {
    if (!session.destroyed)
      (session as http2.ClientHttp2Session).setLocalWindowSize(WINDOW_BYTES[use] * MAX_STREAMS);
  });
}

/** `ended` is called once, when there is no stream any more. */
function openStream(
  session: http2.ClientHttp2Session,
  target: TunnelTarget,
  clock: Clock,
  ended: () => void,
): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    if (session.closed || session.destroyed) {
      ended();
      return reject(unavailable('the tunnel is closed'));
    }
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
      reject(unavailable(reasonOf(answer[ERROR_HEADER]) ?? `answer ${answer[':status']}`));
    });
    stream.on('error', (error) => reject(unavailable(error.message)));
    stream.once('close', () => {
      timer.cancel();
      ended();
      reject(unavailable('the tunnel was closed'));
    });
  });
}

/** Why the far side refused. It is the far side's word: a header that cannot be read is shown as it came, and breaks nothing here. */
function reasonOf(header: string | string[] | undefined): string | undefined {
  if (typeof header !== 'string') return undefined;
  try {
    return decodeURIComponent(header);
  } catch {
    return header;
  }
}

interface AnsweredTunnel {
  use: StreamClass;
  targets: TunnelTargets;
  clock: Clock;
  signal?: AbortSignal;
}

/** The dialling side. Resolves when the tunnel is gone; `signal` ends it. */
export function answerTunnel(
  connection: Duplex,
  { use, targets, clock, signal }: AnsweredTunnel,
): Promise<void> {
  const session = http2.performServerHandshake(connection, {
    // The caller keeps to its number of streams; those that are just ending here are not among them.
    settings: { initialWindowSize: WINDOW_BYTES[use], maxConcurrentStreams: 2 * MAX_STREAMS },
    maxSessionMemory: MAX_SESSION_MEMORY_MB,
  });
  widen(session, use);
  session.on('stream', (stream, headers) => {
    stream.on('error', () => {}); // `close` follows
    connect(stream, headers[OPEN_HEADER], targets).catch((error) => {
      if (stream.destroyed || stream.headersSent) return stream.destroy();
      stream.respond(
        { ':status': 502, [ERROR_HEADER]: encodeURIComponent(messageOf(error).toWellFormed()) },
        { endStream: true },
      );
    });
  });
  const end = () => session.destroy();
  signal?.addEventListener('abort', end, { once: true });
  return watchSession(session, connection, 'is asked', clock).finally(() =>
    signal?.removeEventListener('abort', end),
  );
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

function unavailable(message: string): StatusError {
  return new StatusError('ServiceUnavailable', message);
}
