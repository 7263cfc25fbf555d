import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** What a directory and everything below it take of a file system. */
export interface DirectoryUsage {
  bytes: number;
  inodes: number;
}

/** Bounds the walk that is made at once; the rest waits. */
const WALK_WIDTH = 32;
/** st_blocks counts these. */
const BLOCK_BYTES = 512;

/** Walks it as it is; a file with several names counts once, and what goes meanwhile (or was never there) for nothing. */
export async function directoryUsage(path: string): Promise<DirectoryUsage> {
  const total = { bytes: 0, inodes: 0 };
  const counted = new Set<string>();
  let level = [path];
  while (level.length > 0) {
    const next: string[] = [];
    for (let at = 0; at < level.length; at += WALK_WIDTH) {
      const children = await Promise.all(
        level.slice(at, at + WALK_WIDTH).map((each) => count(each, total, counted)),
      );
      next.push(...children.flat());
    }
    level = next;
  }
  return total;
}

/** Adds one entry to `total` and returns its children when it is a directory. */
async function count(path: string, total: DirectoryUsage, counted: Set<string>): Promise<string[]> {
  const stat = await lstat(path).catch(undefinedIfMissing);
  if (!stat) return [];
  const inode = `${stat.dev}:${stat.ino}`;
  if (counted.has(inode)) return [];
  if (stat.nlink > 1 && !stat.isDirectory()) counted.add(inode);
  total.inodes++;
  total.bytes += stat.blocks * BLOCK_BYTES;
  if (!stat.isDirectory()) return [];
  const names = (await readdir(path).catch(undefinedIfMissing)) ?? [];
  return names.map((name) => join(path, name));
}

function undefinedIfMissing(error: unknown): undefined {
  const { code } = error as NodeJS.ErrnoException;
  if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error;
}
