import { expect, test } from 'vitest';
import { ageOf, formatGoDuration, humanDuration, parseGoDuration } from './duration.ts';

const S = 1000;
const M = 60 * S;
const H = 60 * M;
const D = 24 * H;

test.each([
  [-3 * S, '<invalid>'],
  [-1 * S, '0s'],
  [0, '0s'],
  [1999, '1s'],
  [119 * S, '119s'],
  [2 * M, '2m'],
  [3 * M + 20 * S, '3m20s'],
  [10 * M + 1 * S, '10m'],
  [179 * M, '179m'],
  [3 * H, '3h'],
  [3 * H + 20 * M, '3h20m'],
  [8 * H + 5 * M, '8h'],
  [47 * H, '47h'],
  [2 * D, '2d'],
  [5 * D + 3 * H, '5d3h'],
  [8 * D + 3 * H, '8d'],
  [729 * D, '729d'],
  [2 * 365 * D, '2y'],
  [3 * 365 * D + 7 * D, '3y7d'],
  [8 * 365 * D + 7 * D, '8y'],
])('%d ms old reads %s', (ms, text) => {
  expect(humanDuration(ms)).toBe(text);
});

test('an object without a timestamp has no known age', () => {
  expect(ageOf(undefined, 0)).toBe('<unknown>');
  expect(ageOf('1970-01-01T00:00:00Z', 90 * S)).toBe('90s');
});

test('Go durations are read and written', () => {
  expect(parseGoDuration('1h30m')).toBe(90 * M);
  expect(parseGoDuration('-1.5s')).toBe(-1500);
  expect(parseGoDuration('100us')).toBeCloseTo(0.1);
  expect(parseGoDuration('0')).toBe(0);
  for (const bad of ['', '1', 'h', '1h 2m', '1d', '.s']) expect(parseGoDuration(bad)).toBeUndefined();
  expect(formatGoDuration(90 * M)).toBe('1h30m0s');
  expect(formatGoDuration(1500)).toBe('1.5s');
  expect(formatGoDuration(250)).toBe('250ms');
  expect(formatGoDuration(0)).toBe('0s');
  expect(formatGoDuration(-61 * S)).toBe('-1m1s');
});
