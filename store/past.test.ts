import { expect, test } from 'vitest';
import { seededRandom } from '#machinery/random.ts';
import { Past, type Superseded } from './past.ts';
import type { Version } from './version-index.ts';

/** What is over, said as plainly as it can be. */
function isOver(
  one: { key: string; at: number },
  compacted: number,
  floors: ReadonlyMap<string, number>,
): boolean {
  return (
    one.at <= compacted || [...floors].some(([part, floor]) => one.key.startsWith(part) && one.at <= floor)
  );
}

test('forgets exactly what nobody can read, through thousands of random changes', () => {
  const random = seededRandom(5);
  const below = (n: number) => Math.floor(random.next() * n);
  const past = new Past<Version>();
  let there: { key: string; at: number; bytes: number }[] = [];
  let revision = 0;
  for (let round = 0; round < 300; round++) {
    for (let i = 0; i < 40; i++) {
      const one = { key: `/${'abc'[below(3)]}/${below(9)}`, at: ++revision, bytes: 1 + below(9) };
      past.happened(revision, revision * 10);
      past.supersede(one.key, { revision: revision - 1, gone: false }, one.at, one.bytes);
      there.push(one);
    }
    const to = Math.max(0, revision - below(600));
    past.compact(to, ['', '/a/', '/b/', '/b/1'][below(4)]!);
    const { compacted, floors } = past;
    const wanted = there.filter((one) => isOver(one, compacted, floors));
    const dropped: Superseded<Version>[] = [];
    for (let found = past.expired(7); found.length > 0; found = past.expired(7)) {
      expect(found.length).toBeLessThanOrEqual(7);
      dropped.push(...found);
      past.drop(found);
    }
    const names = (all: readonly { key: string; at: number }[]) =>
      all.map(({ key, at }) => `${at} ${key}`).sort();
    expect(names(dropped)).toEqual(names(wanted));
    there = there.filter((one) => !isOver(one, compacted, floors));
    const kept = there.slice(-50).reduce((sum, { bytes }) => sum + bytes, 0);
    const oldest = there.at(-51)?.at ?? 0;
    expect(past.revisionKeeping(kept)).toBe(Math.max(past.compacted, oldest));
  }
});
