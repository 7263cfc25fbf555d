import { connect, type Socket } from 'node:net';
import { getSystemErrorName } from 'node:util';
import type { Clock } from '#machinery/clock.ts';
import { RuntimeError } from '../contract.ts';
import { encodeFrame, Fields, type Frame, FrameReader, OP, type Payload, TAG } from './protocol.ts';

/** A step that helper or monitor could not do, as it says it. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly step: string;
  /** Positive errno. */
  readonly errno: number;
  /** What the step was about: a path, a name. */
  readonly detail: string;

  constructor(step: string, errno: number, detail: string) {
    super([step, detail, errnoText(errno)].filter((part) => part !== '').join(': '));
    this.step = step;
    this.errno = errno;
    this.detail = detail;
  }

  static from(payload: Uint8Array): Refusal {
    const fields = new Fields(payload);
    return new Refusal(fields.text(TAG.STEP), fields.number(TAG.ERRNO), fields.text(TAG.DETAIL));
  }

  toRuntimeError(): RuntimeError {
    return new RuntimeError('Kernel', this.message, this.step);
  }
}

function errnoText(errno: number): string {
  return errno === 0 ? '' : getSystemErrorName(-errno);
}

interface Waiting {
  resolve(fields: Fields): void;
  reject(error: Error): void;
  cancel(): void;
}

/** How long an answer may take before the peer counts as hung. */
const ANSWER_TIMEOUT_MS = 60_000;

/** A framed connection to helper or monitor: requests with answers by id, and frames that come unasked. */
export class Peer {
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #reader = new FrameReader();
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;
  #closed = false;
  /** Frames that came before anyone asked for them. */
  #early: Frame[] = [];
  #onFrame: ((frame: Frame) => void) | undefined;
  #onClose: (() => void) | undefined;
  #rawAfter: number | undefined;
  #raw = false;
  #unref = false;

  private constructor(socket: Socket, clock: Clock) {
    this.#socket = socket;
    this.#clock = clock;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('close', () => this.#ended());
    socket.on('error', () => {
      // 'close' follows and tells everyone.
    });
  }

  /** Rejects with the system's error (`code` ENOENT, ECONNREFUSED) when nobody listens. */
  static connect(path: string, clock: Clock, options: { allowHalfOpen?: boolean } = {}): Promise<Peer> {
    return new Promise((resolve, reject) => {
      const socket = connect({ path, ...options });
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve(new Peer(socket, clock));
      });
    });
  }

  /** Receives frames that answer no request, also those that came before. */
  set onFrame(receive: (frame: Frame) => void) {
    this.#onFrame = receive;
    for (const frame of this.#early.splice(0)) receive(frame);
  }

  /** Called once when the connection has ended, for whatever reason; at once when it has already. */
  set onClose(ended: () => void) {
    this.#onClose = ended;
    if (this.#closed) ended();
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Rejects with Refusal when the peer says no, with RuntimeError Unavailable when it is gone. */
  request(op: number, payload?: Payload, timeoutMs = ANSWER_TIMEOUT_MS): Promise<Fields> {
    if (this.#closed) return Promise.reject(gone());
    const id = this.#nextId;
    this.#nextId = (this.#nextId % 0x7fffffff) + 1;
    return new Promise((resolve, reject) => {
      const timer = this.#clock.timer(timeoutMs, () => {
        this.#settle(id);
        reject(new RuntimeError('Unavailable', `no answer to request ${op} within ${timeoutMs} ms`));
      });
      this.#waiting.set(id, { resolve, reject, cancel: () => timer.cancel() });
      this.#socket.ref();
      this.#socket.write(encodeFrame(op, id, payload));
    });
  }

  /** A request after whose answer the connection carries plain bytes, and is the caller's. */
  async requestRaw(op: number, payload?: Payload): Promise<Socket> {
    this.#rawAfter = this.#nextId;
    await this.request(op, payload);
    const socket = this.#socket;
    for (const event of ['data', 'close', 'error']) socket.removeAllListeners(event);
    if (this.#reader.rest.length > 0) socket.unshift(this.#reader.rest);
    this.#closed = true;
    return socket;
  }

  /** A frame that has no answer. `sent` is called once the kernel has taken it, or the connection has ended. */
  send(op: number, payload?: Payload, sent: () => void = () => {}): void {
    if (this.#closed) sent();
    else this.#socket.write(encodeFrame(op, 0, payload), () => sent());
  }

  /** Stops and goes on reading frames: whoever consumes them is full. */
  pause(paused: boolean): void {
    if (paused) this.#socket.pause();
    else this.#socket.resume();
  }

  /** An idle connection does not keep the program running; one with a question open does. */
  unref(): this {
    this.#unref = true;
    this.#socket.unref();
    return this;
  }

  #settle(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    waiting?.cancel();
    if (this.#unref && this.#waiting.size === 0) this.#socket.unref();
    return waiting;
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    try {
      this.#reader.push(chunk);
      while (!this.#raw) {
        const frame = this.#reader.next();
        if (!frame) return;
        this.#dispatch(frame);
      }
    } catch {
      // Whatever is at the other end does not speak our protocol; everyone waiting is told by 'close'.
      this.#socket.destroy();
    }
  }

  #dispatch(frame: Frame): void {
    const waiting = this.#waiting.get(frame.id);
    if (!waiting || (frame.op !== OP.OK && frame.op !== OP.ERROR)) {
      if (this.#onFrame) this.#onFrame(frame);
      else this.#early.push(frame);
      return;
    }
    this.#settle(frame.id);
    if (frame.op === OP.ERROR) {
      waiting.reject(Refusal.from(frame.payload));
      return;
    }
    if (frame.id === this.#rawAfter) {
      this.#raw = true;
      this.#socket.pause();
    }
    waiting.resolve(new Fields(frame.payload));
  }

  #ended(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const waiting of this.#waiting.values()) {
      waiting.cancel();
      waiting.reject(gone());
    }
    this.#waiting.clear();
    this.#onClose?.();
  }
}

function gone(): RuntimeError {
  return new RuntimeError('Unavailable', 'the connection to helper or monitor ended');
}
