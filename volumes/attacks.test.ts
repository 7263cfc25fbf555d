import { mkdir, mkdtemp, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Volume } from '#api/objects.ts';
import { podWith, sourcesOf } from './conformance.ts';
import { systemVolumeFiles, type VolumeFiles } from './files.ts';
import { volumeDrivers } from './index.ts';

/** Attacks that have the node change owner or mode of its own files while it makes a volume for a pod's fsGroup. */

const FS_GROUP = 2000;
let base: string;
let victim: string;

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'gantry-volumes-'));
  victim = join(base, 'victim');
  await mkdir(victim, { mode: 0o700 });
  await writeFile(join(victim, 'key'), 'secret', { mode: 0o600 });
});
afterEach(() => rm(base, { recursive: true, force: true }));

/** Group and mode of the victim and of the file in it: `0 700, 0 600`. */
async function rights(): Promise<string> {
  const found = await Promise.all([victim, join(victim, 'key')].map((path) => stat(path)));
  return found.map(({ gid, mode }) => `${gid} ${(mode & 0o7777).toString(8)}`).join(', ');
}

const sources = sourcesOf({ configMap: () => ({ key: Buffer.from('of the pod') }) });

async function mount(volume: Volume, files: VolumeFiles): Promise<void> {
  const driver = volumeDrivers(files).find((one) => one.accepts(volume))!;
  const directory = join(base, 'v');
  await driver.mount({ pod: podWith(volume), volume, directory, sources, fsGroup: FS_GROUP });
}

const UNTOUCHED = '0 700, 0 600';
/** Whoever does not look what is there already. */
const unlooking: VolumeFiles = { ...systemVolumeFiles, type: async () => undefined };
/** Whoever does not clear away what lies in the place of the new files. */
const uncleared: VolumeFiles = { ...systemVolumeFiles, remove: async () => {} };

test('CVE-2021-43816: a directory of the node as a volume keeps owner and mode', async () => {
  await symlink(victim, join(base, 'link'));
  for (const path of [victim, join(base, 'link')]) {
    const volume: Volume = { name: 'v', hostPath: { path, type: 'DirectoryOrCreate' } };
    await mount(volume, systemVolumeFiles);
    expect(await rights()).toBe(UNTOUCHED);
  }
  await mount({ name: 'v', hostPath: { path: victim, type: 'DirectoryOrCreate' } }, unlooking);
  expect(await rights()).toBe('0 755, 0 600');
});

test('CVE-2021-43816: a link to it where an empty volume is to be', async () => {
  await symlink(victim, join(base, 'v'));
  await mount({ name: 'v', emptyDir: {} }, systemVolumeFiles);
  expect(await rights()).toBe(UNTOUCHED);
  await mount({ name: 'v', emptyDir: {} }, unlooking);
  expect(await rights()).toBe(`${FS_GROUP} 2777, 0 600`);
});

test('CVE-2021-43816: a link to it where the files of a volume are to be written', async () => {
  const volume: Volume = { name: 'v', configMap: { name: 'c' } };
  await mount(volume, systemVolumeFiles);
  const version = await readlink(join(base, 'v/..data'));
  const plant = async () => {
    await rm(join(base, 'v'), { recursive: true });
    await mkdir(join(base, 'v'));
    await symlink(victim, join(base, 'v', version));
  };
  await plant();
  await mount(volume, systemVolumeFiles);
  expect(await rights()).toBe(UNTOUCHED);
  await plant();
  await mount(volume, uncleared);
  expect(await rights()).toMatch(new RegExp(`^${FS_GROUP} 2775, ${FS_GROUP} `));
});
