import { expect, test } from 'vitest';
import type { Client } from '#client/contract.ts';
import { FakeCluster } from '#client/fake/fake-cluster.ts';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { StatusError } from '#machinery/errors.ts';
import { seededRandom } from '#machinery/random.ts';
import type { Membership } from '../membership/membership.ts';
import { inTurn } from './turn.ts';

const clock = new VirtualClock();
const { client } = new FakeCluster({ clock, random: seededRandom(1) });
const sceneOf = (nodeName: string, role: Membership['role'] = 'server', by: Client = client) => ({
  ...{ client: by, clock },
  machine: { nodeName, role, url: '', ca: '', pair: { key: '', certificate: '' } },
});

test('servers wait for each other, and say so; nodes do not', async () => {
  const said: string[] = [];
  const deeds: string[] = [];
  const work = (name: string) => async () => {
    deeds.push(`${name} begins`);
    await new Promise<void>((resolve) => void clock.timer(20_000, resolve));
    deeds.push(`${name} ends`);
    return name;
  };
  const tell = (text: string) => void said.push(text);
  const first = inTurn(sceneOf('a'), tell, work('a'));
  await clock.advance(1_000);
  const second = inTurn(sceneOf('b'), tell, work('b'));
  const third = inTurn(sceneOf('c', 'node'), tell, work('c'));
  await clock.advance(10_000);
  expect(deeds).toEqual(['a begins', 'c begins']);
  expect(said).toEqual(['another server is being upgraded: this one is next']);
  await clock.advance(60_000);
  expect(deeds.filter((deed) => !deed.startsWith('c'))).toEqual(['a begins', 'a ends', 'b begins', 'b ends']);
  expect(await Promise.all([first, second, third])).toEqual(['a', 'b', 'c']);
});

test('what fails hands the turn on, and whom nobody answers does not wait', async () => {
  const fails = inTurn(
    sceneOf('a'),
    () => {},
    () => Promise.reject(new Error('no room')),
  );
  const [failed] = await Promise.allSettled([fails, clock.advance(5_000)]);
  expect(failed).toMatchObject({ status: 'rejected', reason: { message: 'no room' } });
  const next = inTurn(
    sceneOf('b'),
    () => {},
    async () => 'b',
  );
  await clock.advance(5_000);
  expect(await next).toBe('b');
  const refuse = async () => {
    throw new StatusError('ServiceUnavailable', 'nobody answers');
  };
  const cut = { ...client, get: refuse, create: refuse, update: refuse } as unknown as Client;
  await expect(
    inTurn(
      sceneOf('c', 'server', cut),
      () => {},
      async () => 'c',
    ),
  ).rejects.toThrow('nobody answers');
});
