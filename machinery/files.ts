import { constants, type Stats } from 'node:fs';
import { lstat, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Files } from './io.ts';
import { nameSuffix, type Random, systemRandom } from './random.ts';

/**
 * The disk. Writes go to a new file beside the target, are synced, renamed over it, and the directory is synced too: a
 * crash at any point leaves the old or the new whole (rename(2), fsync(2)).
 */
export function systemFiles(random: Random = systemRandom): Files {
  return {
    read: (path) => readFile(path).catch((error) => ifAbsent(error, undefined)),
    write: (path, data, mode = 0o644) => replace(path, data, mode, random),
    async mkdir(path, mode = 0o755) {
      await mkdir(path, { recursive: true, mode });
    },
    remove: (path) => rm(path, { recursive: true, force: true }),
    list: async (path) =>
      (await readdir(path).catch((error) => ifAbsent(error, []))).filter((name) => !isTemporary(name)).sort(),
    async stat(path) {
      const stats: Stats | undefined = await lstat(path).catch((error) => ifAbsent(error, undefined));
      return stats && { sizeBytes: stats.size, modifiedMs: stats.mtimeMs, isDirectory: stats.isDirectory() };
    },
    async rename(from, to) {
      await rename(from, to);
      await syncDirectory(dirname(to));
    },
  };
}

const TEMPORARY = '.gantry-write-';

function isTemporary(name: string): boolean {
  return name.startsWith(TEMPORARY);
}

async function replace(path: string, data: Uint8Array | string, mode: number, random: Random): Promise<void> {
  const directory = dirname(path);
  const temporary = join(directory, `${TEMPORARY}${nameSuffix(random, 10)}`);
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  // Made with no rights but the owner's, so that a secret is never readable between open and chmod.
  const handle = await open(temporary, flags, 0o600);
  try {
    try {
      await handle.chmod(mode);
      await handle.writeFile(data);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncDirectory(directory);
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function ifAbsent<T>(error: NodeJS.ErrnoException, absent: T): T {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return absent;
  throw error;
}
