import { createInflate, type Inflate } from 'node:zlib';
import { SPDY_DICTIONARY } from './spdy-dictionary.ts';

/**
 * The frames of SPDY/3.1 that Kubernetes clients use. Source: SPDY Protocol Draft 3.1, 2.2-2.6. Bytes in, frames out;
 * what they mean is spdy.ts.
 */
export const CONTROL = {
  synStream: 1,
  synReply: 2,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  headers: 8,
  windowUpdate: 9,
} as const;

/** Status codes of RST_STREAM (2.6.3). */
export const RESET = { protocolError: 1, refusedStream: 3, cancel: 5 } as const;

const FLAG_FIN = 1;
const VERSION = 3;
/** A control frame carries headers at most; more is an attack. */
const MAX_CONTROL_BYTES = 64 * 1024;
/** Decompressed. */
const MAX_HEADER_BYTES = 64 * 1024;
/** Payload of one data frame that we send; longer writes are cut. */
const MAX_DATA_BYTES = 256 * 1024;

export type RawFrame =
  | { kind: 'control'; type: number; flags: number; payload: Buffer }
  /** A piece of a data frame, as it came; `end` with the last piece of a frame that ends the stream. */
  | { kind: 'data'; stream: number; bytes: Buffer; end: boolean };

/** A peer that breaks the protocol; the connection is closed. */
export class SpdyError extends Error {
  override readonly name = 'SpdyError';
}

/** Cuts a byte stream into frames. Data is passed on in pieces, so that a frame's length costs no memory. */
export class FrameReader {
  #buffered: Buffer = Buffer.alloc(0);
  #data: { stream: number; left: number; fin: boolean } | undefined;

  *push(chunk: Buffer): Generator<RawFrame> {
    this.#buffered = this.#buffered.length === 0 ? chunk : Buffer.concat([this.#buffered, chunk]);
    for (;;) {
      const frame = this.#data ? this.#nextPiece(this.#data) : this.#nextFrame();
      if (!frame) return;
      yield frame;
    }
  }

  #nextFrame(): RawFrame | undefined {
    if (this.#buffered.length < 8) return undefined;
    const word = this.#buffered.readUInt32BE(0);
    const flags = this.#buffered[4]!;
    const length = this.#buffered.readUIntBE(5, 3);
    if (word >>> 31 === 0) {
      this.#buffered = this.#buffered.subarray(8);
      this.#data = { stream: word, left: length, fin: (flags & FLAG_FIN) !== 0 };
      return this.#nextPiece(this.#data);
    }
    const version = (word >>> 16) & 0x7fff;
    if (version !== VERSION) throw new SpdyError(`SPDY version ${version} is not ${VERSION}`);
    if (length > MAX_CONTROL_BYTES) throw new SpdyError(`a control frame of ${length} bytes is too long`);
    if (this.#buffered.length < 8 + length) return undefined;
    const payload = this.#buffered.subarray(8, 8 + length);
    this.#buffered = this.#buffered.subarray(8 + length);
    return { kind: 'control', type: word & 0xffff, flags, payload };
  }

  #nextPiece(data: { stream: number; left: number; fin: boolean }): RawFrame | undefined {
    if (data.left > 0 && this.#buffered.length === 0) return undefined;
    const bytes = this.#buffered.subarray(0, data.left);
    this.#buffered = this.#buffered.subarray(bytes.length);
    data.left -= bytes.length;
    if (data.left === 0) this.#data = undefined;
    return { kind: 'data', stream: data.stream, bytes, end: data.left === 0 && data.fin };
  }
}

/** Reads header blocks; they share one compression context, so they must be read in their order. */
export class HeaderReader {
  readonly #inflate: Inflate = createInflate({ dictionary: SPDY_DICTIONARY });
  #chunks: Buffer[] = [];
  #length = 0;
  #failure: Error | undefined;

