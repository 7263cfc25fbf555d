import { execFileSync } from 'node:child_process';
import { chown, mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { snapshotsConformance } from '../conformance.ts';
import { OverlayfsSnapshots } from './index.ts';

async function inTemporary<T>(use: (base: string) => Promise<T>): Promise<T> {
  const base = await mkdtemp(join(tmpdir(), 'gantry-snapshots-'));
  try {
    return await use(base);
  } finally {
    await rm(base, { recursive: true, force: true });
  }
}

snapshotsConformance('overlayfs', async () => {
  const base = await mkdtemp(join(tmpdir(), 'gantry-snapshots-'));
  return {
    snapshots: new OverlayfsSnapshots(join(base, 'snapshots')),
    layer: () => mkdtemp(join(base, 'layer-')),
    close: () => rm(base, { recursive: true, force: true }),
  };
});

test("the root of the container has the mode of the image's root", () =>
  inTemporary(async (base) => {
    const layer = join(base, 'layer');
    await mkdir(layer, { mode: 0o755 });
    const mount = await new OverlayfsSnapshots(join(base, 's')).prepare('a', [layer]);
    const upper = mount.options[1]!.split('=')[1]!;
    expect((await stat(upper)).mode & 0o7777).toBe(0o755);
  }));

test('what a container wrote is kept by prepare and counted by usage', () =>
  inTemporary(async (base) => {
    const layer = join(base, 'layer');
    await mkdir(layer);
    const snapshots = new OverlayfsSnapshots(join(base, 's'));
    const upper = (await snapshots.prepare('a', [layer])).options[1]!.split('=')[1]!;
    await writeFile(join(upper, 'file'), Buffer.alloc(8192, 1));
    await snapshots.prepare('a', [layer]);
    const usage = await snapshots.usage('a');
    expect(usage.inodes).toBe(2);
    expect(usage.bytes).toBeGreaterThanOrEqual(8192);
  }));

test.skipIf(process.getuid?.() !== 0)(
  'what is written is whole by itself: no pointer into the layers below',
  () =>
    inTemporary(async (base) => {
      const layer = join(base, 'layer');
      await mkdir(join(layer, 'directory'), { recursive: true });
      await writeFile(join(layer, 'file'), 'content');
      await writeFile(join(layer, 'directory/inner'), 'inner');
      const { options } = await new OverlayfsSnapshots(join(base, 's')).prepare('a', [layer]);
      const upper = options[1]!.split('=')[1]!;
      const merged = join(base, 'merged');
      await mkdir(merged);
      execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', options.join(','), merged]);
      try {
        await chown(join(merged, 'file'), 7, 7);
        expect(await readFile(join(upper, 'file'), 'utf8')).toBe('content');
        await expect(rename(join(merged, 'directory'), join(merged, 'renamed'))).rejects.toThrow('EXDEV');
      } finally {
        execFileSync('umount', [merged]);
      }
    }),
);

test('what a crash left half done is not listed and is swept', () =>
  inTemporary(async (base) => {
    const directory = join(base, 's');
    await mkdir(join(directory, 'half/fs'), { recursive: true });
    await mkdir(join(directory, '.gone-1-0-old/fs'), { recursive: true });
    const snapshots = new OverlayfsSnapshots(directory);
    expect(await snapshots.list()).toEqual([]);
    await snapshots.sweep();
    await expect(stat(join(directory, 'half'))).rejects.toThrow('ENOENT');
    await expect(stat(join(directory, '.gone-1-0-old'))).rejects.toThrow('ENOENT');
  }));
