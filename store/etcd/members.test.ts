import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '#machinery/clock.ts';
import { type MemberApi, memberApi } from './members.ts';
import { EtcdServer, whyNoEtcd } from './testing/server.ts';

const MISSING = whyNoEtcd();

describe.skipIf(MISSING)(`etcd: its members${MISSING ? ` (${MISSING})` : ''}`, () => {
  let first: EtcdServer;
  let second: EtcdServer;
  let cluster: MemberApi;

  beforeAll(async () => {
    [first] = (await EtcdServer.cluster(1, ['--unsafe-no-fsync'])) as [EtcdServer];
    second = await new EtcdServer(['--unsafe-no-fsync']).joins([first]);
    cluster = memberApi({ endpoints: [first.endpoint], clock: systemClock, retryMs: 2_000 });
  });
  afterAll(async () => {
    cluster?.close();
    await first?.remove();
    await second?.remove();
  });

  test('one that never ran is removed again', async () => {
    // Another URL than the next one's: an id is made of the URL and the second in which it was added.
    const { id } = await cluster.addLearner('http://127.0.0.1:9');
    await cluster.remove(id);
    await expect(cluster.remove(id)).rejects.toThrow(/not found/);
    expect((await cluster.list()).map(({ name }) => name)).toEqual([first.name]);
  });

  test('one is added without a vote, starts, and gets its vote', async () => {
    const added = await cluster.addLearner(second.peerUrl);
    expect(added).toMatchObject({ name: '', peerUrls: [second.peerUrl], clientUrls: [], isLearner: true });
    expect(await cluster.ask(added)).toBeUndefined();
    await expect(cluster.addLearner(second.peerUrl)).rejects.toThrow(/already exist/);
    await second.start();
    for (;;) {
      const promoted = await cluster.promote(added.id).then(
        () => true,
        (error: Error) => {
          // etcd's words for one that has not caught up yet.
          if (!error.message.includes('in sync with leader')) throw error;
          return false;
        },
      );
      if (promoted) break;
    }
    const members = await cluster.list();
    expect(members.map(({ name, isLearner }) => ({ name, isLearner }))).toEqual(
      expect.arrayContaining([
        { name: first.name, isLearner: false },
        { name: second.name, isLearner: false },
      ]),
    );
    const started = members.find(({ id }) => id === added.id)!;
    expect(started.clientUrls).toEqual([`http://${second.endpoint}`]);
    expect(await cluster.ask(started)).toMatchObject({ id: added.id, hasLeader: true });
  });

  test('one that lost the majority answers, and knows no leader', async () => {
    const [one] = (await cluster.list()).filter(({ name }) => name === first.name);
    await second.kill();
    let answer = await cluster.ask(one!);
    while (answer?.hasLeader) answer = await cluster.ask(one!);
    expect(answer).toMatchObject({ id: one!.id, hasLeader: false });
    await second.start();
    while (!(await cluster.ask(one!))?.hasLeader);
  });

  test('one is told to be elsewhere', async () => {
    const [moving] = (await cluster.list()).filter(({ name }) => name === second.name);
    const elsewhere = second.peerUrl.replace('127.0.0.1', 'localhost');
    await cluster.update(moving!.id, elsewhere);
    const moved = (await cluster.list()).find(({ id }) => id === moving!.id);
    expect(moved?.peerUrls).toEqual([elsewhere]);
  });
});
