/** Bodies as bytes: JSON, YAML and protobuf texts of an object, and the damage that only bytes can have. */
import { encodeProtobuf } from '#machinery/protobuf/envelope.ts';
import { conform, DecodeError } from '#machinery/schema/conform.ts';
import type { JsonObject, Schemas } from '#machinery/schema/model.ts';
import type { Dice } from './dice.ts';
import { withRawTexts } from './hostile.ts';

/** A body and what it says it is. */
export interface Body {
  type: string;
  bytes: Buffer;
}

export const JSON_TYPE = 'application/json';
const YAML_TYPE = 'application/yaml';
const PROTOBUF_TYPE = 'application/vnd.kubernetes.protobuf';

/** The object in one of the formats, damaged now and then. */
export function bodyOf(object: JsonObject, dice: Dice, schemas: Schemas): Body {
  const form = dice.below(10);
  if (form === 0) return { type: YAML_TYPE, bytes: Buffer.from(yamlText(object, dice)) };
  if (form === 1) return { type: PROTOBUF_TYPE, bytes: protobufBytes(object, dice, schemas) };
  return { type: JSON_TYPE, bytes: jsonBytes(object, dice) };
}

/** JSON text of a value; in some cases with members twice, bytes that are no UTF-8, or an end that is missing. */
export function jsonBytes(value: unknown, dice: Dice): Buffer {
  let text = withRawTexts(JSON.stringify(value));
  if (dice.chance(0.15)) text = withDuplicates(text, dice);
  const bytes = Buffer.from(text);
  return dice.chance(0.1) ? damaged(bytes, dice) : bytes;
}

/** Writes a member of an object a second time, with the same or another value. */
function withDuplicates(text: string, dice: Dice): string {
  const members = [...text.slice(0, 10_000).matchAll(/"([^"\\]{1,40})":/g)];
  if (members.length === 0) return text;
  const { 0: member, index } = dice.pick(members);
  const value = dice.pick(['null', '1', '"x"', '[]', '{}', '{"a":{"a":1,"a":2}}']);
  return `${text.slice(0, index)}${member}${value},${text.slice(index)}`;
}

/** No UTF-8: stray bytes, overlong forms, encoded surrogates, beyond Unicode, cut sequences. */
const NO_UTF8: readonly number[][] = [
  [0xff],
  [0x80],
  [0xc0, 0xaf],
  [0xed, 0xa0, 0x80],
  [0xf5, 0x80, 0x80, 0x80],
  [0xe2, 0x82],
  [0x00],
];

/** Bytes cut short, flipped, replaced or repeated. */
export function damaged(bytes: Buffer, dice: Dice): Buffer {
  if (bytes.length === 0) return Buffer.from(dice.pick(NO_UTF8));
  const at = dice.below(bytes.length);
  const before = bytes.subarray(0, at);
  switch (dice.below(5)) {
    case 0:
      return before;
    case 1: {
      const copy = Buffer.from(bytes);
      copy[at]! ^= 1 << dice.below(8);
      return copy;
    }
    case 2:
      return Buffer.concat([before, Buffer.from(dice.pick(NO_UTF8)), bytes.subarray(at)]);
    case 3:
      return Buffer.concat([before, dice.random.bytes(4), bytes.subarray(at + 4)]);
    default:
      return Buffer.concat([bytes, bytes.subarray(at)]);
  }
}

