import { beforeEach, expect, test } from 'vitest';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { MemoryFiles } from '#machinery/files-memory.ts';
import { silentLogger } from '#machinery/log.ts';
import { pathsOf } from '../paths.ts';
import { becomeMember, EntryRefusedError } from './enter.ts';
import { etcdDataPath, hasEtcdData, readMember } from './record.ts';
import { FakeCluster, member } from './testing/fake-cluster.ts';

const paths = pathsOf('/nowhere/gantry');
const settings = {
  ...{ paths, nodeName: 'node-3', advertiseAddress: '10.0.0.3' },
  ...{ etcdClientPort: 2379, etcdPeerPort: 2380, etcdQuota: 0, certificateLifetime: 1 },
};
let files: MemoryFiles;
let cluster: FakeCluster;
beforeEach(() => {
  files = new MemoryFiles();
  cluster = new FakeCluster([member('node-1'), member('node-2')]);
});

async function enter(signal = new AbortController().signal) {
  const clock = new VirtualClock();
  let over = false;
  const entering = becomeMember(settings, cluster, { files, clock, log: silentLogger, signal }).finally(
    () => {
      over = true;
    },
  );
  entering.catch(() => {});
  for (let steps = 0; !over && steps < 10_000; steps++) await clock.advance(100);
  return await entering;
}
/** As etcd does when it starts as what was entered. */
const runs = async () => {
  const record = await readMember(files, paths);
  await files.mkdir(`${etcdDataPath(paths)}/member/wal`);
  await files.write(`${etcdDataPath(paths)}/member/wal/0.wal`, 'x');
  cluster.members = cluster.members.map((one) =>
    one.id === record!.id ? { ...one, name: record!.name, clientUrls: [record!.clientUrl] } : one,
  );
};
const changes = () => cluster.calls.map((call) => call.split(' ')[0]);

test('a machine is added, and starts with all members', async () => {
  const entered = await enter();
  expect(entered).toEqual({
    ...{ id: 'a0', name: 'node-3', existing: true, quotaBytes: 0 },
    ...{ peerUrl: 'https://10.0.0.3:2380', clientUrl: 'https://10.0.0.3:2379' },
    initialCluster: 'node-1=https://10.0.0.1:2380,node-2=https://10.0.0.2:2380,node-3=https://10.0.0.3:2380',
  });
  expect(await readMember(files, paths)).toEqual(entered);
});

test('begun again after each step, it goes on, and adds the machine once', async () => {
  const first = await enter();
  expect(await enter()).toEqual(first);
  await runs();
  expect((await enter()).id).toBe(first.id);
  expect(changes()).toEqual(['add']);
});

test.each(['lost', 'refused'] as const)('an answer of etcd that is %s is borne', async (fault) => {
  cluster.faults = [fault];
  expect((await enter()).id).toBe('a0');
  expect(cluster.members).toHaveLength(3);
});

test('a machine whose data directory was wiped replaces the member that it was', async () => {
  await enter();
  await runs();
  cluster.away.add('node-3');
  files = new MemoryFiles();
  const again = await enter();
  expect(again.id).toBe('a1');
  expect(changes()).toEqual(['add', 'remove', 'add']);
  expect(cluster.members.map(({ id }) => id)).toEqual(['f1', 'f2', 'a1']);
});

test('what a removed member left behind is discarded', async () => {
  await enter();
  await runs();
  cluster.members = cluster.members.filter(({ name }) => name !== 'node-3');
  expect((await enter()).id).toBe('a1');
  expect(await hasEtcdData(files, paths)).toBe(false);
});

test('another machine that is joining is waited for, not for ever', async () => {
  const joining = member('node-4', { name: '', clientUrls: [], isLearner: true });
  cluster.members.push(joining);
  await expect(enter()).rejects.toThrow(EntryRefusedError);
  const entering = enter();
  cluster.members = [...cluster.members.filter((one) => one !== joining), member('node-4')];
  expect((await entering).id).toBe('a0');
});

test('a member is not replaced when the others would be too few', async () => {
  cluster.members.push(member('node-3'));
  cluster.away.add('node-3').add('node-2');
  await expect(enter()).rejects.toThrow(/1 of 3 members of etcd answers/);
  expect(cluster.calls).toEqual([]);
});
