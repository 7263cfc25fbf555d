import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemFiles } from '#machinery/files.ts';
import { silentLogger } from '#machinery/log.ts';
import { readUpgrade, type UpgradeRecord, writeUpgrade } from './record.ts';
import { fallBack, handOver, withoutOwnLibraries } from './supervisor.ts';

const files = systemFiles();
let root: string;
let became: string[];
const folder = (name: string) => join(root, name);
const deps = (own: string) => ({
  ...{ files, log: silentLogger, own: folder(own) },
  become: (program: string) => void became.push(program),
});
const record = (state: UpgradeRecord['state']): UpgradeRecord => ({
  ...{ program: folder('new'), before: folder('old'), state },
});

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'gantry-upgrade-'));
  became = [];
  for (const name of ['new', 'old']) {
    mkdirSync(join(folder(name), 'bin'), { recursive: true });
    writeFileSync(join(folder(name), 'bin/gantry'), '');
  }
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

test('a supervisor becomes what it is told to, and says so when it is told nothing', async () => {
  await expect(handOver({ root }, deps('old'))).rejects.toThrow('it is not said which program');
  await writeUpgrade(files, { root }, record('trial'));
  await handOver({ root }, deps('old'));
  expect(became).toEqual([folder('new')]);
});

test('a program on trial that cannot run gives way to the one before, and leaves word why', async () => {
  await writeUpgrade(files, { root }, record('trial'));
  await fallBack({ root }, 'no disk', deps('new'));
  expect(became).toEqual([folder('old')]);
  expect(await readUpgrade(files, { root })).toEqual({
    ...{ program: folder('old'), before: folder('new'), state: 'failed', why: 'no disk' },
  });
  // Which, when it cannot run either, ends.
  await fallBack({ root }, 'no disk', deps('old'));
  expect(became).toHaveLength(1);
});

test.each([
  ['that has shown that it runs', 'done', 'new'],
  ['that is another one', 'trial', 'other'],
] as const)('a program %s ends', async (_, state, own) => {
  await writeUpgrade(files, { root }, record(state));
  await fallBack({ root }, 'no disk', deps(own));
  expect(became).toEqual([]);
});

test('a program whose forerunner is gone ends', async () => {
  await writeUpgrade(files, { root }, record('trial'));
  rmSync(folder('old'), { recursive: true });
  await fallBack({ root }, 'no disk', deps('new'));
  expect(became).toEqual([]);
});

test('a record of a newer version, or a damaged one, is refused', async () => {
  expect(await readUpgrade(files, { root })).toBeUndefined();
  await writeUpgrade(files, { root }, record('done'));
  const path = join(root, 'upgrade.json');
  writeFileSync(path, readFileSync(path, 'utf8').replace('"version": 1', '"version": 2'));
  await expect(readUpgrade(files, { root })).rejects.toThrow('it is of version 2, this program reads 1');
  writeFileSync(path, '{');
  await expect(readUpgrade(files, { root })).rejects.toThrow('cannot be used');
});

test('the libraries of the program before are not looked for any more', () => {
  const libraries = (path?: string) => withoutOwnLibraries({ A: 'b', LD_LIBRARY_PATH: path }, '/opt/old');
  expect(libraries('/opt/old/dist/lib')).toEqual({ A: 'b' });
  expect(libraries('/opt/old/dist/lib:/lib/x')).toEqual({ A: 'b', LD_LIBRARY_PATH: '/lib/x' });
  expect(libraries()).toEqual({ A: 'b' });
});
