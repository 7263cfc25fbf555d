/**
 * The bytes of protobuf: tags, varints, lengths. The writer works from the end to the start, so that a message's length is
 * known when its prefix is written. Source: Protocol Buffers documentation, "Encoding".
 */

/** Damaged or hostile input. */
export class ProtobufError extends Error {
  override readonly name = 'ProtobufError';
}

export const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

export class Writer {
  #bytes = Buffer.allocUnsafe(2048);
  #start = this.#bytes.length;

  /** How much has been written: the difference of two values is the length of what came between. */
  get length(): number {
    return this.#bytes.length - this.#start;
  }

  finish(): Uint8Array {
    return this.#bytes.subarray(this.#start);
  }

  #room(size: number): void {
    if (this.#start >= size) return;
    const used = this.length;
    const next = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, used + size));
    this.#bytes.copy(next, next.length - used, this.#start);
    this.#start = next.length - used;
    this.#bytes = next;
  }

  bytes(value: Uint8Array): void {
    this.#room(value.length);
    this.#start -= value.length;
    this.#bytes.set(value, this.#start);
  }

  string(value: string): void {
    const size = Buffer.byteLength(value);
    this.#room(size);
    this.#start -= size;
    this.#bytes.write(value, this.#start, 'utf8');
  }

  /** A whole number; negative ones take ten bytes, as int32 and int64 have it. */
  varint(value: number): void {
    if (value < 0 || value > 0xffffffff) {
      this.#bigVarint(value);
      return;
    }
    this.#room(5);
    for (let rest = value; rest > 127; rest = Math.floor(rest / 128)) this.#start--;
    let at = --this.#start;
    let rest = value;
    for (; rest > 127; rest = Math.floor(rest / 128)) this.#bytes[at++] = (rest % 128) | 128;
    this.#bytes[at] = rest;
  }

  #bigVarint(value: number): void {
    const groups: number[] = [];
    let rest = BigInt.asUintN(64, BigInt(value));
    do {
      groups.push(Number(rest & 127n) | (rest > 127n ? 128 : 0));
      rest >>= 7n;
    } while (rest > 0n);
    this.bytes(Uint8Array.from(groups));
  }

  double(value: number): void {
    this.#room(8);
    this.#start -= 8;
    this.#bytes.writeDoubleLE(value, this.#start);
  }

  tag(number: number, wireType: number): void {
    this.varint(number * 8 + wireType);
  }

  /** Length and tag in front of what was written since `length` was `since`. */
  close(number: number, since: number): void {
    this.varint(this.length - since);
    this.tag(number, WIRE.bytes);
  }
}

export class Reader {
  readonly #bytes: Buffer;
  #at: number;
  #end: number;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#at = 0;
    this.#end = bytes.length;
  }

  get done(): boolean {
    return this.#at >= this.#end;
  }

  /** The next field's number and wire type. */
  tag(): { number: number; wireType: number } {
    const tag = this.varint();
    if (tag < 8 || tag > 0xffffffff) throw new ProtobufError(`illegal tag ${tag}`);
    return { number: Math.floor(tag / 8), wireType: tag % 8 };
  }

  /** A signed 64-bit number; beyond 2^53 it is rounded. */
  varint(): number {
    let value = 0;
    let scale = 1;
    for (let at = this.#at; at < this.#end && at < this.#at + 4; at++, scale *= 128) {
      const byte = this.#bytes[at]!;
      value += (byte & 127) * scale;
      if (byte < 128) {
        this.#at = at + 1;
        return value;
      }
    }
    return this.#bigVarint();
  }

  #bigVarint(): number {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      if (this.#at >= this.#end) throw new ProtobufError('unexpected end of input');
      const byte = this.#bytes[this.#at++]!;
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return Number(BigInt.asIntN(64, value));
    }
    throw new ProtobufError('a number has more than ten bytes');
  }

  double(): number {
    const at = this.#take(8);
    return this.#bytes.readDoubleLE(at);
  }

  bytes(): Buffer {
    const size = this.#size();
    const at = this.#take(size);
    return this.#bytes.subarray(at, at + size);
  }

  string(): string {
    const size = this.#size();
    const at = this.#take(size);
    return this.#bytes.toString('utf8', at, at + size);
  }

  /** Reads a message with `read`, which must not look beyond `done`. */
  message<T>(read: () => T): T {
    const size = this.#size();
    const outer = this.#end;
    this.#end = this.#at + size;
    const result = read();
    this.#at = this.#end;
    this.#end = outer;
    return result;
  }

  /** Passes over a field that nobody knows. */
  skip(wireType: number): void {
    if (wireType === WIRE.varint) this.varint();
    else if (wireType === WIRE.fixed64) this.#take(8);
    else if (wireType === WIRE.fixed32) this.#take(4);
    else if (wireType === WIRE.bytes) this.#take(this.#size());
    else throw new ProtobufError(`illegal wire type ${wireType}`);
  }

  #size(): number {
    const size = this.varint();
    if (size < 0 || size > this.#end - this.#at) throw new ProtobufError('unexpected end of input');
    return size;
  }

  #take(size: number): number {
    if (size > this.#end - this.#at) throw new ProtobufError('unexpected end of input');
    const at = this.#at;
    this.#at += size;
    return at;
  }
}
