import { existsSync } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type Checked, checkBackup } from '#apiserver/backup/restore.ts';

export interface BackupFileOptions {
  /** A file of the name may be replaced. */
  force: boolean;
  signal: AbortSignal;
  progress?: (bytes: number) => void;
}

/**
 * Keeps a backup as a file: whole and checked under its name, or not at all. It is written beside it, readable by its
 * owner only, synced and renamed.
 */
export async function writeBackupFile(
  file: string,
  chunks: AsyncIterable<Uint8Array>,
  { force, signal, progress }: BackupFileOptions,
): Promise<Checked> {
  refuseExisting(file, force);
  const temporary = join(dirname(file), `.${basename(file)}.${process.pid}.partial`);
  try {
    const handle = await open(temporary, 'wx', 0o600);
    let checked: Checked;
    try {
      checked = await checkBackup(copied(chunks, handle, signal, progress));
      await handle.sync();
    } finally {
      await handle.close();
    }
    refuseExisting(file, force);
    await rename(temporary, file);
    await syncPath(dirname(file));
    return checked;
  } catch (error) {
    await rm(temporary, { force: true });
    throw told(error as NodeJS.ErrnoException, file);
  }
}

async function* copied(
  chunks: AsyncIterable<Uint8Array>,
  handle: FileHandle,
  signal: AbortSignal,
  progress: BackupFileOptions['progress'],
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of chunks) {
    if (signal.aborted) throw new Error('stopped; no backup was written');
    // A handle's writeFile goes on from where the last one ended, and writes all of it.
    await handle.writeFile(chunk);
    bytes += chunk.length;
    progress?.(bytes);
    yield chunk;
  }
}

export function refuseExisting(file: string, force: boolean): void {
  if (!force && existsSync(file)) throw new Error(`${file} exists: say --force to replace it`);
}

/** A file or a directory is on the disk once it resolves. */
export async function syncPath(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** What went wrong with the file, in words. */
function told(error: NodeJS.ErrnoException, file: string): Error {
  const folder = dirname(file);
  switch (error.code) {
    case 'ENOSPC':
    case 'EDQUOT':
    case 'EFBIG':
      return new Error(`${folder} has no room for the backup; nothing was kept`);
    case 'ENOENT':
    case 'ENOTDIR':
      return new Error(`${folder} is no folder`);
    case 'EACCES':
    case 'EROFS':
      return new Error(`${folder} cannot be written to: ${error.message}`);
    default:
      return error;
  }
}
