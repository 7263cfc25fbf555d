/**
 * The frames between agent, helper and monitors (README.md; the other half is runtime/helper/frame.h, and the numbers
 * must agree). A frame: u32 length of what follows, u16 version, u16 op, u32 id, then TLVs: u16 tag, u32 length, bytes.
 * All numbers little endian. A reply repeats the request's id; its op is OK or ERROR.
 */

const PROTOCOL_VERSION = 1;
const FRAME_HEADER = 12;
const TLV_HEADER = 6;
/** Bytes after the length field; a netlink batch of some ten thousand rules. */
export const FRAME_LIMIT = 16 * 1024 * 1024;

export const OP = {
  OK: 1,
  ERROR: 2,
  HELLO: 3,
  NETLINK: 16,
  SANDBOX: 17,
  ADOPT: 18,
  CGROUP_REMOVE: 19,
  UNMOUNT: 20,
  SHUTDOWN: 21,
  CGROUP_KILL: 64,
  UPGRADE: 65,
  PROBE_IDMAP: 60,
  START: 32,
  STOP: 33,
  REMOVE: 34,
  LIST: 35,
  WATCH: 36,
  EXEC: 37,
  ATTACH: 38,
  DIAL: 39,
  DESTROY: 40,
  REOPEN_LOG: 41,
  STDIN: 48,
  STDIN_END: 49,
  RESIZE: 50,
  STDOUT: 51,
  STDERR: 52,
  EXITED: 54,
  CGROUP_MAKE: 70,
  TRANSMIT: 71,
  SIGNAL: 80,
} as const;

export const TAG = {
  STEP: 1,
  ERRNO: 2,
  DETAIL: 3,
  VERSION: 4,
  PID: 5,
  DATA: 6,
  PATH: 7,
  PROTOCOL: 8,
  ID: 9,
  LABELS: 10,
  NAMESPACES: 11,
  HOSTNAME: 12,
  SYSCTL: 13,
  CGROUP: 14,
  WRITE: 15,
  VALUE: 16,
  ROOT: 17,
  MOUNT: 18,
  TYPE: 19,
  SOURCE: 20,
  TARGET: 21,
  FLAGS: 22,
  OPTION: 23,
  PROPAGATION: 24,
  ARG: 25,
  ENV: 26,
  CWD: 27,
  UID: 28,
  GID: 29,
  GROUP: 30,
  CAPABILITIES: 31,
  NO_NEW_PRIVILEGES: 32,
  SECCOMP: 33,
  MASKED: 34,
  READ_ONLY: 35,
  RLIMIT: 36,
  OOM_SCORE: 37,
  TTY: 38,
  STDIN: 39,
  LOG: 40,
  OOM_FILE: 41,
  SIGNAL: 42,
  GRACE_MS: 43,
  COLUMNS: 44,
  ROWS: 45,
  CODE: 46,
  REASON: 47,
  STARTED_MS: 49,
  FINISHED_MS: 50,
  CONTAINER: 51,
  PORT: 52,
  SYMLINK: 53,
  DEVICE: 54,
  MODE: 55,
  KEEP: 56,
  RECORD: 57,
  USER_MAP: 60,
  HOST_ID: 61,
  LAYER: 62,
  INTO: 70,
  DEVICE_PROGRAM: 71,
  INIT: 80,
  LABEL: 81,
  SECCOMP_FLAGS: 82,
  LISTENER: 83,
  SPARES: 100,
  COMMAND: 120,
  STAGE: 121,
  PID_FILE: 122,
  CONSOLE: 123,
  INIT_PID: 124,
  PROGRAM: 101,
  SYNC: 102,
  SHARED_PROC: 110,
  LINK: 130,
} as const;

export interface Frame {
  op: number;
  id: number;
  payload: Uint8Array;
}

/** Bytes came that are no frame of this version: the connection is of no more use. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
}

/** Bytes of room at first: enough for most requests and all that nests. */
const FIRST_ROOM = 256;

/** Collects the TLVs of one frame; every `put` returns the payload itself, to be chained. */
export class Payload {
  #data = Buffer.allocUnsafe(FIRST_ROOM);
  #used = 0;

  bytes(tag: number, value: Uint8Array): this {
    const at = this.#field(tag, value.length);
    this.#data.set(value, at);
    return this;
  }

  text(tag: number, value: string): this {
    const length = Buffer.byteLength(value);
    const at = this.#field(tag, length);
    this.#data.write(value, at, length);
    return this;
  }

  /** A non-negative integer of at most 64 bits, or a negative one in two's complement. */
  number(tag: number, value: number | bigint): this {
    const at = this.#field(tag, 8);
    this.#data.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)), at);
    return this;
  }

