import { chmodSync, existsSync, lstatSync, mkdirSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from '#machinery/log.ts';
import type { Paths } from '../paths.ts';

/** Source: statfs(2), TMPFS_MAGIC. */
const TMPFS = 0x01021994;

const CANDIDATES = ['/run', '/dev/shm'];

/** Where secrets of pods are kept: on a tmpfs, which never reaches a disk. Nothing is mounted for it. */
export function memoryDirectory(instance: string, paths: Paths, log: Logger): string {
  const found = CANDIDATES.find((path) => existsSync(path) && statfsSync(path).type === TMPFS);
  if (found) return join(found, `gantry-${instance}`);
  log.warn('Neither /run nor /dev/shm is a tmpfs: secrets of pods are kept on disk');
  return join(paths.agent, 'memory');
}

/**
 * Makes a directory that only its owner enters: the files of pods inside have the modes that pods ask for. /dev/shm is
 * everybody's, so one that somebody else has made there, or a link, is an error.
 */
export function makePrivate(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const found = lstatSync(path);
  if (!found.isDirectory() || found.uid !== process.getuid?.()) {
    throw new Error(`${path} is not a directory of this user: somebody else made it; remove it`);
  }
  chmodSync(path, 0o700);
}
