/** Values, names and texts that break programs: what the mutations put where something else belongs. */
import { type JsonObject, setMember } from '#machinery/schema/model.ts';
import type { Dice } from './dice.ts';

/** Deeper than recursion bears, in a few kilobytes. */
const DEEP = 10_000;
/** Long enough to hurt whatever is quadratic, short enough to send often. */
const LONG = 100_000;

const NUMBERS: readonly number[] = [
  0,
  -0,
  -1,
  1,
  0.1,
  1.5,
  -0.5,
  1e-7,
  1e21,
  1e308,
  5e-324,
  65_535,
  65_536,
  2 ** 31 - 1,
  2 ** 31,
  -(2 ** 31),
  -(2 ** 31) - 1,
  2 ** 53,
  2 ** 53 + 2,
  2 ** 63,
  -(2 ** 63),
  2 ** 64,
];

/** What JSON.stringify does not write: put into the text where `rawMark` stands. */
const RAW_TEXTS: readonly string[] = [
  '1e400',
  '-1e400',
  '1E+2',
  '1.0',
  '-0',
  '0e0',
  '9223372036854775807',
  '9223372036854775808',
  '-9223372036854775809',
  '18446744073709551616',
  `1${'0'.repeat(5000)}`,
  `0.${'0'.repeat(5000)}1`,
  '"\\ud800"',
  '"\\u0000"',
  `${'['.repeat(DEEP)}${']'.repeat(DEEP)}`,
  `${'{"a":'.repeat(DEEP)}1${'}'.repeat(DEEP)}`,
  `${'[{"a":'.repeat(DEEP)}1${'}]'.repeat(DEEP)}`,
];

const MARK = 'raw-text-';

/** A string that `withRawTexts` replaces by one of the texts that only a JSON text can hold. */
function rawMark(dice: Dice): string {
  return `${MARK}${dice.below(RAW_TEXTS.length)}`;
}

/** JSON text with the marks in it replaced. */
export function withRawTexts(text: string): string {
  return text.replace(/"raw-text-(\d+)"/g, (_, index: string) => RAW_TEXTS[Number(index)]!);
}

export const TEXTS: readonly string[] = [
  '',
  ' ',
  '\0',
  'a\0b',
  '\n',
  '\u001b[31m',
  '\u202e',
  '\ufeff',
  '\ud800',
  'a\udc00b',
  '😀',
  'é'.normalize('NFD'),
  'NaN',
  'Infinity',
  '-Infinity',
  'null',
  'true',
  '0x10',
  '1e3',
  '1e999999999',
  '-1',
  '9223372036854775808',
  '99999999999999999999Ei',
  `${'9'.repeat(5000)}`,
  '.',
  '..',
  '/',
  'a/b',
  '%2f',
  '../../etc/passwd',
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  'valueOf',
  '$patch',
  '$(a)',
  '{{ . }}',
  '"',
  '\\',
  '10.0.0.0/33',
  '::ffff:1.2.3.4%eth0',
  '256.1.1.1',
  '0000-01-01T00:00:00+23:59',
  '9999-12-31T23:59:59-23:59',
  '2026-02-30T00:00:00Z',
  '2026-01-01T24:00:00Z',
  '1h-1m',
  '99999999h',
  'In(a,b',
  'a=b,=,!',
  `(${'a,'.repeat(200)}`,
  'a'.repeat(64),
  'a'.repeat(254),
  `${'a.'.repeat(126)}a`,
  `${'a-'.repeat(LONG / 4)}!`,
  ' '.repeat(LONG / 4),
  '0'.repeat(LONG / 4),
];

export const NAMES: readonly string[] = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'valueOf',
  'hasOwnProperty',
  'toJSON',
  'then',
  'length',
  '0',
  '',
  '.',
  '$patch',
  '$retainKeys',
  '$setElementOrder/containers',
  '$deleteFromPrimitiveList/finalizers',
  'unknownField',
  'a\0b',
  '\ud800',
  'x'.repeat(300),
];

/** `depth` lists or objects around nothing. */
function nested(depth: number, inObjects: boolean): unknown {
  let value: unknown = inObjects ? {} : [];
  for (let i = 0; i < depth; i++) value = inObjects ? { a: value } : [value];
  return value;
}

/** Some value of any type, most often a small one. */
export function hostileValue(dice: Dice): unknown {
  const makers: (() => unknown)[] = [
    () => null,
    () => dice.pick(TEXTS),
    () => dice.pick(NUMBERS),
    () => dice.chance(0.5),
    () => rawMark(dice),
    () => [],
    () => ({}),
    () => [null],
    () => [dice.pick(TEXTS), dice.pick(TEXTS)],
    () => [{}, {}],
    () => hostileObject(dice),
    () => [[[[dice.pick(NUMBERS)]]]],
    () => Array.from({ length: 300 }, () => dice.pick(NUMBERS)),
    () => nested(dice.pick([50, 101, 201, 1000]), dice.chance(0.5)),
    () => 'x'.repeat(dice.pick([64, 254, 4096, LONG])),
  ];
  return dice.pickEarly(makers)();
}

function hostileObject(dice: Dice): JsonObject {
  const object: JsonObject = {};
  for (let i = 0; i < 2; i++) setMember(object, dice.pick(NAMES), dice.pick([null, 'x', 1, [], {}, ['x']]));
  return object;
}
