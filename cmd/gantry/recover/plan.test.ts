import { describe, expect, test } from 'vitest';
import type { MemberState } from '../managed-etcd/quorum.ts';
import {
  explanation,
  judgeRecovery,
  judgeRestart,
  NotRecoverableError,
  newerThan,
  type Sight,
} from './plan.ts';

const answer = (revision: number, hasLeader = false) => ({ id: 'x', hasLeader, revision });
const member = (id: string, said?: MemberState['answer'], isLearner = false): MemberState => ({
  ...{ id, name: `node-${id}`, peerUrls: [`https://10.0.0.${id}:2380`], isLearner, answer: said },
  clientUrls: [`https://10.0.0.${id}:2379`],
});
const sight = (members: MemberState[], hasData = true): Sight => ({ here: { id: '1', hasData }, members });

describe('a machine recovers the cluster', () => {
  test.each([
    ['when two of three are gone, while it runs', [member('1', answer(7)), member('2'), member('3')]],
    ['and when it has been stopped', [member('1'), member('2'), member('3')]],
    [
      'when others that answer have no more than it has',
      [member('1', answer(7)), member('2', answer(7)), member('3'), member('4'), member('5')],
    ],
  ])('%s', (_, members) => {
    expect(() => judgeRecovery(sight(members))).not.toThrow();
  });
});

describe('it does not', () => {
  test.each([
    [
      'when the others have a majority',
      sight([member('1'), member('2', answer(7, true)), member('3', answer(7, true))]),
      'node-2 at 10.0.0.2:2379 has a majority',
    ],
    [
      'when a majority would be there if it were started',
      sight([member('1'), member('2', answer(7)), member('3')]),
      '2 of 3 members of etcd are there and 2 are enough; start gantry',
    ],
    ['when it was taken out', sight([member('2'), member('3')]), 'was taken out'],
    [
      'when its data is gone',
      sight([member('1'), member('2'), member('3')], false),
      'no data of etcd is left',
    ],
    [
      'when it was catching up',
      sight([member('1', undefined, true), member('2'), member('3'), member('4')]),
      'still catching up',
    ],
    [
      'when another one has newer data',
      sight([member('1', answer(7)), member('2', answer(8)), member('3'), member('4'), member('5')]),
      'node-2 at 10.0.0.2:2379 has newer data (revision 8)',
    ],
  ])('%s', (_, seen, words) => {
    expect(() => judgeRecovery(seen)).toThrow(NotRecoverableError);
    expect(() => judgeRecovery(seen)).toThrow(words);
  });

  test('from a snapshot, while a member answers', () => {
    const members = [member('1'), member('2', answer(7)), member('3'), member('4'), member('5')];
    expect(() => judgeRestart(sight(members, false))).toThrow('node-2 at 10.0.0.2:2379 answers');
    expect(() => judgeRestart(sight([member('1'), member('2'), member('3')], false))).not.toThrow();
  });
});

test('what is newer is told once the own revision is known', () => {
  const seen = sight([member('1'), member('2', answer(8)), member('3')]);
  expect([newerThan(undefined, seen), newerThan(8, seen)]).toEqual([undefined, undefined]);
  expect(newerThan(7, seen)?.id).toBe('2');
});

test('what would be lost is said', () => {
  const text = explanation(sight([member('1', answer(7)), member('2'), member('3')]));
  expect(text).toContain('etcd has 3 voting members; 1 answers, 2 are needed');
  expect(text).toContain('node-1 at 10.0.0.1:2379: this machine, revision 7');
  expect(text).toContain('node-2 at 10.0.0.2:2379: does not answer');
  expect(text).toContain('- Taken out: node-2, node-3.');
});
