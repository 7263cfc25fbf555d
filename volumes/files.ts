import {
  chmod,
  chown,
  lstat,
  mkdir,
  readdir,
  readlink,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';

/**
 * What volume drivers do to the node's file system, passed in so that tests can fail any step. Nothing here waits for the
 * disk: a volume that a power cut tore is made anew with its pod.
 */
export interface VolumeFiles {
  /** With parents; the mode is set whatever the umask is. Harmless when it exists (the mode is set again). */
  mkdir(path: string, mode: number): Promise<void>;
  /** A new or replaced file with exactly this mode. Never follows a link at `path`. */
  write(path: string, data: Uint8Array, mode: number): Promise<void>;
  /** Undefined when there is no link at `path`. */
  readlink(path: string): Promise<string | undefined>;
  symlink(target: string, path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** A file, link or whole directory; never follows links. Harmless when it is gone. */
  remove(path: string): Promise<void>;
  /** Sorted names; empty when there is no such directory. */
  list(path: string): Promise<string[]>;
  /** -1 leaves the user or the group as it is. */
  chown(path: string, uid: number, gid: number): Promise<void>;
  /** What is at `path`, not following a link; undefined when nothing is. */
  type(path: string): Promise<FileType | undefined>;
}

export type FileType = 'file' | 'directory' | 'link' | 'socket' | 'charDevice' | 'blockDevice' | 'other';

/** The node's own file system. */
export const systemVolumeFiles: VolumeFiles = {
  async mkdir(path, mode) {
    await mkdir(path, { recursive: true });
    await chmod(path, mode);
  },
  async write(path, data, mode) {
    await rm(path, { force: true });
    await writeFile(path, data, { mode, flag: 'wx' });
    await chmod(path, mode);
  },
  readlink: (path) => missing(readlink(path), undefined, 'EINVAL'),
  symlink: (target, path) => symlink(target, path),
  rename: (from, to) => rename(from, to),
  remove: (path) => rm(path, { recursive: true, force: true }),
  list: async (path) => (await missing(readdir(path), [])).sort(),
  chown: (path, uid, gid) => chown(path, uid, gid),
  async type(path) {
    const stat = await missing(lstat(path), undefined);
    if (!stat) return undefined;
    if (stat.isFile()) return 'file';
    if (stat.isDirectory()) return 'directory';
    if (stat.isSymbolicLink()) return 'link';
    if (stat.isSocket()) return 'socket';
    if (stat.isCharacterDevice()) return 'charDevice';
    return stat.isBlockDevice() ? 'blockDevice' : 'other';
  },
};

/** `otherwise` when nothing is there (or the error has `code`); every other error stays one. */
async function missing<T, U>(work: Promise<T>, otherwise: U, code?: string): Promise<T | U> {
  try {
    return await work;
  } catch (error) {
    const found = (error as NodeJS.ErrnoException).code;
    if (found === 'ENOENT' || found === 'ENOTDIR' || (code !== undefined && found === code)) return otherwise;
    throw error;
  }
}
