import { constants } from 'node:fs';
import { chmod, chown, lstat, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { directoryUsage } from '#machinery/directory-usage.ts';
import type { SnapshotMount, Snapshots } from '../contract.ts';
import { checkId, checkLayers, SnapshotError } from '../names.ts';

/**
 * What kernels are built with differs, and what is written must be whole by itself, whatever kernel comes next: a renamed
 * directory of a lower layer is copied, not pointed to (redirect_dir), a file whose owner changes is copied with its content
 * (metacopy), and no index ties the upper directory to its lower ones. Nor is such a pointer in a layer followed. Inode
 * numbers are one file's each where the file systems have bits to spare (xino). Source: Linux, filesystems/overlayfs.rst.
 */
const CHOSEN = ['index=off', 'metacopy=off', 'redirect_dir=nofollow', 'xino=auto'];

/**
 * Overlayfs snapshots. Layout, below the directory given:
 *
 *   <id>/layers   the layers it is over, one per line; written last: its presence makes the snapshot whole
 *   <id>/fs       what was written (upperdir)
 *   <id>/work     overlayfs' own (workdir)
 *   .gone-*       snapshots being removed
 */
export class OverlayfsSnapshots implements Snapshots {
  readonly #directory: string;
  #removals = 0;

  /** `directory` is made on first use, with mode 0700; a file system that can be an upperdir. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  async prepare(id: string, layers: readonly string[]): Promise<SnapshotMount> {
    checkId(id);
    checkLayers(layers);
    const home = join(this.#directory, id);
    const recorded = await readIfThere(join(home, 'layers'));
    if (recorded !== undefined && recorded !== layers.join('\n')) {
      throw new SnapshotError('LayersChanged', `snapshot ${id} is over other layers: remove it first`);
    }
    if (recorded === undefined) await this.#make(home, layers);
    return {
      type: 'overlay',
      source: 'overlay',
      target: '/',
      options: [
        // Overlay lists the highest first.
        `lowerdir=${layers.toReversed().join(':')}`,
        `upperdir=${join(home, 'fs')}`,
        `workdir=${join(home, 'work')}`,
        ...CHOSEN,
      ],
    };
  }

  async remove(id: string): Promise<void> {
    checkId(id);
    // Renamed first, so that a crash half way does not leave a snapshot that looks whole.
    const gone = join(this.#directory, `.gone-${process.pid}-${this.#removals++}-${id}`);
    try {
      await rename(join(this.#directory, id), gone);
    } catch (error) {
      if (!isMissing(error)) throw error;
      return;
    }
    await rm(gone, { recursive: true, force: true });
  }

  /** Whole snapshots only. */
  async list(): Promise<string[]> {
    const found: string[] = [];
    for (const name of await readdir(this.#directory).catch(ignoreMissing<string[]>([]))) {
      const home = join(this.#directory, name);
      if (!name.startsWith('.gone-') && (await readIfThere(join(home, 'layers'))) !== undefined)
        found.push(name);
    }
    return found.sort();
  }

  /** Removes what a crash left behind: half-made and half-removed snapshots. Call it once, before any prepare. */
  async sweep(): Promise<void> {
    const whole = new Set(await this.list());
    for (const name of await readdir(this.#directory).catch(ignoreMissing<string[]>([]))) {
      if (!whole.has(name)) await rm(join(this.#directory, name), { recursive: true, force: true });
    }
  }

  async usage(id: string): Promise<{ bytes: number; inodes: number }> {
    checkId(id);
    return await directoryUsage(join(this.#directory, id, 'fs'));
  }

  async #make(home: string, layers: readonly string[]): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    await rm(home, { recursive: true, force: true });
    await mkdir(home, { mode: 0o700 });
    // The root of the container takes its mode and owner from here, not from the lower layers.
    await mkdir(join(home, 'fs'));
    await mkdir(join(home, 'work'), { mode: 0o700 });
    const top = await lstat(layers.at(-1)!).catch(() => {
      throw new SnapshotError('InvalidLayer', `layer ${layers.at(-1)} does not exist`);
    });
    await chown(join(home, 'fs'), top.uid, top.gid);
    await chmod(join(home, 'fs'), top.mode & 0o7777);
    const list = await open(
      join(home, 'layers.new'),
      constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL,
      0o600,
    );
    try {
      await list.writeFile(layers.join('\n'));
    } finally {
      await list.close();
    }
    await rename(join(home, 'layers.new'), join(home, 'layers'));
  }
}

function isMissing(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === 'ENOENT' || code === 'ENOTDIR';
}

/** For `catch`: a file that is gone meanwhile counts as `value`; anything else goes on as it is. */
function ignoreMissing<T>(value: T): (error: unknown) => T {
  return (error) => {
    if (isMissing(error)) return value;
    throw error;
  };
}

async function readIfThere(path: string): Promise<string | undefined> {
  return await readFile(path, 'utf8').catch(ignoreMissing(undefined));
}
