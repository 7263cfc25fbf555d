import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { systemClock as clock } from '#machinery/clock.ts';
import { systemFiles } from '#machinery/files.ts';
import { silentLogger as log } from '#machinery/log.ts';
import { systemRandom } from '#machinery/random.ts';
import { memberApi } from '#store/etcd/members.ts';
import { freePort, whyNoEtcd } from '#store/etcd/testing/server.ts';
import { pathsOf } from '../paths.ts';
import { managedAccess } from './access.ts';
import { attendMember } from './attend.ts';
import { enterCluster } from './enter.ts';
import { EtcdProgramError } from './program.ts';
import { MEMBERS_FILE, type MemberRecord, readMember, readMembers } from './record.ts';
import { EtcdDataLostError, type ManagedEtcd, memberHere } from './role.ts';
import { withMember } from './run.ts';
import { openManagedStore } from './store.ts';

const MISSING = whyNoEtcd();
const files = systemFiles();
const signal = new AbortController().signal;
const deps = { files, clock, log, signal };
const DAY_MS = 24 * 3_600_000;

/** With real programs on loopback, as two machines. */
describe.skipIf(MISSING)(`members of etcd on two machines${MISSING ? ` (${MISSING})` : ''}`, () => {
  const root = mkdtempSync(join(tmpdir(), 'gantry-managed-'));
  let one: ManagedEtcd;
  let two: ManagedEtcd;
  const machine = async (nodeName: string): Promise<ManagedEtcd> => {
    mkdirSync(join(root, nodeName));
    const [etcdClientPort, etcdPeerPort] = [await freePort(), await freePort()];
    const paths = pathsOf(join(root, nodeName));
    const place = { paths, nodeName, advertiseAddress: '127.0.0.1', etcdClientPort, etcdPeerPort };
    return { ...place, etcdQuota: 0, certificateLifetime: DAY_MS };
  };
  /** As a server gives it to one that joins. */
  const give = (from: ManagedEtcd, to: ManagedEtcd) => {
    for (const name of ['pki/etcd-ca.crt', 'pki/etcd-ca.key', MEMBERS_FILE]) {
      mkdirSync(join(to.paths.root, name, '..'), { recursive: true });
      writeFileSync(join(to.paths.root, name), readFileSync(join(from.paths.root, name)), { mode: 0o600 });
    }
  };
  const running = <T>(
    member: MemberRecord,
    { paths }: ManagedEtcd,
    work: () => Promise<T>,
    more?: string[],
  ) => withMember(paths, member, { clock, signal, ...(more && { more }) }, work);
  const write = async ({ paths }: ManagedEtcd, key: string) => {
    const store = await openManagedStore(paths, { root: '/gantry/test/', random: systemRandom }, deps);
    const op = { op: 'put', key: `/gantry/test/${key}`, value: Buffer.from('x') } as const;
    // A member that has just come, or is away, may take an answer with it: to put it once more does no harm.
    await vi.waitFor(() => store.commit([op], { time: 1, actor: 'test' }), {
      timeout: 20_000,
      interval: 100,
    });
    const { entries } = await store.list('/gantry/test/');
    await store.close();
    return entries.map((entry) => entry.key.split('/').at(-1));
  };

  beforeAll(async () => {
    one = await machine('one');
    two = await machine('two');
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  test('the first one begins a cluster, and keeps what was written', async () => {
    const first = await memberHere(one, files);
    expect(first).toMatchObject({ name: 'one', existing: false });
    await running(first, one, async () => {
      expect(await attendMember(one, deps)).toMatchObject([{ name: 'one', isLearner: false }]);
      expect(await write(one, 'a')).toEqual(['a']);
    });
    const again = await memberHere(one, files);
    expect(again).toMatchObject({ id: (await readMembers(files, one.paths))[0]!.id });
    await running(again, one, async () => expect(await write(one, 'b')).toEqual(['a', 'b']));
  });

  test('another one joins, and both know each other', async () => {
    give(one, two);
    await running(await memberHere(one, files), one, async () => {
      const { member, complete } = await enterCluster(two, deps);
      expect(member).toMatchObject({ name: 'two', existing: true });
      await running(member, two, async () => {
        await complete(signal);
        expect((await readMembers(files, two.paths)).map(({ isLearner }) => isLearner)).toEqual([
          false,
          false,
        ]);
        expect(await write(two, 'c')).toEqual(['a', 'b', 'c']);
        await attendMember(one, deps);
      });
    });
    expect(await readMembers(files, one.paths)).toHaveLength(2);
  });

  test('forced, one of two is the only one, with all data', async () => {
    const member = (await readMember(files, one.paths))!;
    await running(member, one, () => write(one, 'd'), ['--force-new-cluster']);
    await running(member, one, async () => {
      expect(await attendMember(one, deps)).toMatchObject([{ name: 'one' }]);
      expect(await write(one, 'e')).toEqual(['a', 'b', 'c', 'd', 'e']);
    });
  });

  test('one that joins fails, and is a member no more', async () => {
    const third = await machine('three');
    give(one, third);
    await running(await memberHere(one, files), one, async () => {
      const { complete } = await enterCluster(third, deps);
      const stop = new AbortController();
      const completing = complete(stop.signal);
      stop.abort(new Error('stopped'));
      await expect(completing).rejects.toThrow('stopped');
      const cluster = memberApi((await managedAccess(one.paths, deps))!);
      expect((await cluster.list()).map(({ name }) => name)).toEqual(['one']);
      cluster.close();
    });
  });

  test('lost data is told, and a port that is taken', async () => {
    await running(await memberHere(one, files), one, async () => {
      const other = { ...(await machine('four')), etcdPeerPort: one.etcdPeerPort };
      await expect(memberHere(other, files)).rejects.toThrow(EtcdProgramError);
      expect(await readMember(files, other.paths)).toBeUndefined();
      await expect(enterCluster({ ...two, etcdPeerPort: one.etcdPeerPort }, deps)).rejects.toThrow(
        EtcdProgramError,
      );
    });
    rmSync(join(one.paths.root, 'etcd/data'), { recursive: true });
    await expect(memberHere(one, files)).rejects.toThrow(EtcdDataLostError);
  });
});
