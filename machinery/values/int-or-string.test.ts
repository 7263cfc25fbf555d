import { expect, test } from 'vitest';
import { parseIntOrString, percentOf, scaledValue } from './int-or-string.ts';

test('a percentage is a part of the total, rounded as asked', () => {
  expect(scaledValue('25%', 3, 'up')).toBe(1);
  expect(scaledValue('25%', 3, 'down')).toBe(0);
  expect(scaledValue(2, 3, 'down')).toBe(2);
  expect(scaledValue('100%', 7, 'up')).toBe(7);
});

test('other strings are refused', () => {
  expect(() => scaledValue('a', 3, 'up')).toThrow('string is not a percentage');
  expect(percentOf('1.5%')).toBeUndefined();
});

test('text that is an int32 becomes a number', () => {
  expect(parseIntOrString('80')).toBe(80);
  expect(parseIntOrString('http')).toBe('http');
  expect(parseIntOrString('9999999999')).toBe('9999999999');
});
