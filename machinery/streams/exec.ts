import { once } from 'node:events';
import type { Writable } from 'node:stream';
import type { WebSocket } from 'ws';
import { type Clock, systemClock } from '../clock.ts';
import { StatusError } from '../errors.ts';
import { channels } from './channels.ts';
import {
  type ExecOutcome,
  type ExecStreams,
  type ExecWants,
  exitStatus,
  type TerminalSize,
  type Upgrade,
} from './contract.ts';
import { acceptSpdy, isSpdy, refuse } from './handshake.ts';
import { type SpdyConnection, type SpdyStream, serveSpdy } from './spdy.ts';
import { acceptWebSocket, isWebSocket, offeredProtocols } from './websocket.ts';

const V4 = 'v4.channel.k8s.io';
const V5 = 'v5.channel.k8s.io';

const CHANNEL = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4 } as const;

/** How long a SPDY client may take to open its streams, as in the kubelet. */
const STREAMS_WITHIN_MS = 30_000;

/**
 * kubectl 1.30 to 1.33 may read messages before it has made the streams they are for, and then drops them: a command that
 * ends at once would seem to say nothing. It gets this long, or until it sends something; 30 ms were too few on machines with
 * more to do than processors. Source: kubernetes/kubernetes#131189.
 */
const STREAMS_MADE_MS = 100;

/** Answers an exec or attach; see AcceptExec in contract.ts. */
export async function acceptExec(
  upgrade: Upgrade,
  wants: ExecWants,
  clock: Clock = systemClock,
): Promise<ExecStreams> {
  if (isWebSocket(upgrade.request)) return acceptByWebSocket(upgrade, wants, clock);
  if (isSpdy(upgrade.request)) return acceptBySpdy(upgrade, wants, clock);
  throw refuse(upgrade, 'unable to upgrade: an exec or attach needs an upgrade to WebSocket or SPDY/3.1');
}

async function acceptByWebSocket(upgrade: Upgrade, wants: ExecWants, clock: Clock): Promise<ExecStreams> {
  const offered = offeredProtocols(upgrade.request);
  const chosen = offered.find((each) => each === V5 || each === V4);
  if (chosen === undefined) {
    throw refuse(
      upgrade,
      `unable to upgrade: client supports the subprotocols [${offered.join(' ')}], server accepts [${V5} ${V4}]`,
    );
  }
  const socket = await acceptWebSocket(upgrade, chosen);
  const link = channels(socket, clientIsReady(socket, clock));
  const streams = {
    stdin: wants.stdin ? link.readable(CHANNEL.stdin) : undefined,
    stdout: wants.stdout ? link.writable(CHANNEL.stdout) : undefined,
    stderr: wants.stderr && !wants.tty ? link.writable(CHANNEL.stderr) : undefined,
  };
  const sizes = new Sizes();
  if (wants.tty) link.readable(CHANNEL.resize).on('data', (bytes: Buffer) => sizes.receive(bytes));
  // An empty message on the lowest channel that we write tells the client that the other end is there.
  if (wants.stdout || wants.stderr)
    link.send(wants.stdout ? CHANNEL.stdout : CHANNEL.stderr, Buffer.alloc(0));
  return {
    ...streams,
    onResize: (listener) => sizes.listen(listener),
    async finish(outcome) {
      await Promise.race([ended(streams.stdout, streams.stderr), link.closed]);
      link.send(CHANNEL.error, Buffer.from(JSON.stringify(exitStatus(outcome))));
      link.close();
      await link.closed;
    },
    closed: link.closed,
  };
}

function clientIsReady(socket: WebSocket, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    const ready = () => {
      timer.cancel();
      resolve();
    };
    const timer = clock.timer(STREAMS_MADE_MS, ready);
    socket.once('message', ready);
    socket.once('close', ready);
  });
}

