import { Duplex } from 'node:stream';
import {
  CONTROL,
  controlFrame,
  dataFrames,
  FrameReader,
  HeaderReader,
  HeaderWriter,
  hasFin,
  type RawFrame,
  RESET,
  SpdyError,
  uint32,
} from './spdy-frames.ts';

/**
 * The server side of one SPDY/3.1 connection: streams that the client opens. Kubernetes' clients neither send nor obey
 * WINDOW_UPDATE, so flow control is that of the connection below: a stream whose reader falls behind by more than
 * READ_AHEAD_BYTES holds up the others.
 */
const READ_AHEAD_BYTES = 1024 * 1024;
/** Open streams per connection; a port-forward opens two per connection of its user. */
const MAX_STREAMS = 4096;

export interface SpdyConnection {
  /** Resolves when the connection is gone. */
  closed: Promise<void>;
  /** Sends what was written, then closes. */
  close(): void;
}

/** Serves a connection that has been upgraded. `onStream` is called for each stream of the client. */
export function serveSpdy(socket: Duplex, onStream: (stream: SpdyStream) => void): SpdyConnection {
  return new ServerConnection(socket, onStream);
}

/** One stream; half-open. Emits `close` and never `error`: a peer that goes away is no fault of the reader. */
export class SpdyStream extends Duplex {
  readonly id: number;
  readonly headers: Record<string, string>;
  readonly #send: (frames: Buffer[], done: () => void) => void;
  readonly #forget: (reset: boolean) => void;
  #wanted: (() => void) | undefined;
  #ended = false;

  constructor(
    id: number,
    headers: Record<string, string>,
    send: (frames: Buffer[], done: () => void) => void,
    forget: (reset: boolean) => void,
  ) {
    super({ allowHalfOpen: true, readableHighWaterMark: READ_AHEAD_BYTES });
    this.id = id;
    this.headers = headers;
    this.#send = send;
    this.#forget = forget;
  }

  /** Bytes from the peer. Resolves when there is room for more. */
  async receive(bytes: Buffer, end: boolean): Promise<void> {
    if (this.destroyed || this.#ended) return;
    // Copied: the piece is a view of the connection's buffer, which it would keep in memory.
    const room = bytes.length === 0 || this.push(Buffer.from(bytes));
    if (end) {
      this.#ended = true;
      this.push(null);
    } else if (!room) {
      await new Promise<void>((resolve) => {
        this.#wanted = resolve;
      });
    }
  }

  override _read(): void {
    this.#release();
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#send(dataFrames(this.id, chunk, false), done);
  }

  override _final(done: () => void): void {
    this.#send(dataFrames(this.id, Buffer.alloc(0), true), done);
  }

  override _destroy(_error: Error | null, done: (error?: Error | null) => void): void {
    this.#release();
    this.#forget(!this.writableFinished || !this.#ended);
    done(null);
  }

  #release(): void {
    this.#wanted?.();
    this.#wanted = undefined;
  }
}

class ServerConnection implements SpdyConnection {
  readonly closed: Promise<void>;
  readonly #socket: Duplex;
  readonly #onStream: (stream: SpdyStream) => void;
  readonly #streams = new Map<number, SpdyStream>();
  readonly #frames = new FrameReader();
  readonly #headersIn = new HeaderReader();
  readonly #headersOut = new HeaderWriter();
  #newest = 0;

  constructor(socket: Duplex, onStream: (stream: SpdyStream) => void) {
    this.#socket = socket;
    this.#onStream = onStream;
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#letGo();
        resolve();
      });
    });
    socket.on('error', () => {}); // `close` follows
    this.#run().catch(() => socket.destroy());
  }

  close(): void {
    if (!this.#socket.destroyed) this.#socket.end();
  }

  /** Frames are handled one after the other; waiting in one is what holds the peer up. */
  async #run(): Promise<void> {
    for await (const chunk of this.#socket.iterator({ destroyOnReturn: false })) {
      for (const frame of this.#frames.push(chunk as Buffer)) await this.#handle(frame);
    }
    // The peer says no more: kubectl closes that way. What is still being written to it is of no use.
    this.#letGo();
    this.#socket.end();
  }

  async #handle(frame: RawFrame): Promise<void> {
    if (frame.kind === 'data') {
      const stream = this.#streams.get(frame.stream);
      // Data of a stream that was reset may still be on its way.
      if (stream) await stream.receive(frame.bytes, frame.end);
      return;
    }
    const { type, flags, payload } = frame;
    switch (type) {
      case CONTROL.synStream:
        return this.#open(payload, hasFin(flags));
      case CONTROL.rstStream:
        this.#streams.get(word(payload, 0))?.destroy();
        return;
      case CONTROL.ping:
        // Even numbers would answer pings of ours, and we send none.
        if ((word(payload, 0) & 1) === 1) this.#write([controlFrame(CONTROL.ping, 0, payload)]);
        return;
      case CONTROL.synReply:
      case CONTROL.headers:
        // Of no meaning to us, but part of the compression context.
        await this.#headersIn.read(payload.subarray(4));
        return;
      default:
        return; // SETTINGS, GOAWAY, WINDOW_UPDATE and unknown frames are to be ignored (2.2.1)
    }
  }

  async #open(payload: Buffer, fin: boolean): Promise<void> {
    const id = word(payload, 0) & 0x7fffffff;
    const headers = await this.#headersIn.read(payload.subarray(10));
    if (id % 2 === 0 || id <= this.#newest) throw new SpdyError(`stream ${id} may not be opened`);
    this.#newest = id;
    if (this.#streams.size >= MAX_STREAMS) return this.#reset(id, RESET.refusedStream);
    const stream = new SpdyStream(
      id,
      headers,
      (frames, done) => this.#write(frames, done),
      (reset) => {
        if (this.#streams.delete(id) && reset) this.#reset(id, RESET.cancel);
      },
    );
    this.#streams.set(id, stream);
    const reply = Buffer.concat([uint32(id), this.#headersOut.write({})]);
    this.#write([controlFrame(CONTROL.synReply, 0, reply)]);
    this.#onStream(stream);
    if (fin) await stream.receive(Buffer.alloc(0), true);
  }

  #reset(id: number, status: number): void {
    this.#write([controlFrame(CONTROL.rstStream, 0, uint32(id, status))]);
  }

  /** `done` comes in any case: bytes for a peer that is gone are dropped. */
  #write(frames: Buffer[], done: () => void = () => {}): void {
    if (this.#socket.destroyed || this.#socket.writableEnded) {
      done();
      return;
    }
    this.#socket.cork();
    frames.forEach((frame, index) => {
      this.#socket.write(frame, index === frames.length - 1 ? () => done() : undefined);
    });
    this.#socket.uncork();
  }

  #letGo(): void {
    const open = [...this.#streams.values()];
    this.#streams.clear();
    for (const stream of open) stream.destroy();
    this.#headersIn.close();
  }
}

function word(payload: Buffer, at: number): number {
  if (payload.length < at + 4) throw new SpdyError('a control frame is cut short');
  return payload.readUInt32BE(at);
}
