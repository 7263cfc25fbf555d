import { existsSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from '#machinery/log.ts';
import type { Paths } from './paths.ts';

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
