import { chmod, mkdir, open, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

/** The small files of a pod on the node: /etc/hosts and its like, termination messages, logs. */
export interface PodFiles {
  /** Written in place, so that a container that has it mounted sees the change. Makes parent directories. */
  put(path: string, text: string, mode: number): Promise<void>;
  /** The beginning of a file, at most `limit` bytes; empty when there is none. */
  head(path: string, limit: number): Promise<string>;
  /** The end of a file, at most `limit` bytes; empty when there is none. */
  tail(path: string, limit: number): Promise<string>;
  mkdir(path: string): Promise<void>;
  /** Names in a directory; empty when there is none. */
  list(path: string): Promise<string[]>;
  /** A file or a whole directory; harmless when it is gone. */
  remove(path: string): Promise<void>;
}

export const systemPodFiles: PodFiles = {
  async put(path, text, mode) {
    try {
      await writeFile(path, text);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, text);
    }
    // Not left to the umask: a container without root writes its termination message here.
    await chmod(path, mode);
  },
  head: (path, limit) => part(path, limit, false),
  tail: (path, limit) => part(path, limit, true),
  async mkdir(path) {
    await mkdir(path, { recursive: true });
  },
  async list(path) {
    try {
      return await readdir(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  },
  remove: (path) => rm(path, { recursive: true, force: true }),
};

async function part(path: string, limit: number, fromEnd: boolean): Promise<string> {
  try {
    const handle = await open(path, 'r');
    try {
      const { size } = await handle.stat();
      const length = Math.min(size, limit);
      const { buffer, bytesRead } = await handle.read(
        Buffer.alloc(length),
        0,
        length,
        fromEnd ? size - length : 0,
      );
      return buffer.toString('utf8', 0, bytesRead);
    } finally {
      await handle.close();
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}
