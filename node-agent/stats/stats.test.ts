import { expect, test } from 'vitest';
import type { ContainerStats } from '#runtime/contract.ts';
import type { PodWorker } from '../pods/worker.ts';
import { podStats } from './stats.ts';

const stats = (oomKills: number): ContainerStats => ({
  ...{ cpuNs: 5, memoryBytes: 2, memoryWorkingSetBytes: 1, pids: 1 },
  oomKills,
});

/** One container that runs, and one that has ended. */
const worker = (oomKills: [string, number][]) =>
  ({
    uid: 'u',
    pod: () => ({ metadata: { namespace: 'shop', name: 'web' } }),
    observed: () => ({
      sandbox: 'ready',
      containers: new Map([
        ['main', { run: { id: 'main.1', state: 'running' } }],
        ['old', { run: { id: 'old.0', state: 'exited', exit: { code: 0 } } }],
      ]),
    }),
    oomKills: new Map(oomKills),
  }) as unknown as PodWorker;

const use = async (kills: [string, number][], counted: number) => {
  const runtime = { stats: async (_: string, id?: string) => stats(id ? counted : 9) };
  const [found] = await podStats({ list: () => [worker(kills)] }, runtime);
  return found!;
};

test('a container that starts anew has been killed as often as before', async () => {
  expect(await use([['main', 2]], 0)).toMatchObject({
    ...{ namespace: 'shop', name: 'web', whole: { oomKills: 9 } },
    containers: [{ name: 'main', oomKills: 2 }],
  });
});

test('what its group counted before the agent began counts too', async () => {
  expect((await use([], 3)).containers).toEqual([expect.objectContaining({ name: 'main', oomKills: 3 })]);
});
