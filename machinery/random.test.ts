import { expect, test } from 'vitest';
import { randomConformance } from './random.conformance.ts';
import { seededRandom, systemRandom } from './random.ts';

randomConformance('the system', () => systemRandom);
randomConformance('a seeded generator', () => seededRandom(7));

test('a seed repeats itself, and another is another', () => {
  const draws = (seed: number) => {
    const random = seededRandom(seed);
    return [random.next(), random.next(), ...random.bytes(4)];
  };
  expect(draws(1)).toEqual(draws(1));
  expect(draws(1)).not.toEqual(draws(2));
});
