import { expect, test } from 'vitest';
import { systemClock } from '#machinery/clock.ts';
import { MemoryFiles } from '#machinery/files-memory.ts';
import { pathsOf } from '../paths.ts';
import { learnedServers, openServers } from './servers.ts';

const FIRST = 'https://192.0.2.11:6443';
const OTHERS = ['https://192.0.2.12:6443', 'https://192.0.2.13:6443'];

const OPTIONS = { clock: systemClock, trusted: () => '', held: () => ({ certificate: '', key: '' }) };

async function node() {
  const [files, paths] = [new MemoryFiles(), pathsOf('/nowhere/gantry')];
  await files.mkdir(paths.agent, 0o700);
  return { files, paths };
}

test('what a node was told of servers is there at its next start', async () => {
  const { files, paths } = await node();
  expect(await learnedServers(files, paths)).toEqual([]);
  const doors = await openServers(files, paths, FIRST, OPTIONS);
  expect(doors.each()).toEqual([FIRST]);
  await doors.learn(OTHERS);
  doors.close();
  expect(await learnedServers(files, paths)).toEqual(OTHERS);
  const again = await openServers(files, paths, FIRST, OPTIONS);
  expect(again.each()).toEqual(OTHERS);
  again.close();
});

test('what cannot be read is learned again', async () => {
  const { files, paths } = await node();
  for (const text of ['', 'no JSON', '{}', '[1, "nowhere"]']) {
    await files.write(`${paths.agent}/servers.json`, text, 0o600);
    expect(await learnedServers(files, paths), text).toEqual([]);
  }
});
