import { describe, expect, it } from 'vitest';
import { seededRandom } from '#machinery/random.ts';
import { SortedItems } from './sorted-items.ts';

const keysOf = (items: { key: string }[]) => items.map(({ key }) => key);

describe('sorted items', () => {
  it('give what a sorted array gives, through thousands of random changes', () => {
    const random = seededRandom(7);
    const items = new SortedItems<{ key: string; n: number }>();
    const model = new Map<string, number>();
    for (let n = 0; n < 20_000; n++) {
      const key = `/${Math.floor(random.next() * 10)}/${Math.floor(random.next() * 4000)}`;
      if (random.next() < 0.6) {
        items.set({ key, n });
        model.set(key, n);
      } else {
        items.remove(key);
        model.delete(key);
      }
    }
    const sorted = [...model.keys()].sort();
    expect(keysOf(items.under('/'))).toEqual(sorted);
    expect(items.under('/').map(({ n }) => n)).toEqual(sorted.map((key) => model.get(key)));
    expect(keysOf(items.under('/3/'))).toEqual(sorted.filter((key) => key.startsWith('/3/')));
    const middle = sorted[Math.floor(sorted.length / 2)]!;
    expect(keysOf(items.under('/', middle))).toEqual(sorted.filter((key) => key > middle));
  });

  it('are empty without any, and after the last is removed', () => {
    const items = new SortedItems<{ key: string }>();
    expect(items.under('a')).toEqual([]);
    items.set({ key: 'a' });
    items.remove('a');
    items.remove('a');
    expect(items.under('a')).toEqual([]);
    items.set({ key: 'b' });
    expect(keysOf(items.under(''))).toEqual(['b']);
  });

  it('keep a snapshot as it was', () => {
    const items = new SortedItems<{ key: string }>();
    items.set({ key: 'a' });
    const snapshot = items.under('');
    items.set({ key: 'b' });
    items.remove('a');
    expect(keysOf(snapshot)).toEqual(['a']);
  });
});
