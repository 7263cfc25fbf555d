import { expect, test } from 'vitest';
import { afterSecondTry, type Outcome, worthSecondTry } from './suites.ts';

const outcome = (part: Partial<Outcome>): Outcome => ({
  ...{ passed: [], failures: [], skips: [], flaky: [], failedFiles: [] },
  ...part,
});

test('a file that failed is worth a second try; many, or a failure of none, are not', () => {
  expect(worthSecondTry(outcome({ failures: ['a.test.ts: x'], failedFiles: ['a.test.ts'] }))).toEqual([
    'a.test.ts',
  ]);
  const many = ['a', 'b', 'c', 'd'];
  expect(worthSecondTry(outcome({ failures: many.map((file) => `${file}: x`), failedFiles: many }))).toEqual(
    [],
  );
  expect(worthSecondTry(outcome({ failures: ['unhandled: x'], failedFiles: [] }))).toEqual([]);
  expect(worthSecondTry(outcome({ failures: ['a: x', 'unhandled: y'], failedFiles: ['a'] }))).toEqual([]);
});

test('of files that were run again the second run counts, and what passed only then is flaky', () => {
  const first = outcome({
    ...{ passed: ['b: u', 'a: v'], failures: ['a: x', 'a: y'], skips: ['a: z', 'b: s'], failedFiles: ['a'] },
  });
  const second = outcome({
    passed: ['a: x'],
    failures: ['a: v', 'a: y'],
    skips: ['a: z'],
    failedFiles: ['a'],
  });
  expect(afterSecondTry(first, second)).toEqual(
    outcome({
      ...{ passed: ['b: u', 'a: x'], failures: ['a: v', 'a: y'], skips: ['b: s', 'a: z'], flaky: ['a: x'] },
      failedFiles: ['a'],
    }),
  );
});
