import { describe, expect, test } from 'vitest';
import { type LocalMember, planEntry, planServing } from './plan.ts';
import type { MemberState } from './quorum.ts';
import { member } from './testing/fake-cluster.ts';

const here = (name: string, change: Partial<MemberState> = {}): MemberState => {
  const found = member(name, change);
  return { ...found, answer: { id: found.id, hasLeader: true, revision: 1 }, ...change };
};
const away = (name: string, change: Partial<MemberState> = {}) =>
  here(name, { answer: undefined, ...change });
/** Added, and never started. */
const added = (host: string, change: Partial<MemberState> = {}) =>
  away(host, { name: '', clientUrls: [], isLearner: true, ...change });
const local = (change: Partial<LocalMember> = {}): LocalMember => ({
  name: 'node-3',
  peerUrl: 'https://10.0.0.3:2380',
  hasData: false,
  ...change,
});
const TWO = [here('node-1'), here('node-2')];

describe('before etcd is started on a machine that joins', () => {
  test.each<[string, LocalMember, MemberState[], object]>([
    ['nothing is there yet', local(), TWO, { step: 'add' }],
    ['it was added, and knows it', local({ id: 'f3' }), [...TWO, added('node-3')], { step: 'start' }],
    [
      'it was added, and crashed before it wrote that down',
      local(),
      [...TWO, added('node-3')],
      { step: 'start' },
    ],
    [
      'it runs since, as a learner',
      local({ id: 'f3', hasData: true }),
      [...TWO, away('node-3', { isLearner: true })],
      { step: 'start' },
    ],
    ['it has its vote', local({ id: 'f3', hasData: true }), [...TWO, away('node-3')], { step: 'start' }],
    [
      'its data was wiped',
      local({ id: 'f3' }),
      [...TWO, away('node-3')],
      { step: 'remove', member: { id: 'f3' } },
    ],
    ['everything was wiped', local(), [...TWO, away('node-3')], { step: 'remove', member: { id: 'f3' } }],
    [
      'everything was wiped, and it has another address',
      local({ peerUrl: 'https://10.0.0.33:2380' }),
      [...TWO, away('node-3')],
      { step: 'remove', member: { id: 'f3' } },
    ],
    [
      'it was added, and has another address since',
      local({ id: 'f3', peerUrl: 'https://10.0.0.33:2380' }),
      [...TWO, added('node-3')],
      { step: 'remove', member: { id: 'f3' } },
    ],
    [
      'it runs, and has another address since',
      local({ id: 'f3', hasData: true, peerUrl: 'https://10.0.0.33:2380' }),
      [...TWO, away('node-3')],
      { step: 'start' },
    ],
    [
      'it was removed, and its data is still there',
      local({ id: 'f3', hasData: true }),
      TWO,
      { step: 'discard' },
    ],
    ['it was removed before it ever ran', local({ id: 'f3' }), TWO, { step: 'discard' }],
    ['somebody else left data there', local({ hasData: true }), TWO, { step: 'discard' }],
    [
      'another machine is joining',
      local(),
      [...TWO, added('node-4')],
      { step: 'wait', why: expect.stringContaining('is joining') },
    ],
    [
      'a member is away',
      local(),
      [here('node-1'), away('node-2')],
      { step: 'wait', why: expect.stringContaining('start node-2 at 10.0.0.2:2379, or remove it') },
    ],
    [
      'its name is taken by one that runs',
      local({ name: 'node-2' }),
      TWO,
      { step: 'refuse', why: expect.stringMatching(/node-2 at 10.0.0.2:2379 runs.*--node-name/) },
    ],
    [
      'its name and address are taken by one that runs',
      local({ name: 'node-2', peerUrl: 'https://10.0.0.2:2380' }),
      TWO,
      { step: 'refuse' },
    ],
    [
      'its address was that of another one',
      local({ peerUrl: 'https://10.0.0.2:2380' }),
      [here('node-1'), away('node-2')],
      { step: 'refuse', why: expect.stringContaining('gantry etcd remove node-2') },
    ],
  ])('%s', (_, mine, members, step) => {
    expect(planEntry(mine, members)).toMatchObject(step);
  });
});

test.each<[string, MemberState[], object]>([
  ['all is well', [...TWO, here('node-3')], { step: 'ready' }],
  ['it has no vote', [...TWO, here('node-3', { isLearner: true })], { step: 'promote' }],
  [
    'it has another address',
    [...TWO, here('node-3', { peerUrls: ['https://10.0.0.9:2380'] })],
    { step: 'move', peerUrl: 'https://10.0.0.3:2380' },
  ],
  ['it was removed', TWO, { step: 'removed' }],
])('of a member that runs: %s', (_, members, step) => {
  expect(planServing({ id: 'f3', peerUrl: 'https://10.0.0.3:2380' }, members)).toEqual(step);
});
