/** API objects as protobuf messages, driven by the schema: JSON values in, bytes out, and back. */
import { MAX_DEPTH } from '../schema/conform.ts';
import {
  type Field,
  isObject,
  type JsonObject,
  type StructType,
  setMember,
  type ValueType,
} from '../schema/model.ts';
import { SCALAR_CODECS } from './scalars.ts';
import { ProtobufError, Reader, WIRE, Writer } from './wire.ts';

/** Members that the message has no field for are left out (apiVersion and kind travel in the envelope). */
export function encodeMessage(object: JsonObject, type: StructType): Uint8Array {
  const writer = new Writer();
  writeStruct(writer, object, type);
  return writer.finish();
}

/** Unknown fields are skipped. Zeros that mean nothing are left out. Throws ProtobufError on damaged input. */
export function decodeMessage(bytes: Uint8Array, type: StructType): JsonObject {
  const object: JsonObject = {};
  readStruct(new Reader(bytes), object, type, 0);
  return object;
}

function writeStruct(writer: Writer, object: JsonObject, type: StructType): void {
  const { wire } = planOf(type);
  for (let at = wire.length - 1; at >= 0; at--) {
    const field = wire[at]!;
    if (field.inline && field.value.form === 'struct') {
      const since = writer.length;
      writeStruct(writer, object, field.value.type);
      writer.close(field.number, since);
      continue;
    }
    const value = object[field.name];
    if (value !== undefined && value !== null) writeField(writer, field.number, value, field.value);
  }
}

/** The fields of a type in the order of their numbers, and by number. Built once for each type. */
interface Plan {
  wire: Field[];
  byNumber: Map<number, Field>;
}

const plans = new WeakMap<StructType, Plan>();

function planOf(type: StructType): Plan {
  let plan = plans.get(type);
  if (!plan) {
    const wire = type.wire.filter((field) => field.number > 0).sort((a, b) => a.number - b.number);
    plan = { wire, byNumber: new Map(wire.map((field) => [field.number, field])) };
    plans.set(type, plan);
  }
  return plan;
}

function writeField(writer: Writer, number: number, value: unknown, type: ValueType): void {
  if (type.form === 'list') {
    const since = writer.length;
    const elements = value as unknown[];
    const inner = type.wrapped ? 1 : number;
    for (let at = elements.length - 1; at >= 0; at--) writeField(writer, inner, elements[at], type.of);
    if (type.wrapped) writer.close(number, since);
  } else if (type.form === 'map') {
    const keys = Object.keys(value as JsonObject).sort();
    for (let at = keys.length - 1; at >= 0; at--) {
      const since = writer.length;
      writeField(writer, 2, (value as JsonObject)[keys[at]!], type.of);
      writeField(writer, 1, keys[at], KEY);
      writer.close(number, since);
    }
  } else if (type.form === 'scalar') {
    const codec = SCALAR_CODECS[type.scalar];
    codec.write(writer, value);
    writer.tag(number, codec.wireType);
  } else {
    const since = writer.length;
    if (type.form === 'union') writeUnion(writer, value, type);
    else writeStruct(writer, value as JsonObject, type.type);
    writer.close(number, since);
  }
}

const KEY: ValueType = { form: 'scalar', scalar: 'string' };
const BOOL: ValueType = { form: 'scalar', scalar: 'bool' };

type Union = ValueType & { form: 'union' };

/** Where the unions of apiextensions keep the schema and where the other form. */
const UNION_NUMBERS = {
  schemas: { schema: 1, other: 2 },
  strings: { schema: 1, other: 2 },
  bool: { schema: 2, other: 1 },
} as const;

function writeUnion(writer: Writer, value: unknown, type: Union): void {
  const numbers = UNION_NUMBERS[type.other];
  const schema: ValueType = { form: 'struct', type: type.type };
  if (isObject(value)) writeField(writer, numbers.schema, value, schema);
  // Beside a schema, Kubernetes always says that more is allowed.
  if (type.other === 'bool') writeField(writer, numbers.other, isObject(value) || value, BOOL);
  else if (Array.isArray(value))
    writeField(writer, numbers.other, value, { form: 'list', of: type.other === 'schemas' ? schema : KEY });
}

function readStruct(reader: Reader, object: JsonObject, type: StructType, depth: number): void {
  if (depth > MAX_DEPTH) throw new ProtobufError('the message is nested too deeply');
  const { byNumber } = planOf(type);
  while (!reader.done) {
    const { number, wireType } = reader.tag();
    const field = byNumber.get(number);
    if (!field) reader.skip(wireType);
    else if (field.inline && field.value.form === 'struct' && wireType === WIRE.bytes) {
      const inner = field.value.type;
      reader.message(() => readStruct(reader, object, inner, depth + 1));
    } else readField(reader, object, field, wireType, depth);
  }
}