/** YAML that carries the object and something that only YAML has. */
export function yamlText(object: JsonObject, dice: Dice): string {
  const text = withRawTexts(JSON.stringify(object));
  const levels = dice.pick([5, 9, 40]);
  const bomb = Array.from({ length: levels }, (_, i) =>
    i === 0
      ? 'l0: &l0 [x,x,x,x,x,x,x,x,x]'
      : `l${i}: &l${i} [${Array(9)
          .fill(`*l${i - 1}`)
          .join(',')}]`,
  ).join('\n');
  const forms: (() => string)[] = [
    () => text,
    () => `${bomb}\nmetadata: {annotations: {a: x}}\n`,
    () => `a: &a {b: *a}\n`,
    () => `base: &b ${text}\n<<: *b\n`,
    () => `<<: [*x, *y]\n`,
    () => `---\n${text}\n---\n${text}\n`,
    () => `\t${text}`,
    () => `metadata:\n\tname: x\n`,
    () => `metadata: !!js/function "function(){}"\ndata: !!binary "////"\n`,
    () => `metadata: !!python/object:os.system {}\n`,
    () => `? {a: b}\n: c\n? [x]\n: y\n`,
    () => `metadata: {name: 1_000, labels: {a: yes, b: 0o17, c: 1:30, d: .inf, e: .nan, f: ~}}\n`,
    () => `metadata: {name: |\n`,
    () => `%YAML 9.9\n---\n${text}`,
    () => `metadata:\n${'  '.repeat(300)}a: b\n`,
    () => Array.from({ length: 300 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n'),
    () => `${'['.repeat(5000)}`,
    () => `__proto__: {polluted: true}\nconstructor: {prototype: {polluted: true}}\n${text.slice(1, -1)}`,
    () => `{"metadata": {"name": "a", "name": "b"}}`,
    () => `"${'\\x80\\ud800'}": 1\n`,
    () => `- ${text}\n`,
    () => `&a &b *c`,
    () => `a: *nowhere`,
    () => `${text}\n...\ngarbage: [`,
  ];
  return dice.pick(forms)();
}

/** Fields of any number and type around and inside the message of the object. */
function protobufBytes(object: JsonObject, dice: Dice, schemas: Schemas): Buffer {
  const forms: (() => Buffer)[] = [
    () => encoded(object, schemas),
    () => encoded({ ...object, apiVersion: dice.pick(['v9', 'apps/v1', 'nowhere.example/v1', '']) }, schemas),
    () => encoded({ ...object, kind: dice.pick(['Pod', 'Secret', 'Nothing', 'DeleteOptions', '']) }, schemas),
    () => Buffer.concat([encoded(object, schemas), Buffer.from([0x12, 0xff, 0xff, 0xff, 0xff, 0x0f])]),
    () => envelope(object, nestedMessage(dice.pick([100, 10_000]))),
    () => envelope(object, dice.random.bytes(dice.below(200))),
    () => envelope(object, Buffer.from([0x0a, ...Array<number>(11).fill(0xff)])),
    () => Buffer.from('k8s\0'),
    () => Buffer.concat([Buffer.from('k8s\0'), dice.random.bytes(50)]),
    () => Buffer.from(JSON.stringify(object)),
  ];
  const bytes = dice.pickEarly(forms)();
  let damage = dice.pick([0, 1, 1, 3]);
  let result = bytes;
  while (damage-- > 0) result = damaged(result, dice);
  return result;
}

/** The object as a body of protobuf; what is no object of its type gives an empty message. */
function encoded(object: JsonObject, schemas: Schemas): Buffer {
  const { apiVersion, kind } = object;
  const text = textOf(apiVersion);
  const slash = text.indexOf('/');
  const type = schemas.kind(text.slice(0, Math.max(0, slash)), text.slice(slash + 1), textOf(kind));
  const fitting: JsonObject = structuredClone(object);
  try {
    if (type) conform(fitting, type);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return envelope(object, new Uint8Array());
  }
  return type ? Buffer.from(encodeProtobuf(fitting, type)) : envelope(object, new Uint8Array());
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** The frame of a body around any bytes. */
function envelope({ apiVersion, kind }: JsonObject, raw: Uint8Array): Buffer {
  const meta = Buffer.concat([
    field(1, Buffer.from(textOf(apiVersion))),
    field(2, Buffer.from(textOf(kind))),
  ]);
  return Buffer.concat([Buffer.from('k8s\0'), field(1, meta), field(2, raw)]);
}

/** A length-delimited field. */
function field(number: number, content: Uint8Array): Buffer {
  const size: number[] = [];
  let rest = content.length;
  for (; rest > 127; rest = Math.floor(rest / 128)) size.push((rest % 128) | 128);
  size.push(rest);
  return Buffer.concat([Buffer.from([number * 8 + 2, ...size]), content]);
}

/** A message in a message in a message. */
function nestedMessage(depth: number): Uint8Array {
  let inner: Uint8Array = new Uint8Array();
  for (let i = 0; i < Math.min(depth, 2_000); i++) inner = field(2, inner);
  return inner;
}
