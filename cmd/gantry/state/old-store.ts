import { join } from 'node:path';
import type { Files } from '#machinery/io.ts';
import type { Paths } from '../paths.ts';

/** The database, and what SQLite keeps beside it. The first one last: it tells that the others have been moved. */
const FILES = ['store.db-wal', 'store.db-shm', 'store.db'];
const ASIDE = '.promoted';
const OWNER_READS = 0o400;

/** Where the embedded store lies once the cluster has left it. */
export function oldStorePath({ store }: Pick<Paths, 'store'>): string {
  return join(store, asideOf('store.db'));
}

function asideOf(name: string): string {
  return name.replace('store.db', `store.db${ASIDE}`);
}

/**
 * Puts the embedded store aside, and in its place a text that is no database: no version of the program can start on it, or make a new
 * one there, by accident. Harmless when that is done; goes on where it was interrupted.
 */
export async function setOldStoreAside(
  files: Files,
  paths: Pick<Paths, 'store'>,
  where: string,
  protect: (path: string, mode: number) => Promise<void>,
): Promise<void> {
  const { store } = paths;
  if (!(await files.stat(oldStorePath(paths))))
    for (const name of FILES)
      if (await files.stat(join(store, name)))
        await files.rename(join(store, name), join(store, asideOf(name)));
  if (await files.stat(oldStorePath(paths))) await protect(oldStorePath(paths), OWNER_READS);
  if (await files.stat(join(store, 'store.db'))) return;
  const text = `The cluster was moved to ${where} ("gantry promote"). What it was before lies in store.db${ASIDE}.\n`;
  await files.mkdir(store, 0o700);
  await files.write(join(store, 'store.db'), text, OWNER_READS);
}