function readField(reader: Reader, object: JsonObject, field: Field, wireType: number, depth: number): void {
  const { name, value: type } = field;
  if (type.form === 'map') {
    const map = isObject(object[name]) ? object[name] : {};
    expectBytes(field, wireType);
    readEntry(reader, map, type.of, depth + 1);
    object[name] = map;
  } else if (type.form === 'list' && !type.wrapped) {
    const list = Array.isArray(object[name]) ? object[name] : [];
    readElement(reader, list, type.of, wireType, field, depth);
    object[name] = list;
  } else {
    const value = readValue(reader, type, wireType, field, depth);
    if (value !== null && (field.keepsZero || !isZero(value, type))) object[name] = value;
    else delete object[name];
  }
}

/** Repeated numbers may come one by one or packed. */
function readElement(
  reader: Reader,
  list: unknown[],
  of: ValueType,
  wireType: number,
  field: Field,
  depth: number,
): void {
  const packed =
    of.form === 'scalar' && SCALAR_CODECS[of.scalar].wireType !== WIRE.bytes && wireType === WIRE.bytes;
  if (!packed) {
    list.push(readValue(reader, of, wireType, field, depth));
    return;
  }
  const codec = SCALAR_CODECS[of.scalar];
  reader.message(() => {
    while (!reader.done) list.push(codec.read(reader));
  });
}

function readEntry(reader: Reader, map: JsonObject, of: ValueType, depth: number): void {
  reader.message(() => {
    let key = '';
    let value: unknown;
    while (!reader.done) {
      const { number, wireType } = reader.tag();
      if (number === 1 && wireType === WIRE.bytes) key = reader.string();
      else if (number === 2) value = readValue(reader, of, wireType, ENTRY, depth);
      else reader.skip(wireType);
    }
    setMember(map, key, value ?? zeroOf(of));
  });
}

/** Only for messages: what a map's value is called. */
const ENTRY: Field = { name: 'value', number: 2, value: KEY, required: true, keepsZero: true };

function zeroOf(type: ValueType): unknown {
  if (type.form === 'list') return [];
  return type.form === 'scalar' ? (type.scalar === 'quantity' ? '0' : '') : {};
}

function readValue(reader: Reader, type: ValueType, wireType: number, field: Field, depth: number): unknown {
  if (type.form === 'scalar') {
    const codec = SCALAR_CODECS[type.scalar];
    if (codec.wireType !== wireType) throw wrongWire(field, wireType);
    return codec.read(reader);
  }
  expectBytes(field, wireType);
  if (type.form === 'struct')
    return reader.message(() => {
      const object: JsonObject = {};
      readStruct(reader, object, type.type, depth + 1);
      return object;
    });
  if (type.form === 'union') return reader.message(() => readUnion(reader, type, field, depth + 1));
  const list: unknown[] = [];
  const of = type.of;
  reader.message(() => {
    while (!reader.done) {
      const tag = reader.tag();
      if (tag.number === 1) readElement(reader, list, of, tag.wireType, field, depth + 1);
      else reader.skip(tag.wireType);
    }
  });
  return list;
}

function readUnion(reader: Reader, type: Union, field: Field, depth: number): unknown {
  const numbers = UNION_NUMBERS[type.other];
  const schema: ValueType = { form: 'struct', type: type.type };
  let object: unknown;
  let other: unknown;
  while (!reader.done) {
    const { number, wireType } = reader.tag();
    if (number === numbers.schema) object = readValue(reader, schema, wireType, field, depth);
    else if (number !== numbers.other) reader.skip(wireType);
    else if (type.other === 'bool') other = readValue(reader, BOOL, wireType, field, depth);
    else {
      const list: unknown[] = Array.isArray(other) ? other : [];
      list.push(readValue(reader, type.other === 'schemas' ? schema : KEY, wireType, field, depth));
      other = list;
    }
  }
  return object ?? other ?? (type.other === 'bool' ? false : null);
}

function isZero(value: unknown, type: ValueType): boolean {
  if (value === '' || value === 0 || value === false) return true;
  if (type.form === 'list') return (value as unknown[]).length === 0;
  if (type.form !== 'struct') return false;
  for (const _ in value as JsonObject) return false;
  return true;
}

function expectBytes(field: Field, wireType: number): void {
  if (wireType !== WIRE.bytes) throw wrongWire(field, wireType);
}

function wrongWire(field: Field, wireType: number): ProtobufError {
  return new ProtobufError(`field ${field.number} (${field.name}) has wire type ${wireType}`);
}
