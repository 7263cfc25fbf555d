import { readFile, writeFile } from 'node:fs/promises';

/** Kernel parameters of the node's network namespace. Keys as sysctl(8) writes them: `net.ipv4.ip_forward`. */
export interface Sysctl {
  /** Undefined when this kernel has no such parameter. */
  read(key: string): Promise<string | undefined>;
  /** Writing what is there already is harmless. */
  write(key: string, value: string): Promise<void>;
}

/** /proc/sys of this process, which must be in the node's network namespace. */
export const systemSysctl: Sysctl = {
  async read(key) {
    try {
      return (await readFile(pathOf(key), 'utf8')).trim();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  },
  async write(key, value) {
    if ((await this.read(key)) !== value) await writeFile(pathOf(key), value);
  },
};

function pathOf(key: string): string {
  return `/proc/sys/${key.replaceAll('.', '/')}`;
}