  nest(tag: number, inner: Payload): this {
    return this.bytes(tag, inner.encode());
  }

  /** Until the next `put` the payload's own memory. */
  encode(): Uint8Array {
    return this.#data.subarray(0, this.#used);
  }

  /** Makes room for one more TLV and returns where its value goes. */
  #field(tag: number, length: number): number {
    const at = this.#used + TLV_HEADER;
    if (at + length > this.#data.length) {
      const longer = Buffer.allocUnsafe(Math.max(2 * this.#data.length, at + length));
      longer.set(this.encode());
      this.#data = longer;
    }
    this.#data.writeUInt16LE(tag, this.#used);
    this.#data.writeUInt32LE(length, this.#used + 2);
    this.#used = at + length;
    return at;
  }
}

export function encodeFrame(
  op: number,
  id: number,
  payload: Payload | Uint8Array = new Uint8Array(),
): Uint8Array {
  const body = payload instanceof Payload ? payload.encode() : payload;
  if (body.length + FRAME_HEADER - 4 > FRAME_LIMIT) {
    throw new RangeError(`a frame of ${body.length} bytes is over the limit of ${FRAME_LIMIT}`);
  }
  const frame = Buffer.allocUnsafe(FRAME_HEADER + body.length);
  frame.writeUInt32LE(FRAME_HEADER - 4 + body.length, 0);
  frame.writeUInt16LE(PROTOCOL_VERSION, 4);
  frame.writeUInt16LE(op, 6);
  frame.writeUInt32LE(id, 8);
  frame.set(body, FRAME_HEADER);
  return frame;
}

/** Cuts a byte stream into frames. */
export class FrameReader {
  #chunks: Buffer[] = [];
  #length = 0;

  /** Bytes received that do not make a whole frame yet. */
  get rest(): Buffer {
    return Buffer.concat(this.#chunks, this.#length);
  }

  push(chunk: Uint8Array): void {
    this.#chunks.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    this.#length += chunk.length;
  }

  /** The next whole frame; throws ProtocolError when what came cannot be one. */
  next(): Frame | undefined {
    if (this.#length < FRAME_HEADER) return undefined;
    if (this.#chunks[0]!.length < FRAME_HEADER) this.#join();
    const head = this.#chunks[0]!;
    const length = head.readUInt32LE(0);
    if (length < FRAME_HEADER - 4 || length > FRAME_LIMIT || head.readUInt16LE(4) !== PROTOCOL_VERSION) {
      throw new ProtocolError(`not a frame of protocol version ${PROTOCOL_VERSION}`);
    }
    if (this.#length < length + 4) return undefined;
    if (head.length < length + 4) this.#join();
    const whole = this.#chunks[0]!;
    const rest = whole.subarray(length + 4);
    if (rest.length > 0) this.#chunks[0] = rest;
    else this.#chunks.shift();
    this.#length -= length + 4;
    return {
      op: whole.readUInt16LE(6),
      id: whole.readUInt32LE(8),
      payload: whole.subarray(FRAME_HEADER, length + 4),
    };
  }

  #join(): void {
    this.#chunks = [Buffer.concat(this.#chunks, this.#length)];
  }
}

/** The TLVs of a payload by tag, in order; throws ProtocolError when it is damaged. */
export class Fields {
  readonly #values = new Map<number, Buffer[]>();

  constructor(payload: Uint8Array) {
    const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
    for (let at = 0; at < bytes.length; ) {
      const end = at + TLV_HEADER <= bytes.length ? at + TLV_HEADER + bytes.readUInt32LE(at + 2) : Infinity;
      if (end > bytes.length) throw new ProtocolError('a field runs past the end of its frame');
      const tag = bytes.readUInt16LE(at);
      const value = bytes.subarray(at + TLV_HEADER, end);
      const values = this.#values.get(tag);
      if (values) values.push(value);
      else this.#values.set(tag, [value]);
      at = end;
    }
  }

  has(tag: number): boolean {
    return this.#values.has(tag);
  }

  bytes(tag: number): Buffer | undefined {
    return this.#values.get(tag)?.[0];
  }

  text(tag: number): string {
    return this.bytes(tag)?.toString() ?? '';
  }

  number(tag: number): number {
    const bytes = this.bytes(tag);
    if (!bytes) return 0;
    return bytes.length === 8
      ? Number(bytes.readBigUInt64LE())
      : bytes.readUIntLE(0, Math.min(6, bytes.length));
  }

  all(tag: number): Fields[] {
    return (this.#values.get(tag) ?? []).map((value) => new Fields(value));
  }
}
