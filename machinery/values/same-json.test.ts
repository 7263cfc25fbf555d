import { expect, test } from 'vitest';
import { sameJson } from './same-json.ts';

const SAME: [unknown, unknown][] = [
  [1, 1],
  [null, null],
  [{ a: [1, { b: 2 }] }, { a: [1, { b: 2 }] }],
  [
    { a: 1, b: 2 },
    { b: 2, a: 1 },
  ],
  [{ a: undefined }, {}],
  [{}, { a: undefined }],
];

const DIFFERENT: [unknown, unknown][] = [
  [1, '1'],
  [null, undefined],
  [null, {}],
  [[], {}],
  [
    [1, 2],
    [2, 1],
  ],
  [[1], [1, 2]],
  [{ a: null }, {}],
  [{}, { a: null }],
  [{ a: [] }, {}],
  [{ constructor: undefined, a: 1 }, { a: 2 }],
  [{ toString: {} }, {}],
];

test.each(SAME)('%j and %j are the same', (a, b) => {
  expect(sameJson(a, b)).toBe(true);
});

test.each(DIFFERENT)('%j and %j are not', (a, b) => {
  expect(sameJson(a, b)).toBe(false);
  expect(sameJson(b, a)).toBe(false);
});

test('what counts as nothing is the caller’s to say', () => {
  const isNull = (value: unknown) => value === null || value === undefined;
  expect(sameJson({ a: null, b: { c: null } }, { b: {} }, isNull)).toBe(true);
  expect(sameJson({ b: 0 }, {}, isNull)).toBe(false);
});
