/**
 * The copy of etcd's data that a recovery works on. The data itself is not touched until the copy is what it shall be; then the two
 * change places, and the old data stays. Interrupted anywhere, a new try starts over with the data of before.
 */
import { constants } from 'node:fs';
import { cp, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Paths } from '../paths.ts';
import { syncPath } from '../state/backup-file.ts';

export interface WorkCopy {
  /** Where etcd is to run. */
  path: string;
  /** Puts it in the place of the data; resolves to where that is kept. */
  swap(): Promise<string | undefined>;
  /** Leaves the data as it was. */
  discard(): Promise<void>;
}

const dataPath = ({ root }: Pick<Paths, 'root'>) => join(root, 'etcd/data');
const workPath = ({ root }: Pick<Paths, 'root'>) => join(root, 'etcd/recovering');
const replacedPath = ({ root }: Pick<Paths, 'root'>) => join(root, 'etcd/replaced');

/** `empty`: for a cluster that begins anew. */
export async function workCopy(
  paths: Pick<Paths, 'root'>,
  { empty, nowMs }: { empty: boolean; nowMs: number },
): Promise<WorkCopy> {
  const [data, work, replaced] = [dataPath(paths), workPath(paths), replacedPath(paths)];
  const time = `${new Date(nowMs).toISOString().slice(0, 19).replaceAll(':', '-')}Z`;
  const kept = `${data}.before-${time}`;
  // An earlier try ended while the two changed places, or had done so.
  if (await exists(replaced))
    await rename(replaced, (await exists(data)) ? `${data}.before-earlier-than-${time}` : data);
  await rm(work, { recursive: true, force: true });
  if (!empty) await copied(data, work);
  return {
    path: work,
    discard: () => rm(work, { recursive: true, force: true }),
    async swap() {
      await syncTree(work);
      const had = await exists(data);
      if (had) await rename(data, replaced);
      await rename(work, data);
      await syncPath(dirname(data));
      if (!had) return undefined;
      await rename(replaced, kept);
      return kept;
    },
  };
}

async function copied(from: string, to: string): Promise<void> {
  try {
    await cp(from, to, { recursive: true, mode: constants.COPYFILE_FICLONE });
  } catch (error) {
    await rm(to, { recursive: true, force: true });
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Error(
      code === 'ENOSPC'
        ? `${dirname(to)} has no room for a copy of etcd's data, which a recovery works on: make room; nothing was changed`
        : `etcd's data could not be copied: ${message}; nothing was changed`,
    );
  }
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}

async function syncTree(path: string): Promise<void> {
  for (const entry of await readdir(path, { withFileTypes: true, recursive: true }))
    await syncPath(join(entry.parentPath, entry.name));
  await syncPath(path);
}
