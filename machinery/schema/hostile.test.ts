/** Values that are right in JSON and wrong for those who read them later. */
import { describe, expect, test } from 'vitest';
import { isTooDeep, MAX_DEPTH } from './conform.ts';
import { decodeJson } from './decode.ts';
import { generatedSchemas } from './load.ts';
import { checkScalar } from './scalars.ts';

const schemas = generatedSchemas();

describe('numbers', () => {
  test('that are too large for a double are refused: JSON cannot write infinity', () => {
    const definition = schemas.type(
      'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps',
    );
    expect(() => decodeJson('{"maximum":1e400}', definition)).toThrow(
      /cannot unmarshal number Infinity .* float64/,
    );
    expect(decodeJson('{"maximum":1e308}', definition).object).toEqual({ maximum: 1e308 });
  });

  test('of 64 bits stay in 64 bits when they are written', () => {
    for (const text of ['9223372036854775807', '-9223372036854775808']) {
      const checked = checkScalar('int64', JSON.parse(text)) as { value: number };
      const written = BigInt(JSON.stringify(checked.value));
      expect(BigInt.asIntN(64, written)).toBe(written);
    }
    expect(checkScalar('int64', 2 ** 64)).toMatchObject({ found: 'number 18446744073709552000' });
  });
});

describe('times', () => {
  test.each([
    ['2026-02-30T00:00:00Z', 'day out of range'],
    ['2100-02-29T00:00:00Z', 'day out of range'],
    ['2026-04-31T00:00:00+01:00', 'day out of range'],
    ['2026-01-01T24:00:00Z', 'hour out of range'],
    ['9999-12-31T23:59:59-23:59', 'year outside of range [0,9999]'],
    ['0000-01-01T00:00:00+23:59', 'year outside of range [0,9999]'],
  ])('%s is refused', (text, fault) => {
    for (const scalar of ['time', 'microTime'] as const)
      expect(checkScalar(scalar, text)).toEqual({
        message: `parsing time ${JSON.stringify(text)}: ${fault}`,
      });
  });

  test.each(['2024-02-29T00:00:00Z', '2000-02-29T00:00:00Z', '0000-02-29T00:00:00Z', '9999-12-31T23:59:59Z'])(
    '%s is taken',
    (text) => {
      expect(checkScalar('time', text)).toEqual({ value: text });
    },
  );
});

describe('durations', () => {
  test('are written as Go writes them', () => {
    expect(checkScalar('duration', '90s')).toEqual({ value: '1m30s' });
    expect(checkScalar('duration', '-1.5h')).toEqual({ value: '-1h30m0s' });
  });

  test.each(['', '1', 'x', '1h-1m', '99999999h', '9'.repeat(400), `${'1'.repeat(400)}s`])(
    '"%s" is refused',
    (text) => {
      expect(checkScalar('duration', text)).toEqual({
        message: `time: invalid duration ${JSON.stringify(text)}`,
      });
    },
  );
});

describe('text', () => {
  test('has a replacement character for half of a surrogate pair, in values and in keys', () => {
    const type = schemas.type('io.k8s.api.core.v1.ConfigMap');
    const { object } = decodeJson('{"data":{"a\\udc00":"\\ud800b","c":"\\ud83d\\ude00"}}', type);
    expect(object['data']).toEqual({ 'a\ufffd': '\ufffdb', c: '\u{1f600}' });
  });
});

describe('nesting', () => {
  const lists = (depth: number): unknown => {
    let value: unknown = 1;
    for (let i = 0; i < depth; i++) value = i % 2 ? [value] : { a: value };
    return value;
  };

  test('is measured without recursion', () => {
    expect(isTooDeep(lists(MAX_DEPTH))).toBe(false);
    expect(isTooDeep(lists(MAX_DEPTH + 2))).toBe(true);
    expect(isTooDeep(lists(1_000_000))).toBe(true);
    for (const value of [null, 1, 'x', [], {}]) expect(isTooDeep(value)).toBe(false);
  });
});
