import { describe, expect, test } from 'vitest';
import {
  decodeValue,
  encodeValue,
  NewerValueError,
  VALUE_ENCODING,
  VALUE_FORMAT,
  ValueFormatError,
} from './value.ts';

const header = { time: 1_700_000_000_123, actor: 'system:admin', cause: 'Scaled: größer (42)' };
const body = Buffer.from('{"kind":"Pod","metadata":{"name":"ä"}}');

describe('a stored value', () => {
  test('comes back as it was written, with a cause and without', () => {
    for (const written of [header, { time: 0, actor: '' }]) {
      const { header: read, body: bytes } = decodeValue(encodeValue(written, body));
      expect(read).toEqual(written);
      expect(Buffer.from(bytes).equals(body)).toBe(true);
    }
  });

  test('has the bytes that the format promises: what is on disk outlives this program', () => {
    const value = Buffer.from(encodeValue({ time: 1, actor: 'a', cause: 'c' }, Buffer.from('{}')));
    expect(value.toString('latin1')).toBe('\x01\x00\x00\x17{"t":1,"a":"a","c":"c"}{}');
    expect([VALUE_FORMAT, VALUE_ENCODING.json, VALUE_ENCODING.sealed]).toEqual([1, 0, 1]);
  });

  test('is read where it lies: also out of a larger buffer', () => {
    const value = encodeValue(header, body);
    const larger = Buffer.concat([Buffer.alloc(7, 1), value, Buffer.alloc(3, 1)]);
    const { body: read } = decodeValue(larger.subarray(7, 7 + value.length));
    expect(Buffer.from(read).equals(body)).toBe(true);
  });

  test.each<[string, (value: Buffer) => Uint8Array, string]>([
    ['of a newer format', (value) => value.fill(2, 0, 1), 'unknown format 2'],
    ['of another encoding', (value) => value.fill(9, 1, 2), 'unknown encoding 9'],
    ['that is nearly empty', (value) => value.subarray(0, 3), 'shorter than its header'],
    ['that ends in its header', (value) => value.subarray(0, 10), 'cut inside its header'],
  ])('%s is refused, never guessed at', (_, damage, message) => {
    const read = () => decodeValue(damage(Buffer.from(encodeValue(header, body))));
    expect(read).toThrow(ValueFormatError);
    expect(read).toThrow(message);
  });

  test('of a newer version is told from a damaged one: that ends a server for good', () => {
    const value = Buffer.from(encodeValue(header, body));
    expect(() => decodeValue(Buffer.from(value).fill(2, 0, 1))).toThrow(NewerValueError);
    expect(() => decodeValue(value.subarray(0, 10))).not.toThrow(NewerValueError);
  });

  test('whose header does not fit its length is refused on writing', () => {
    expect(() => encodeValue({ time: 0, actor: 'x'.repeat(70_000) }, body)).toThrow('larger than 64 KiB');
  });
});
