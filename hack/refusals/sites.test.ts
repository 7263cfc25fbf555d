import { expect, test } from 'vitest';
import { isJudging, sitesOf, withMarks } from './sites.ts';

const CODE =
  "if (a) faults.required('x');\nelse other.faults.required('x');\nfaults.invalid(a, b);faults.list;";

test('a site is a line that calls a method of Faults', () => {
  expect(sitesOf('api/validation/a.ts', CODE)).toEqual(['api/validation/a.ts:1', 'api/validation/a.ts:3']);
});

test('marks stand where the sites are', () => {
  expect(withMarks('p.ts', CODE).split('\n')).toEqual([
    "if (a) __refusing('p.ts:1', faults).required('x');",
    "else other.faults.required('x');",
    "__refusing('p.ts:3', faults).invalid(a, b);faults.list;",
  ]);
});

test.each([
  ['api/validation/job.ts', true],
  ['api/validation/faults.ts', false],
  ['api/validation/deep/job.ts', false],
  ['apiserver/engine/create.ts', false],
])('%s: %s', (path, judging) => expect(isJudging(path)).toBe(judging));
