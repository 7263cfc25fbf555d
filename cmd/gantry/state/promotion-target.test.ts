import { expect, test } from 'vitest';
import { judgeTarget, quotaWarning } from './promotion-target.ts';

const member = {
  ...{ endpoint: '192.0.2.1:2379', version: '3.5.9', isLeader: true, revision: 1 },
  ...{ sizeBytes: 20_000, usedBytes: 10_000, alarms: [] as string[] },
};

test.each([
  ['a member that does not answer', { endpoint: 'x:1', fault: 'gone' }, 'x:1 does not answer: gone'],
  ['an old version', { ...member, version: '3.3.27' }, 'is etcd 3.3.27: 3.4 or later is needed'],
  ['another line', { ...member, version: '4.0.0' }, '3.4 or later'],
  ['an alarm', { ...member, alarms: ['NOSPACE'] }, 'has the alarm NOSPACE'],
])('%s is no target', (_, unfit, words) => {
  expect(() => judgeTarget([member, unfit])).toThrow(words);
});

test('one that is well is', () => {
  expect(judgeTarget([member])).toEqual([member]);
});

test('much data is warned of', () => {
  expect(quotaWarning([member], 100_000_000)).toBeUndefined();
  expect(quotaWarning([member], 1_200_000_000)).toContain('2.4GB');
});
