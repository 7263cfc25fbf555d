import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { systemFiles } from '#machinery/files.ts';
import type { Files } from '#machinery/io.ts';
import type { Paths } from '../paths.ts';
import type { StoreChoice } from '../state/store-choice.ts';
import { readMember } from './record.ts';
import type { RunDeps } from './run.ts';

/** What was asked for and what a data directory holds do not go together. */
export class OtherStoreError extends Error {
  override readonly name = 'OtherStoreError';
}

/**
 * Where the state of a data directory is, when no store was asked for by name: once its servers run an etcd, there. Throws
 * OtherStoreError for another one than it has.
 */
export async function storeInCharge(store: StoreChoice, paths: Paths, files: Files): Promise<StoreChoice> {
  const member = await readMember(files, paths);
  if (member && store.kind === 'sqlite' && !store.said) return { kind: 'managed-etcd' };
  if (member && store.kind !== 'managed-etcd')
    throw new OtherStoreError(`${paths.root} has an etcd of its own: leave --store out`);
  if (!member && store.kind === 'managed-etcd' && existsSync(join(paths.store, 'store.db')))
    throw new OtherStoreError(
      `${paths.root} keeps its state in SQLite, and an etcd would begin with none: start it without that, then move it there with "gantry promote --etcd managed"`,
    );
  return store;
}

/** Does `work` on the store of a data directory that no server uses: where that is a managed etcd, its member here runs meanwhile. */
export async function withStoreOf<T>(
  { store, paths }: { store: StoreChoice; paths: Paths },
  deps: RunDeps,
  work: () => Promise<T>,
): Promise<T> {
  const member = store.kind === 'managed-etcd' ? await readMember(systemFiles(), paths) : undefined;
  if (!member) return await work();
  const { withMember } = await import('./run.ts');
  return await withMember(paths, member, deps, work);
}
