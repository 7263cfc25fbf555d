import { constants, type Stats } from 'node:fs';
import { lstat, open } from 'node:fs/promises';
import type { AccountFiles } from './user.ts';

/** Longer account files are cut: nobody needs them, and the agent's memory is everybody's. */
const MAX_BYTES = 1024 * 1024;

/**
 * /etc/passwd and /etc/group of an image, read in its layer directories from the top: a link is never followed, and a
 * whiteout (overlayfs: a character device 0/0) hides what lies below. Layers are written once and never change.
 */
export async function readAccountFiles(layers: readonly string[]): Promise<AccountFiles> {
  const [passwd, group] = await Promise.all([readTop(layers, 'passwd'), readTop(layers, 'group')]);
  return { passwd, group };
}

async function readTop(layers: readonly string[], name: string): Promise<string> {
  for (const layer of [...layers].reverse()) {
    const directory = await look(`${layer}/etc`);
    if (!directory) continue;
    if (!directory.isDirectory()) return '';
    const file = await look(`${layer}/etc/${name}`);
    if (!file) continue;
    return file.isFile() ? readFile(`${layer}/etc/${name}`) : '';
  }
  return '';
}

async function readFile(path: string): Promise<string> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const buffer = Buffer.alloc(Math.min(MAX_BYTES, (await handle.stat()).size));
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await handle.close();
  }
}

async function look(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
