import { expect, test } from 'vitest';
import { lateLearner } from './follow.ts';
import { member } from './testing/fake-cluster.ts';

const MINUTE_MS = 60_000;
const learner = member('node-3', { isLearner: true });
const members = [member('node-1'), member('node-2'), learner];

/** Asks once a minute whether it is heard of, as `heard` says; tells after how many it is given up. */
async function givenUpAfter(heard: readonly boolean[]): Promise<number | undefined> {
  const silent = new Map<string, number>();
  for (const [minute, answers] of heard.entries())
    if (await lateLearner(members, silent, minute * MINUTE_MS, async () => answers)) return minute;
  return undefined;
}
const away = (minutes: number) => Array.from({ length: minutes }, () => false);

test('a learner that is not heard of for five minutes is given up', async () => {
  expect(await givenUpAfter(away(9))).toBe(5);
});

test('one that is heard of in between is waited for anew', async () => {
  expect(await givenUpAfter([...away(4), true, ...away(5)])).toBeUndefined();
  expect(await givenUpAfter([...away(4), true, ...away(6)])).toBe(10);
});

test('members with a vote are never given up, and one that joins later begins anew', async () => {
  const silent = new Map<string, number>();
  const nobody = async () => false;
  const voters = members.map((one) => ({ ...one, isLearner: false }));
  expect(await lateLearner(members, silent, 0, nobody)).toBeUndefined();
  expect(await lateLearner(voters, silent, 9 * MINUTE_MS, nobody)).toBeUndefined();
  expect(silent.size).toBe(0);
  expect(await lateLearner(members, silent, 10 * MINUTE_MS, nobody)).toBeUndefined();
});
