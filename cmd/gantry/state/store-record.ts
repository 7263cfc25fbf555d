import { join, resolve } from 'node:path';
import type { Promoted } from '#apiserver/promotion/promote.ts';
import { rfc3339 } from '#machinery/clock.ts';
import { systemFiles } from '#machinery/files.ts';
import type { Files } from '#machinery/io.ts';
import { storeInCharge } from '../managed-etcd/choice.ts';
import type { EtcdFlags, StoreFlags } from '../options.ts';
import type { Paths } from '../paths.ts';
import { readVersioned } from '../versioned-file.ts';
import { parseStore, type StoreChoice, storeText } from './store-choice.ts';

/**
 * `store.json` of a data directory: that the cluster was moved to etcd. It is what decides where the state is: with it a server starts
 * on etcd, whatever it was told by flags that do not know of the move.
 */
export interface StoreRecord {
  store: StoreChoice;
  /** Files are named by their whole paths. */
  etcd: EtcdFlags;
  promoted: Promoted;
  /** RFC 3339. */
  time: string;
}

/** The state is elsewhere: what is in SQLite here is of before. */
export class PromotedStoreError extends Error {
  override readonly name = 'PromotedStoreError';
}

const VERSION = 1;

function recordPath({ root }: Pick<Paths, 'root'>): string {
  return join(root, 'store.json');
}

/** undefined: the cluster was never moved. Throws for a file of a newer version, and a damaged one. */
export async function readStoreRecord(
  files: Files,
  paths: Pick<Paths, 'root'>,
): Promise<StoreRecord | undefined> {
  return readVersioned(files, recordPath(paths), VERSION, ({ store: text, ...rest }) => {
    const store = parseStore(text);
    if (!store || store.kind === 'sqlite') throw new RangeError(`it names no etcd: ${JSON.stringify(text)}`);
    return { store, ...rest };
  });
}

/** Whole and durable when it resolves. When it rejects, the record is not there. */
export async function writeStoreRecord(
  files: Files,
  paths: Pick<Paths, 'root'>,
  { store, ...rest }: StoreRecord,
): Promise<void> {
  const path = recordPath(paths);
  const text = JSON.stringify({ version: VERSION, store: storeText(store), ...rest }, null, 2);
  try {
    await files.write(path, `${text}\n`, 0o600);
  } catch (error) {
    const seen = await files.read(path).catch(() => 'who knows');
    if (seen === undefined) throw error;
    // It has its name and decides from now on, though a power cut might take it away still: the next start makes it durable.
  }
}

export function storeRecord(
  store: StoreChoice,
  flags: EtcdFlags,
  promoted: Promoted,
  nowMs: number,
): StoreRecord {
  return { store, etcd: flags, promoted, time: rfc3339(nowMs) };
}

const FILE_FLAGS = ['etcdCa', 'etcdCert', 'etcdKey', 'etcdPasswordFile'] as const;
const TEXT_FLAGS = ['etcdServerName', 'etcdUsername'] as const;

/** The flags about etcd alone, files by their whole paths. */
export function etcdFlagsOf(flags: EtcdFlags): EtcdFlags {
  const found: EtcdFlags = {};
  for (const name of FILE_FLAGS) if (flags[name] !== undefined) found[name] = resolve(flags[name]);
  for (const name of TEXT_FLAGS) if (flags[name] !== undefined) found[name] = flags[name];
  return found;
}

/**
 * The flags with the store that is in charge. Who names an etcd knows better than the record where it is now. Throws
 * PromotedStoreError when SQLite was asked for by name.
 */
export function withRecord<T extends StoreFlags>(flags: T, record: StoreRecord | undefined): T {
  if (!record || flags.store.kind !== 'sqlite') return flags;
  const { store, time } = record;
  if (flags.store.said)
    throw new PromotedStoreError(
      `--store sqlite: this cluster was moved to ${storeText(store)} at ${time}, and what SQLite holds is of before; leave --store out`,
    );
  return { ...flags, ...record.etcd, ...etcdFlagsOf(flags), store };
}

/** The same, with the record of the data directory. */
export async function inCharge<T extends StoreFlags & { paths: Paths }>(settings: T): Promise<T> {
  const files = systemFiles();
  const store = await storeInCharge(settings.store, settings.paths, files);
  return withRecord({ ...settings, store }, await readStoreRecord(files, settings.paths));
}