  constructor() {
    this.#inflate.on('data', (chunk: Buffer) => {
      this.#length += chunk.length;
      if (this.#length <= MAX_HEADER_BYTES) {
        this.#chunks.push(chunk);
        return;
      }
      this.#failure = new SpdyError('a header block is too long');
      this.#inflate.destroy();
    });
    this.#inflate.on('error', (error) => {
      this.#failure ??= error;
    });
  }

  /** Names and values of one block. Names are lower case by the protocol; several values are joined by NUL. */
  async read(block: Buffer): Promise<Record<string, string>> {
    if (this.#failure) throw this.#failure;
    this.#chunks = [];
    this.#length = 0;
    await new Promise<void>((resolve, reject) => {
      const onClose = () => reject(this.#failure ?? new SpdyError('the connection is closed'));
      this.#inflate.once('close', onClose);
      this.#inflate.write(block, (error) => {
        this.#inflate.off('close', onClose);
        if (error) reject(error);
        else resolve();
      });
    });
    if (this.#failure) throw this.#failure;
    return parseHeaders(Buffer.concat(this.#chunks, this.#length));
  }

  close(): void {
    this.#inflate.destroy();
  }
}

function parseHeaders(bytes: Buffer): Record<string, string> {
  let at = 0;
  const number = () => {
    if (at + 4 > bytes.length) throw new SpdyError('a header block is cut short');
    at += 4;
    return bytes.readUInt32BE(at - 4);
  };
  const text = () => {
    const length = number();
    if (at + length > bytes.length) throw new SpdyError('a header block is cut short');
    at += length;
    return bytes.toString('latin1', at - length, at);
  };
  const headers: Record<string, string> = Object.create(null);
  for (let left = number(); left > 0; left--) {
    const name = text().toLowerCase();
    headers[name] = text();
  }
  return headers;
}

/** A writer of header blocks, one per connection. */
export class HeaderWriter {
  #started = false;

  /**
   * A zlib stream of stored blocks with a flush after each: valid, needs no compressor and so no waiting; the few bytes
   * that compression would save are those of a reply per stream.
   */
  write(headers: Record<string, string>): Buffer {
    const entries = Object.entries(headers);
    const parts = [uint32(entries.length)];
    for (const [name, value] of entries) {
      for (const word of [name, value]) parts.push(uint32(Buffer.byteLength(word)), Buffer.from(word));
    }
    const block = Buffer.concat(parts);
    const start = this.#started ? [] : [Buffer.from([0x78, 0xbb, 0xe3, 0xc6, 0xa7, 0xc2])];
    this.#started = true;
    return Buffer.concat([...start, stored(block), stored(Buffer.alloc(0))]);
  }
}

/** A block of type 0 (RFC 1951, 3.2.4). */
function stored(bytes: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt16LE(bytes.length, 1);
  head.writeUInt16LE(~bytes.length & 0xffff, 3);
  return Buffer.concat([head, bytes]);
}

export function controlFrame(type: number, flags: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt16BE(0x8000 | VERSION, 0);
  head.writeUInt16BE(type, 2);
  head[4] = flags;
  head.writeUIntBE(payload.length, 5, 3);
  return Buffer.concat([head, payload]);
}

/** The frames of one write; the last ends the stream when `fin`. */
export function dataFrames(stream: number, bytes: Buffer, fin: boolean): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at < bytes.length || frames.length === 0; at += MAX_DATA_BYTES) {
    const piece = bytes.subarray(at, at + MAX_DATA_BYTES);
    const head = Buffer.alloc(8);
    head.writeUInt32BE(stream, 0);
    head[4] = fin && at + piece.length >= bytes.length ? FLAG_FIN : 0;
    head.writeUIntBE(piece.length, 5, 3);
    frames.push(head, piece);
  }
  return frames;
}

export function uint32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, index) => {
    bytes.writeUInt32BE(value, 4 * index);
  });
  return bytes;
}

export function hasFin(flags: number): boolean {
  return (flags & FLAG_FIN) !== 0;
}
