/**
 * Request and response bodies of type application/vnd.kubernetes.protobuf: four bytes `k8s\0`, then a runtime.Unknown
 * around the object's message. Source: Kubernetes API concepts, "Kubernetes Protobuf encoding".
 */
import { StatusError } from '../errors.ts';
import { conform, DecodeError } from '../schema/conform.ts';
import { isObject, type JsonObject, type StructType } from '../schema/model.ts';
import { decodeMessage, encodeMessage } from './message.ts';
import { ProtobufError, Reader, WIRE, Writer } from './wire.ts';

/** Of watch responses: frames of a length and a WatchEvent. */
export const PROTOBUF_WATCH_TYPE = 'application/vnd.kubernetes.protobuf;stream=watch';

const MAGIC = Buffer.from('k8s\0', 'latin1');

export interface Envelope {
  apiVersion: string;
  kind: string;
  /** The object's message, or what `contentType` says. */
  raw: Uint8Array;
  contentType: string;
}

/** Whether the bytes start as a body of this type does. */
export function isProtobuf(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && MAGIC.every((byte, at) => bytes[at] === byte);
}

/** What is in a body, the object still as bytes. Throws StatusError BadRequest. */
export function readEnvelope(bytes: Uint8Array): Envelope {
  if (!isProtobuf(bytes))
    throw new StatusError(
      'BadRequest',
      'provided data does not appear to be a protobuf message, expected prefix 6b387300',
    );
  return asBadRequest(() => {
    const envelope: Envelope = { apiVersion: '', kind: '', raw: new Uint8Array(), contentType: '' };
    const reader = new Reader(bytes.subarray(4));
    while (!reader.done) {
      const { number, wireType } = reader.tag();
      if (wireType !== WIRE.bytes) reader.skip(wireType);
      else if (number === 1) readTypeMeta(reader, envelope);
      else if (number === 2) envelope.raw = reader.bytes();
      else if (number === 4) envelope.contentType = reader.string();
      else reader.skip(wireType);
    }
    return envelope;
  });
}

function readTypeMeta(reader: Reader, envelope: Envelope): void {
  reader.message(() => {
    while (!reader.done) {
      const { number, wireType } = reader.tag();
      if (number === 1 && wireType === WIRE.bytes) envelope.apiVersion = reader.string();
      else if (number === 2 && wireType === WIRE.bytes) envelope.kind = reader.string();
      else reader.skip(wireType);
    }
  });
}

/** The object in a body, made to conform to `type`. Throws StatusError BadRequest. */
export function decodeProtobuf(body: Uint8Array | Envelope, type: StructType): JsonObject {
  const { apiVersion, kind, raw, contentType } = body instanceof Uint8Array ? readEnvelope(body) : body;
  return asBadRequest(() => {
    const fields = contentType === 'application/json' ? parseRaw(raw) : decodeMessage(raw, type);
    const object: JsonObject = { ...(apiVersion && { apiVersion }), ...(kind && { kind }), ...fields };
    conform(object, type);
    return object;
  });
}

function parseRaw(raw: Uint8Array): JsonObject {
  const value: unknown = JSON.parse(Buffer.from(raw).toString('utf8'));
  if (!isObject(value)) throw new ProtobufError('the JSON in the envelope is no object');
  return value;
}

function asBadRequest<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof ProtobufError || error instanceof DecodeError || error instanceof SyntaxError)
      throw new StatusError('BadRequest', `cannot read the protobuf body: ${error.message}`);
    throw error;
  }
}

/** The body for an object or list; apiVersion and kind are taken from it. */
export function encodeProtobuf(object: JsonObject, type: StructType): Uint8Array {
  const { apiVersion, kind } = object;
  return wrapMessage(String(apiVersion ?? ''), String(kind ?? ''), encodeMessage(object, type));
}

/** The body around a message that is encoded already. */
function wrapMessage(apiVersion: string, kind: string, message: Uint8Array): Uint8Array {
  const writer = new Writer();
  // Go's encoder writes the empty contentEncoding and contentType too.
  for (const number of [4, 3]) writer.close(number, writer.length);
  const before = writer.length;
  writer.bytes(message);
  writer.close(2, before);
  const meta = writer.length;
  const kindStart = writer.length;
  writer.string(kind);
  writer.close(2, kindStart);
  const versionStart = writer.length;
  writer.string(apiVersion);
  writer.close(1, versionStart);
  writer.close(1, meta);
  writer.bytes(MAGIC);
  return writer.finish();
}

/** One frame of a watch: four bytes of length, then a WatchEvent around `body`, which encodeProtobuf made. */
export function encodeWatchFrame(type: string, body: Uint8Array): Uint8Array {
  const writer = new Writer();
  const object = writer.length;
  writer.bytes(body);
  writer.close(1, object);
  writer.close(2, object);
  const name = writer.length;
  writer.string(type);
  writer.close(1, name);
  const size = Buffer.alloc(4);
  size.writeUInt32BE(writer.length);
  writer.bytes(size);
  return writer.finish();
}
