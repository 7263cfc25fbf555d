import type { Stats } from 'node:fs';
import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { rotatedPaths } from './rotated.ts';

/** One file of a log, open: it can be read to its end whatever is done to its name. */
export interface LogFile {
  handle: FileHandle;
  /** Tells the file from others under the same name. */
  inode: number;
  sizeBytes: number;
}

/** All files of a log, oldest first; none when there is no log yet. */
export async function openLog(path: string): Promise<LogFile[]> {
  // First the one that is written: when it is put away just now, it is met again among the old ones.
  const newest = await openIfThere(path);
  const files: LogFile[] = [];
  for (const old of await rotatedOnDisk(path)) {
    const file = await openIfThere(old);
    if (file && file.inode === newest?.inode) {
      await file.handle.close();
      break;
    }
    if (file) files.push(file);
  }
  return newest ? [...files, newest] : files;
}

/** The file that comes after `last`, once `last` has been put away and its writer knows: it grows no more then. */
export async function openNext(path: string, last: LogFile): Promise<LogFile | undefined> {
  for (;;) {
    const written = await statIfThere(path);
    if (!written || written.ino === last.inode) return undefined;
    const putAway = await openPutAwayAfter(path, last);
    if (putAway) return putAway;
    const next = await openIfThere(path);
    // What was written a moment ago may have been put away since: then it is among the old ones, and comes first.
    if (!next || next.inode === written.ino) return next;
    await next.handle.close();
  }
}

/** The oldest of the files put away after `last`; a slow reader may have missed whole files. */
async function openPutAwayAfter(path: string, last: LogFile): Promise<LogFile | undefined> {
  let between: LogFile | undefined;
  // One that is gone itself was older than all that are there.
  for (const old of (await rotatedOnDisk(path)).reverse()) {
    const file = await openIfThere(old);
    if (!file) continue;
    if (file.inode === last.inode) {
      await file.handle.close();
      break;
    }
    await between?.handle.close();
    between = file;
  }
  return between;
}

async function rotatedOnDisk(path: string): Promise<string[]> {
  return rotatedPaths(path, await ifThere(readdir(dirname(path)), []));
}

async function openIfThere(path: string): Promise<LogFile | undefined> {
  const handle = await ifThere<FileHandle | undefined>(open(path, 'r'), undefined);
  if (!handle) return undefined;
  const { ino, size } = await handle.stat();
  return { handle, inode: ino, sizeBytes: size };
}

function statIfThere(path: string): Promise<Stats | undefined> {
  return ifThere<Stats | undefined>(stat(path), undefined);
}

async function ifThere<T>(found: Promise<T>, otherwise: T): Promise<T> {
  try {
    return await found;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return otherwise;
  }
}
