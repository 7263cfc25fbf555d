import type { CommitInfo, Op, Store } from '#store/contract.ts';
import { basePut, readBase } from '../engine/base.ts';
import { type KeySpace, keySpace } from '../engine/keys.ts';
import { BATCH_OPS, Batches } from './batches.ts';
import { type BackupEnd, BackupFormatError, type BackupHeader } from './format.ts';
import { refuseHalfRestored } from './marker.ts';
import { readBackup } from './read.ts';

/** The store holds a cluster already, and nobody said that it may go. */
export class StoreNotEmptyError extends Error {
  override readonly name = 'StoreNotEmptyError';
}

/**
 * Clients may have seen more resourceVersions than the backup knows of: those handed out after it was made, which are lost
 * with the old store. More writes than this take years. Source: etcd's advice for restores (`--bump-revision`).
 */
const UNSEEN_VERSIONS = 1_000_000_000;

export interface Checked {
  header: BackupHeader;
  end: BackupEnd;
}

/** Reads a whole backup and keeps nothing of it. Throws BackupFormatError. */
export async function checkBackup(chunks: AsyncIterable<Uint8Array>): Promise<Checked> {
  const checked: Partial<Checked> = {};
  let keys: KeySpace | undefined;
  for await (const part of readBackup(chunks)) {
    if (part.type === 'header') {
      checked.header = part.header;
      keys = keySpace(part.header.cluster);
    } else if (part.type === 'end') checked.end = part.end;
    else if (!keys || !part.key.startsWith(keys.root) || isReserved(part.key, keys))
      throw new BackupFormatError(`the backup holds a key that is not its own: ${part.key}`);
  }
  // The reader has refused a file without one of them.
  return checked as Checked;
}

/** Not of the cluster's state: whoever fills a store writes them itself. */
export function isReserved(key: string, keys: KeySpace): boolean {
  return key === keys.base || key === keys.restoring;
}

export interface RestoreOptions {
  store: Store;
  keys: KeySpace;
  cluster: string;
  /** A fresh reading of the file, from its start; called twice. */
  read: () => AsyncIterable<Uint8Array>;
  /** What is in the store may go. */
  force: boolean;
  now: () => number;
  progress?: (done: { entries: number; of: number }) => void;
}

export interface Restored extends Checked {
  /** The newest resourceVersion after it: greater than any before. */
  resourceVersion: number;
}

/**
 * Fills a store with a backup. The whole file is checked before anything is written; from the first commit to the last a mark
 * is in the store, so that a server refuses what an interrupted restore has left, and the restore can be run again.
 * Keys of store leases are restored without one: nothing in the server puts a key under a lease.
 *
 * Throws BackupFormatError and StoreNotEmptyError with nothing changed.
 */
export async function restoreBackup(options: RestoreOptions): Promise<Restored> {
  const { store, keys, cluster, force } = options;
  const checked = await checkBackup(options.read());
  if (checked.header.cluster !== cluster)
    throw new BackupFormatError(
      `the backup is of the cluster "${checked.header.cluster}", this one is "${cluster}"`,
    );
  if (!force && (await store.list(keys.root, { limit: 1 })).entries.length > 0)
    throw new StoreNotEmptyError('the store is not empty: say --force to replace what is in it');
  const info = (): CommitInfo => ({ time: options.now(), actor: 'system:restore', cause: 'gantry restore' });
  const write = (ops: Op[]) => commit(store, ops, info());
  // A store that was filled with the same backup before, and is lost, has handed out versions that nobody here knows of: fewer
  // than milliseconds have gone by since, for a commit takes longer.
  const { base: oldBase, revision: oldRevision } = checked.header;
  const base = await raisedBase(store, keys, Math.max(oldBase + oldRevision, options.now()));
  const mark = Buffer.from(JSON.stringify({ sha256: checked.end.sha256 }));
  await commit(store, [{ op: 'put', key: keys.restoring, value: mark }, basePut(keys.base, base)], info());
  await removeAll(store, keys, write);
  await putAll(options, checked, write);
  const revision = await commit(store, [{ op: 'delete', key: keys.restoring }], info());
  // What came before belongs to another life of the cluster.
  await store.compact(revision);
  return { ...checked, resourceVersion: base + revision };
}

/** Above what the past of the store, and one that has handed out `known`, have handed out. */
async function raisedBase(store: Store, keys: KeySpace, known: number): Promise<number> {
  const past = (await readBase(store, keys.base)).version(await store.revision());
  return Math.max(past, known) + UNSEEN_VERSIONS;
}

/**
 * For a store that may have gone back a little: no resourceVersion is handed out a second time, and clients list anew. No server may be
 * running on it. Resolves to the newest resourceVersion. Rejects with HalfRestoredError.
 */
export async function raiseVersions(store: Store, keys: KeySpace, info: CommitInfo): Promise<number> {
  await refuseHalfRestored(store, keys);
  const base = await raisedBase(store, keys, 0);
  const revision = await commit(store, [basePut(keys.base, base)], info);
  await store.compact(revision);
  return base + revision;
}

/** Deletes what the store holds of the cluster, but for the reserved keys, through `write`. */
export async function removeAll(
  store: Store,
  keys: KeySpace,
  write: (ops: Op[]) => Promise<unknown>,
): Promise<void> {
  let after: string | undefined;
  for (;;) {
    const page = await store.list(keys.root, { limit: BATCH_OPS, after });
    const ops = page.entries
      .filter(({ key }) => !isReserved(key, keys))
      .map(({ key }) => ({ op: 'delete' as const, key }));
    if (ops.length > 0) await write(ops);
    after = page.entries.at(-1)?.key;
    if (!page.more) return;
  }
}

async function putAll(
  options: RestoreOptions,
  { end }: Checked,
  write: (ops: Op[]) => Promise<unknown>,
): Promise<void> {
  let entries = 0;
  const batches = new Batches(async (ops) => {
    await write(ops);
    entries += ops.length;
    options.progress?.({ entries, of: end.entries });
  });
  for await (const part of readBackup(options.read())) {
    if (part.type === 'end' && part.end.sha256 !== end.sha256)
      throw new BackupFormatError('the file was changed while it was read');
    if (part.type !== 'entry') continue;
    await batches.add({ op: 'put', key: part.key, value: Buffer.from(part.value) });
  }
  await batches.flush();
}

async function commit(store: Store, ops: Op[], info: CommitInfo): Promise<number> {
  const result = await store.commit(ops, info);
  if (!result.ok) throw new Error(`the store refused ${result.key}, which nothing was expected of`);
  return result.revision;
}
