import { describe, expect, test } from 'vitest';
import { nameSuffix, type Random, uuid } from './random.ts';

const DRAWS = 10_000;

/** The cases every Random passes. What is left to chance fails less than once in 10^9 runs. */
export function randomConformance(name: string, make: () => Random): void {
  describe(`${name} keeps the contract of chance`, () => {
    test('draws are from 0 on and below 1, and spread evenly', () => {
      const random = make();
      const tenths = new Array<number>(10).fill(0);
      for (let i = 0; i < DRAWS; i++) {
        const drawn = random.next();
        expect(drawn >= 0 && drawn < 1).toBe(true);
        tenths[Math.floor(drawn * 10)]! += 1;
      }
      // A tenth each; the standard deviation is 30.
      for (const count of tenths) expect(Math.abs(count - DRAWS / 10)).toBeLessThan(200);
    });

    test.each([0, 1, 16, 255, 256, 257, 5000])('%i bytes are so many', (length) => {
      expect(make().bytes(length)).toHaveLength(length);
    });

    test('bytes take every value', () => {
      expect(new Set(make().bytes(DRAWS)).size).toBe(256);
    });

    test('bytes once given are not given again, nor changed by who comes next', () => {
      const random = make();
      const drawn = Array.from({ length: 1000 }, () => random.bytes(16));
      const copies = drawn.map((bytes) => Buffer.from(bytes).toString('hex'));
      expect(new Set(copies).size).toBe(drawn.length);
      drawn[0]!.fill(0);
      random.bytes(5000);
      expect(drawn.slice(1).map((bytes) => Buffer.from(bytes).toString('hex'))).toEqual(copies.slice(1));
    });

    test('a UUID is of version 4 and another each time', () => {
      const random = make();
      const made = Array.from({ length: 1000 }, () => uuid(random));
      expect(new Set(made).size).toBe(made.length);
      for (const one of made)
        expect(one).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    });

    test('a suffix of a name has the length that is asked for and no vowels', () => {
      const random = make();
      for (const length of [1, 5, 10])
        expect(nameSuffix(random, length)).toMatch(new RegExp(`^[bcdfghjklmnpqrstvwxz2-9]{${length}}$`));
    });
  });
}
