import { describe, expect, test } from 'vitest';
import { generatedSchemas } from '../schema/load.ts';
import type { Field, JsonObject, Scalar, StructType, ValueType } from '../schema/model.ts';
import { decodeProtobuf, encodeProtobuf, encodeWatchFrame, isProtobuf, readEnvelope } from './envelope.ts';
import { decodeMessage, encodeMessage } from './message.ts';
import { ProtobufError } from './wire.ts';

const schemas = generatedSchemas();
const type = (short: string) => schemas.type(`io.k8s.api.${short}`);

/** A small seeded generator: the same objects in every run. */
function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state % below;
  };
}

type Pick = (below: number) => number;

const SAMPLES: Record<Scalar, (pick: Pick) => unknown> = {
  string: (pick) => ['a', 'äöü', 'x'.repeat(300)][pick(3)],
  bool: () => true,
  int32: (pick) => [1, -1, 127, 128, 2 ** 31 - 1, -(2 ** 31)][pick(6)],
  int64: (pick) => [1, -1, 2 ** 40, 2 ** 53 - 1, -(2 ** 53) + 1][pick(5)],
  double: () => 1.5,
  bytes: () => Buffer.from('hello\0').toString('base64'),
  time: () => '2026-03-04T05:06:07Z',
  microTime: () => '2026-03-04T05:06:07.000123Z',
  duration: () => '1m30s',
  quantity: () => '500m',
  intOrString: (pick) => [80, 'http', '25%', -1][pick(4)],
  object: () => ({ apiVersion: 'v1', kind: 'X', a: [1, { b: null }] }),
  json: (pick) => [{ a: 1 }, 'x', false, [1]][pick(4)],
  fields: () => ({ 'f:metadata': { '.': {} } }),
};

/** An object of the type with every field that protobuf has. */
function sample(of: StructType, pick: Pick, depth = 0): JsonObject {
  const object: JsonObject = {};
  for (const [name, field] of of.fields)
    if (onWire(of, field)) object[name] = sampleValue(field.value, pick, depth);
  for (const name of ['apiVersion', 'kind']) if (of.gvk) delete object[name];
  return object;
}

function onWire(of: StructType, field: Field): boolean {
  return (
    field.number > 0 ||
    of.wire.some(
      (wire) => wire.inline && wire.value.form === 'struct' && wire.value.type.fields.has(field.name),
    )
  );
}

function sampleValue(value: ValueType, pick: Pick, depth: number): unknown {
  if (value.form === 'scalar') return SAMPLES[value.scalar](pick);
  if (value.form === 'list')
    return depth > 3 && isDeep(value.of)
      ? []
      : [sampleValue(value.of, pick, depth + 1), sampleValue(value.of, pick, depth + 1)];
  if (value.form === 'map')
    return depth > 3 && isDeep(value.of)
      ? {}
      : { 'a/b': sampleValue(value.of, pick, depth + 1), '': sampleValue(value.of, pick, depth + 1) };
  if (value.form === 'union' && value.other === 'bool') return pick(2) === 0;
  return depth > 3 ? {} : sample(value.type, pick, depth + 1);
}

const isDeep = (value: ValueType) => value.form !== 'scalar';

/** Empty lists, maps and structs that mean nothing do not survive the wire: take them out of what is expected. */
function compact(object: JsonObject, of: StructType): JsonObject {
  const result: JsonObject = {};
  for (const [name, value] of Object.entries(object)) {
    const field = of.fields.get(name)!;
    const kept = compactValue(value, field.value);
    const empty = typeof kept === 'object' && kept !== null && Object.keys(kept).length === 0;
    const dropped = empty && (field.value.form === 'list' || field.value.form === 'map' || !field.keepsZero);
    if (!dropped) result[name] = kept;
  }
  return result;
}

function compactValue(value: unknown, of: ValueType): unknown {
  if (of.form === 'struct' || (of.form === 'union' && typeof value === 'object'))
    return compact(value as JsonObject, of.type);
  if (of.form === 'list') return (value as unknown[]).map((element) => compactValue(element, of.of));
  if (of.form !== 'map') return value;
  return Object.fromEntries(
    Object.entries(value as JsonObject).map(([key, element]) => [key, compactValue(element, of.of)]),
  );
}

test('every type of the tables survives the way to bytes and back', () => {
  for (const [index, name] of schemas.names().entries()) {
    const of = schemas.type(name);
    const object = compact(sample(of, seeded(index + 1)), of);
    expect(decodeMessage(encodeMessage(object, of), of), name).toEqual(object);
  }
});

