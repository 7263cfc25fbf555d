import { expect, test } from 'vitest';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import {
  addMember,
  MembershipError,
  moveMember,
  NoSuchMemberError,
  promoteMember,
  QuorumError,
  removeMember,
} from './membership.ts';
import { FakeCluster, member } from './testing/fake-cluster.ts';

const three = () => new FakeCluster(['node-1', 'node-2', 'node-3'].map((name) => member(name)));

/** Runs it on a clock of its own, which is moved on until it has settled; tells how much of its time went by. */
async function settled<T>(work: (deps: object) => Promise<T>): Promise<{ value: T; ms: number }> {
  const clock = new VirtualClock();
  let over = false;
  const running = work({ clock, signal: new AbortController().signal }).finally(() => {
    over = true;
  });
  running.catch(() => {});
  for (let steps = 0; !over && steps < 10_000; steps++) await clock.advance(50);
  return { value: await running, ms: clock.monotonic() };
}
const on =
  <A>(act: (what: A, deps: never) => Promise<unknown>, what: A, cluster: FakeCluster) =>
  (deps: object) =>
    act(what, { ...deps, cluster } as never);

const FOURTH = 'https://10.0.0.4:2380';

test('a member is added without a vote, and gets it when it has caught up', async () => {
  const cluster = three();
  cluster.lag = 3;
  const { value } = await settled(on(addMember, FOURTH, cluster));
  expect(value).toMatchObject({ isLearner: true, peerUrls: [FOURTH] });
  const { id } = value as { id: string };
  await settled(on(promoteMember, id, cluster));
  expect(cluster.members.find((one) => one.id === id)).toMatchObject({ isLearner: false });
  expect(cluster.calls).toEqual([`add ${FOURTH}`, ...Array(4).fill(`promote ${id}`)]);
});

test.each(['lost', 'refused'] as const)(
  'a change whose answer is %s is made once all the same',
  async (fault) => {
    const cluster = three();
    for (const act of [
      on(addMember, FOURTH, cluster),
      on(removeMember, 'node-3', cluster),
      (deps: object) => moveMember('f2', 'https://10.0.0.22:2380', { ...deps, cluster } as never),
    ]) {
      cluster.faults = [fault];
      await settled(act);
    }
    expect(cluster.members.map(({ name, peerUrls }) => name || peerUrls[0])).toEqual([
      'node-1',
      'node-2',
      FOURTH,
    ]);
    expect(cluster.members[1]!.peerUrls).toEqual(['https://10.0.0.22:2380']);
    expect(cluster.calls).toHaveLength(fault === 'lost' ? 3 : 6);
  },
);

test('what etcd refuses for long is given up, with what it said', async () => {
  const cluster = three();
  cluster.lag = Number.POSITIVE_INFINITY;
  cluster.members.push(member('node-4', { isLearner: true }));
  const waitMs = 2_000;
  await expect(settled((deps) => promoteMember('f4', { ...deps, cluster, waitMs } as never))).rejects.toThrow(
    /f4 of etcd gets no vote: not in sync/,
  );
  await expect(
    settled((deps) => addMember(FOURTH.replace('.4', '.5'), { ...deps, cluster, waitMs } as never)),
  ).rejects.toThrow(MembershipError);
});

test('a learner that was removed meanwhile is not waited for', async () => {
  await expect(settled(on(promoteMember, 'f7', three()))).rejects.toThrow(NoSuchMemberError);
});

test('a wait ends with the signal', async () => {
  const cluster = three();
  cluster.faults = ['refused'];
  const stop = new AbortController();
  stop.abort(new Error('stopped'));
  const deps = { cluster, clock: new VirtualClock(), signal: stop.signal };
  await expect(addMember(FOURTH, deps)).rejects.toThrow('stopped');
});

test('a member that is away is removed, by its name or its id', async () => {
  const cluster = three();
  cluster.away.add('node-2');
  await settled(on(removeMember, 'node-2', cluster));
  await settled(on(removeMember, 'f3', cluster));
  expect(cluster.members.map(({ name }) => name)).toEqual(['node-1']);
});

test.each<[string, string, string[], RegExp]>([
  [
    'the last one that answers beside it',
    'node-1',
    ['node-2'],
    /1 of 2 members .* answer where 2 are needed.*node-2 at 10\.0\.0\.2:2379/,
  ],
  [
    'any when a majority is away',
    'node-3',
    ['node-2', 'node-3'],
    /1 of 3 members of etcd answers and 2 are needed; away: node-2.*node-3.*gantry recover/,
  ],
])('%s is not removed', async (_, who, away, message) => {
  const cluster = three();
  for (const name of away) cluster.away.add(name);
  const removal = settled(on(removeMember, who, cluster));
  await expect(removal).rejects.toThrow(QuorumError);
  await expect(removal).rejects.toThrow(message);
  expect(cluster.calls).toEqual([]);
});

test('the only member is not removed, and a learner always is', async () => {
  const cluster = new FakeCluster([member('node-1'), member('', { id: 'f2', isLearner: true })]);
  await expect(settled(on(removeMember, 'node-1', cluster))).rejects.toThrow(/the only voting member/);
  await settled(on(removeMember, 'f2', cluster));
  expect(cluster.members).toHaveLength(1);
});

test('a name that several have, and one that nobody has, are refused', async () => {
  const cluster = three();
  cluster.members.push(member('node-3', { id: 'ab' }));
  await expect(settled(on(removeMember, 'node-3', cluster))).rejects.toThrow(
    /2 members.*node-3 f3.*node-3 ab/,
  );
  await expect(settled(on(removeMember, 'node-9', cluster))).rejects.toThrow(NoSuchMemberError);
});
