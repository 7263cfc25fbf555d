/** The leaves of API objects in protobuf: several are messages there that JSON writes as text. */
import type { Scalar } from '../schema/model.ts';
import { formatGoDuration, parseGoDuration } from '../values/duration.ts';
import { ProtobufError, type Reader, WIRE, type Writer } from './wire.ts';

/** How one leaf travels: `write` puts the value without tag and length; message and text forms have a length. */
export interface ScalarCodec {
  wireType: number;
  write(writer: Writer, value: unknown): void;
  /** null = absent in JSON (the zero of times and raw objects). */
  read(reader: Reader): unknown;
}

const varint: ScalarCodec = {
  wireType: WIRE.varint,
  write: (writer, value) => writer.varint(Number(value)),
  read: (reader) => reader.varint(),
};

const int32: ScalarCodec = { ...varint, read: (reader) => reader.varint() | 0 };

/** A leaf with a length in front: `fill` writes the content, `take` reads it. */
function sized(
  fill: (writer: Writer, value: unknown) => void,
  take: (reader: Reader) => unknown,
): ScalarCodec {
  return {
    wireType: WIRE.bytes,
    write(writer, value) {
      const since = writer.length;
      fill(writer, value);
      writer.varint(writer.length - since);
    },
    read: take,
  };
}

/** The varints and contents of a small message by field number. */
interface Small {
  numbers: (number | undefined)[];
  contents: (Buffer | undefined)[];
}

/** No small message here has fields beyond this. */
const MAX_SMALL_FIELD = 3;

function small(reader: Reader): Small {
  const found: Small = { numbers: [], contents: [] };
  reader.message(() => {
    while (!reader.done) {
      const { number, wireType } = reader.tag();
      if (number > MAX_SMALL_FIELD) reader.skip(wireType);
      else if (wireType === WIRE.varint) found.numbers[number] = reader.varint();
      else if (wireType === WIRE.bytes) found.contents[number] = reader.bytes();
      else reader.skip(wireType);
    }
  });
  return found;
}

/** A message that holds one length-delimited value in field 1. */
function wrapped(
  fill: (writer: Writer, value: unknown) => void,
  take: (content: Buffer) => unknown,
): ScalarCodec {
  return sized(
    (writer, value) => {
      const since = writer.length;
      fill(writer, value);
      writer.close(1, since);
    },
    (reader) => {
      const content = small(reader).contents[1];
      return content === undefined ? null : take(content);
    },
  );
}

const json = wrapped(
  (writer, value) => writer.string(JSON.stringify(value)),
  (content) => (content.length === 0 ? null : parseJson(content)),
);

function parseJson(content: Buffer): unknown {
  try {
    return JSON.parse(content.toString('utf8'));
  } catch (error) {
    if (error instanceof SyntaxError)
      throw new ProtobufError(`raw JSON inside the message: ${error.message}`);
    throw error;
  }
}

/** Times outside of what JSON can write (years 0 to 9999) are refused. */
const MIN_SECONDS = -62167219200;
const MAX_SECONDS = 253402300799;

function time(digits: 0 | 6): ScalarCodec {
  return sized(
    (writer, value) => {
      const text = String(value);
      const seconds = Math.floor(Date.parse(text) / 1000);
      const fraction = digits === 0 ? '' : (/\.(\d+)/.exec(text)?.[1] ?? '');
      const nanos = Number(fraction.padEnd(9, '0').slice(0, 9));
      if (nanos) {
        writer.varint(nanos);
        writer.tag(2, WIRE.varint);
      }
      writer.varint(seconds);
      writer.tag(1, WIRE.varint);
    },
    (reader) => {
      const [, seconds, nanos = 0] = small(reader).numbers;
      if (seconds === undefined && nanos === 0) return null;
      return formatTime(seconds ?? 0, nanos, digits);
    },
  );
}

/** Go's zero time, which stands for none. */
const GO_ZERO_SECONDS = -62135596800;

function formatTime(seconds: number, nanos: number, digits: 0 | 6): string | null {
  if (seconds < MIN_SECONDS || seconds > MAX_SECONDS || nanos < 0 || nanos > 999_999_999)
    throw new ProtobufError(`a time of ${seconds} s and ${nanos} ns is out of range`);
  if (seconds === GO_ZERO_SECONDS) return null;
  const whole = new Date(seconds * 1000).toISOString().slice(0, 19);
  return digits === 0 ? `${whole}Z` : `${whole}.${String(nanos).padStart(9, '0').slice(0, digits)}Z`;
}

const intOrString = sized(
  (writer, value) => {
    const isText = typeof value === 'string';
    const since = writer.length;
    if (isText) writer.string(value);
    writer.close(3, since);
    writer.varint(isText ? 0 : Number(value));
    writer.tag(2, WIRE.varint);
    writer.varint(isText ? 1 : 0);
    writer.tag(1, WIRE.varint);
  },
  (reader) => {
    const { numbers, contents } = small(reader);
    return numbers[1] === 1 ? (contents[3]?.toString('utf8') ?? '') : (numbers[2] ?? 0) | 0;
  },
);

const duration = sized(
  (writer, value) => {
    writer.varint(Math.round((parseGoDuration(String(value)) ?? 0) * 1e6));
    writer.tag(1, WIRE.varint);
  },
  (reader) => {
    const nanos = small(reader).numbers[1] ?? 0;
    return formatGoDuration(nanos / 1e6);
  },
);

export const SCALAR_CODECS: Record<Scalar, ScalarCodec> = {
  string: sized(
    (writer, value) => writer.string(value as string),
    (reader) => reader.string(),
  ),
  bytes: sized(
    (writer, value) => writer.bytes(Buffer.from(String(value), 'base64')),
    (reader) => reader.bytes().toString('base64'),
  ),
  bool: {
    wireType: WIRE.varint,
    write: (writer, value) => writer.varint(value ? 1 : 0),
    read: (reader) => reader.varint() !== 0,
  },
  int32,
  int64: varint,
  double: {
    wireType: WIRE.fixed64,
    write: (writer, value) => writer.double(Number(value)),
    read: (reader) => reader.double(),
  },
  time: time(0),
  microTime: time(6),
  duration,
  quantity: wrapped(
    (writer, value) => writer.string(String(value)),
    (content) => content.toString('utf8'),
  ),
  intOrString,
  object: json,
  json,
  fields: json,
};
