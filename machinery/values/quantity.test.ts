import { describe, expect, test } from 'vitest';
import {
  addQuantities,
  canonicalQuantity,
  compareQuantities,
  isQuantity,
  quantityMilli,
  quantityOf,
  quantityOfMilli,
  quantityValue,
  subtractQuantities,
} from './quantity.ts';

describe('canonical text', () => {
  test.each([
    ['0', '0'],
    ['0.5', '500m'],
    ['.5', '500m'],
    ['1.', '1'],
    ['1000', '1k'],
    ['1000m', '1'],
    ['1500m', '1500m'],
    ['1024', '1024'],
    ['1024Mi', '1Gi'],
    ['1.5Gi', '1536Mi'],
    ['1023Ki', '1023Ki'],
    ['0.5Ki', '512'],
    ['0.1Gi', '107374182400m'],
    ['-1Gi', '-1Gi'],
    ['+5', '5'],
    ['1e3', '1e3'],
    ['12E5', '1200e3'],
    ['1E', '1E'],
    ['1000E', '1000E'],
    ['100n', '100n'],
    ['0.1n', '1n'],
    ['-0.1n', '-1n'],
    ['1e-3', '1e-3'],
    ['9223372036854775807', '9223372036854775807'],
  ])('%s is written %s', (text, canonical) => {
    expect(canonicalQuantity(text)).toBe(canonical);
    expect(canonicalQuantity(canonical)).toBe(canonical);
  });

  test('a JSON number counts as its text', () => {
    expect(canonicalQuantity(0.25)).toBe('250m');
  });
});

describe('what is no quantity', () => {
  test.each(['', 'x', '1 Gi', '1gi', '1KiB', '1.2.3', '.', '--1', '1e', '1e99999', `${'9'.repeat(200)}`])(
    '%j is refused',
    (text) => expect(isQuantity(text)).toBe(false),
  );

  test('the error is worded as Kubernetes words it', () => {
    expect(() => canonicalQuantity('1 Gi')).toThrow(
      "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    );
    expect(() => canonicalQuantity('1KM')).toThrow("unable to parse quantity's suffix");
  });
});

test('sums keep the form of the first term that is not zero', () => {
  expect(addQuantities('64Mi', '1G')).toBe('1067108864');
  expect(addQuantities('0', '512Mi', '512Mi')).toBe('1Gi');
  expect(addQuantities('100m', '0.9')).toBe('1');
  expect(addQuantities()).toBe('0');
  expect(subtractQuantities('1Gi', '512Mi')).toBe('512Mi');
});

test('quantities compare by value, not by text', () => {
  expect(compareQuantities('1', '1000m')).toBe(0);
  expect(compareQuantities('1Gi', '1G')).toBe(1);
  expect(compareQuantities('-1', '0')).toBe(-1);
});

test('whole units and thousandths are rounded away from zero', () => {
  expect(quantityValue('1500m')).toBe(2);
  expect(quantityValue('1Ki')).toBe(1024);
  expect(quantityMilli('0.5')).toBe(500);
  expect(quantityMilli('1n')).toBe(1);
  expect(quantityMilli('-1n')).toBe(-1);
  expect(quantityOfMilli(1500)).toBe('1500m');
  expect(quantityOf(2 ** 30, 'BinarySI')).toBe('1Gi');
});