async function acceptBySpdy(upgrade: Upgrade, wants: ExecWants, clock: Clock): Promise<ExecStreams> {
  const needed = new Set<SpdyStreamType>(['error']);
  for (const name of ['stdin', 'stdout'] as const) if (wants[name]) needed.add(name);
  if (wants.stderr && !wants.tty) needed.add('stderr');
  acceptSpdy(upgrade, [V4]);
  const sizes = new Sizes();
  const { connection, streams } = await streamsOf(upgrade, needed, sizes, clock);
  const wanted = (name: SpdyStreamType) => (needed.has(name) ? streams.get(name) : undefined);
  const [stdout, stderr] = [wanted('stdout'), wanted('stderr')];
  const error = streams.get('error')!;
  return {
    stdin: wanted('stdin'),
    stdout,
    stderr,
    onResize: (listener) => sizes.listen(listener),
    async finish(outcome: ExecOutcome) {
      const outputs = [...streams].flatMap(([type, stream]) => (type === 'error' ? [] : [stream]));
      await Promise.race([ended(...outputs), connection.closed]);
      error.end(JSON.stringify(exitStatus(outcome)));
      await Promise.race([once(error, 'finish'), once(error, 'close'), connection.closed]);
      connection.close();
      await connection.closed;
    },
    closed: connection.closed,
  };
}

const SPDY_STREAM_TYPES = ['error', 'stdin', 'stdout', 'stderr', 'resize'] as const;
type SpdyStreamType = (typeof SPDY_STREAM_TYPES)[number];

/**
 * The streams of the client by their type, once all that are needed are there. A client that believes otherwise of the
 * container (attach without -t to one with a terminal) opens others too, or no `resize`: that does no harm.
 */
function streamsOf(
  upgrade: Upgrade,
  needed: ReadonlySet<SpdyStreamType>,
  sizes: Sizes,
  clock: Clock,
): Promise<{ connection: SpdyConnection; streams: Map<SpdyStreamType, SpdyStream> }> {
  return new Promise((resolve, reject) => {
    const streams = new Map<SpdyStreamType, SpdyStream>();
    const fail = (message: string) => {
      timer.cancel();
      upgrade.socket.destroy();
      reject(new StatusError('Timeout', message));
    };
    const timer = clock.timer(STREAMS_WITHIN_MS, () => {
      fail(`the client opened only [${[...streams.keys()].join(' ')}] of [${[...needed].join(' ')}] in time`);
    });
    const connection = serveSpdy(upgrade.socket, (stream) => {
      const type = SPDY_STREAM_TYPES.find((each) => each === stream.headers['streamtype']);
      if (type === undefined || streams.has(type)) return stream.destroy();
      streams.set(type, stream);
      if (type === 'resize') stream.on('data', (bytes: Buffer) => sizes.receive(bytes));
      // Nobody reads these; their end is to be seen all the same.
      else if (type !== 'stdin' || !needed.has('stdin')) stream.resume();
      if ([...needed].some((each) => !streams.has(each))) return;
      timer.cancel();
      resolve({ connection, streams });
    });
    connection.closed.then(() => fail('the client closed the connection before it had opened its streams'));
  });
}

/** When all that was written has been taken. */
async function ended(...streams: (Writable | undefined)[]): Promise<void> {
  await Promise.all(
    streams.map(
      (stream) =>
        stream &&
        new Promise<void>((resolve) => {
          stream.once('close', () => resolve());
          stream.end(() => resolve());
        }),
    ),
  );
}

/** A size message is smaller by far; more without an end is garbage. */
const MAX_SIZE_BYTES = 1024;

/** Terminal sizes from JSON objects that may come in pieces: {"Width":80,"Height":24}. */
class Sizes {
  #text = '';
  #newest: TerminalSize | undefined;
  readonly #listeners = new Set<(size: TerminalSize) => void>();

  receive(bytes: Buffer): void {
    this.#text += bytes.toString('latin1');
    for (let end = this.#text.indexOf('}'); end >= 0; end = this.#text.indexOf('}')) {
      this.#parse(this.#text.slice(0, end + 1));
      this.#text = this.#text.slice(end + 1);
    }
    if (this.#text.length > MAX_SIZE_BYTES) this.#text = '';
  }

  listen(listener: (size: TerminalSize) => void): () => void {
    this.#listeners.add(listener);
    if (this.#newest) listener(this.#newest);
    return () => this.#listeners.delete(listener);
  }

  #parse(text: string): void {
    const of = (name: string) => Number(new RegExp(`"${name}"\\s*:\\s*(\\d{1,5})`, 'i').exec(text)?.[1] ?? 0);
    const size = { width: of('width'), height: of('height') };
    if (size.width === 0 || size.height === 0) return;
    this.#newest = size;
    for (const listener of this.#listeners) listener(size);
  }
}
