import { describe, expect, it } from 'vitest';
import { seededRandom } from '#machinery/random.ts';
import { SortedKeys } from './sorted-keys.ts';

describe('sorted keys', () => {
  it('give what a sorted array gives, through thousands of random changes', () => {
    const random = seededRandom(7);
    const keys = new SortedKeys();
    const model = new Set<string>();
    for (let i = 0; i < 20_000; i++) {
      const key = `/${Math.floor(random.next() * 10)}/${Math.floor(random.next() * 4000)}`;
      if (random.next() < 0.6) {
        keys.add(key);
        model.add(key);
      } else {
        keys.remove(key);
        model.delete(key);
      }
    }
    const sorted = [...model].sort();
    expect(keys.size).toBe(sorted.length);
    expect([...keys.under('/')]).toEqual(sorted);
    expect([...keys.under('/3/')]).toEqual(sorted.filter((key) => key.startsWith('/3/')));
    const middle = sorted[Math.floor(sorted.length / 2)]!;
    expect([...keys.under('/', middle)]).toEqual(sorted.filter((key) => key > middle));
  });

  it('are empty without keys, and after the last is removed', () => {
    const keys = new SortedKeys();
    expect([...keys.under('a')]).toEqual([]);
    keys.add('a');
    keys.remove('a');
    keys.remove('a');
    expect([...keys.under('a')]).toEqual([]);
    keys.add('b');
    expect([...keys.under('')]).toEqual(['b']);
  });
});