describe('bodies', () => {
  const pod = type('core.v1.Pod');
  const object = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'a' },
    spec: { containers: [{ name: 'c', image: 'i' }] },
  };

  test('carry apiVersion and kind in the envelope', () => {
    const body = encodeProtobuf(object, pod);
    expect(isProtobuf(body)).toBe(true);
    expect(readEnvelope(body)).toMatchObject({ apiVersion: 'v1', kind: 'Pod' });
    expect(decodeProtobuf(body, pod)).toEqual(object);
  });

  test('are byte for byte what the Go encoder makes of a small object', () => {
    // Namespace "x": 6b387300, Unknown { typeMeta { "v1", "Namespace" }, raw, "", "" }.
    const body = encodeProtobuf(
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'x' } },
      type('core.v1.Namespace'),
    );
    expect(Buffer.from(body).toString('hex')).toBe(
      `6b387300${'0a0f0a02763112094e616d657370616365'}${'12050a030a0178'}${'1a002200'}`,
    );
  });

  test('what a Go client sends as zero is dropped unless it means something', () => {
    // spec: minReadySeconds 0 (a plain number), replicas 0 (a pointer), paused false (plain), revisionHistoryLimit 0 (pointer).
    const message = Buffer.from('120812' + '00', 'hex');
    expect(() => decodeMessage(message, type('apps.v1.Deployment'))).toThrow(ProtobufError);
    const spec = Buffer.from('08002800300038' + '00', 'hex');
    const whole = Buffer.concat([Buffer.from([0x12, spec.length]), spec]);
    expect(decodeMessage(whole, type('apps.v1.Deployment'))).toEqual({
      spec: { replicas: 0, revisionHistoryLimit: 0 },
    });
  });

  test('JSON inside the envelope is understood', () => {
    const json = Buffer.from(JSON.stringify({ metadata: { name: 'a' } }));
    expect(
      decodeProtobuf({ apiVersion: 'v1', kind: 'Pod', raw: json, contentType: 'application/json' }, pod),
    ).toEqual({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a' } });
  });

  test('lists leave the type of their items to the list', () => {
    const list = { apiVersion: 'v1', kind: 'PodList', metadata: { resourceVersion: '5' }, items: [object] };
    const decoded = decodeProtobuf(encodeProtobuf(list, type('core.v1.PodList')), type('core.v1.PodList'));
    const { apiVersion: _, kind: __, ...item } = object;
    expect(decoded).toEqual({ ...list, items: [item] });
  });

  test('a Status is a message like others', () => {
    const of = schemas.type('io.k8s.apimachinery.pkg.apis.meta.v1.Status');
    const status = {
      apiVersion: 'v1',
      kind: 'Status',
      status: 'Failure',
      code: 404,
      reason: 'NotFound',
      details: { name: 'x', causes: [{ field: 'a', message: 'm', reason: 'r' }] },
    };
    expect(decodeProtobuf(encodeProtobuf(status, of), of)).toEqual(status);
  });

  test('a watch frame is a length and an event around a body', () => {
    const frame = Buffer.from(encodeWatchFrame('ADDED', encodeProtobuf(object, pod)));
    expect(frame.readUInt32BE(0)).toBe(frame.length - 4);
    expect(frame.toString('latin1', 6, 11)).toBe('ADDED');
    expect(frame.includes('k8s\0')).toBe(true);
  });
});

describe('damaged input', () => {
  const pod = type('core.v1.Pod');

  test('a body of another type is refused', () => {
    expect(() => decodeProtobuf(Buffer.from('{}'), pod)).toThrow(
      expect.objectContaining({ reason: 'BadRequest' }),
    );
  });

  test('every cut and every changed byte ends in an object or a typed error', () => {
    const body = Buffer.from(
      encodeProtobuf({ apiVersion: 'v1', kind: 'Pod', ...sample(pod, seeded(7), 2) }, pod),
    );
    const pick = seeded(99);
    for (let round = 0; round < 3000; round++) {
      const bad = round % 2 ? Buffer.from(body.subarray(0, pick(body.length))) : Buffer.from(body);
      if (bad.length) bad[pick(bad.length)] = pick(256);
      try {
        decodeProtobuf(bad, pod);
      } catch (error) {
        expect(error).toMatchObject({ reason: 'BadRequest' });
      }
    }
  });

  test('nesting has an end', () => {
    const schema = schemas.type('io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps');
    const number = schema.wire.find((field) => field.name === 'not')!.number;
    let message: Uint8Array = Buffer.from([]);
    for (let depth = 0; depth < 1000; depth++) {
      const size = message.length;
      const head = [number * 8 + 2 > 127 ? ((number * 8 + 2) & 127) | 128 : number * 8 + 2];
      if (number * 8 + 2 > 127) head.push((number * 8 + 2) >> 7);
      for (let rest = size; ; rest = rest >> 7) {
        head.push(rest > 127 ? (rest & 127) | 128 : rest);
        if (rest <= 127) break;
      }
      message = Buffer.concat([Buffer.from(head), message]);
    }
    expect(() => decodeMessage(message, schema)).toThrow('nested too deeply');
  });
});
