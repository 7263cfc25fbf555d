import type { DatabaseSync } from 'node:sqlite';
import {
  type CommitInfo,
  type CommitResult,
  type Entry,
  FutureRevisionError,
  type LeaseId,
  type ListOptions,
  type ListResult,
  type Op,
  type Revision,
  type StoreEvent,
  type WatchBatch,
} from '../contract.ts';
import { Past } from '../past.ts';
import { VersionIndex } from '../version-index.ts';
import { Log, type Row, type RowVersion, rowId, versionOf } from './log.ts';
import { Meta } from './meta.ts';
import { openDatabase, PAGE_BYTES } from './schema.ts';
import { WalIndex } from './wal-index.ts';
import { WholeLog } from './whole-log.ts';

/** Revisions read from the log at a time. */
const PAGE = 500;

/** Versions forgotten in one transaction, so that compaction never holds up commits for long. */
const COMPACT_STEP = 500;

/** Free pages are kept for what comes next, and returned to the file system beyond this share, so many at a time. */
const FREE_SHARE = 0.25;
const VACUUM_PAGES = 50;

/** What a commit changed, as short as it can be told to who knows its operations. */
export interface Applied {
  ok: true;
  /** Of the commit, or the newest when it changed nothing. */
  revision: Revision;
  /** For each operation that changed something its place in the commit and the createRevision of the key. */
  changes: { op: number; createRevision: Revision; previous?: Entry }[];
}

export type Committed = Applied | Extract<CommitResult, { ok: false }>;

/**
 * The embedded store on its file. Synchronous; lives in the worker. The file holds the log of changes and nothing that could
 * be made from it; which version of each key is the newest, and which others can be read, is kept in memory and built when
 * the store is opened, with a check of each row.
 */
export class Database {
  readonly #db: DatabaseSync;
  readonly #log: Log;
  readonly #meta: Meta;
  readonly #wal: WalIndex;
  readonly #index = new VersionIndex<RowVersion>();
  readonly #past: Past<RowVersion>;
  readonly #leases = new Map<LeaseId, number>();
  #revision: Revision;
  /** What the transaction under way has added, to be taken back when it fails. */
  #added: { key: string; version: RowVersion }[] = [];

  /** Throws StoreFailedError or DamagedRowError; the file is left as it is then. */
  constructor(file: string) {
    this.#db = openDatabase(file);
    try {
      this.#log = new Log(this.#db);
      this.#meta = new Meta(this.#db);
      this.#meta.check();
      const floors = Object.entries(JSON.parse(this.#meta.get('floors') ?? '{}') as Record<string, Revision>);
      this.#past = new Past(Number(this.#meta.get('compacted') ?? 0), floors);
      this.#revision = this.#past.floorOf('');
      this.#load();
      this.#wal = new WalIndex(file);
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  get revision(): Revision {
    return this.#revision;
  }

  #load(): void {
    const whole = new WholeLog(this.#revision);
    for (const row of this.#log.scan()) {
      whole.next(row);
      this.#place(row, versionOf(row));
    }
    whole.end();
    for (const { id, ttl } of this.#meta.leases()) this.#leases.set(id, ttl);
  }

  /** Takes a row into what is known. */
  #place({ key, commit }: Row, version: RowVersion): void {
    const { revision } = version;
    const before = this.#index.newest(key);
    if (before) this.#past.supersede(key, before, revision, before.bytes);
    this.#index.add(key, version);
    // A deletion can be read at no revision; it is kept for who watches.
    if (version.gone) this.#past.supersede(key, version, revision, version.bytes);
    if (commit && revision > this.#past.compacted) this.#past.happened(revision, commit.info.time);
    this.#revision = Math.max(this.#revision, revision);
  }

  /** Runs `work` as one durable transaction; nothing of it stays when it throws. */
  transaction<T>(work: () => T): T {
    const before = this.#revision;
    this.#added = [];
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      this.#db.exec('COMMIT');
      return result;
    } catch (error) {
      this.#takeBack(before);
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  #takeBack(revision: Revision): void {
    for (const { key, version } of this.#added.reverse()) this.#index.remove(key, version);
    for (; this.#revision > revision; this.#revision--) this.#past.undo(this.#revision);
  }

  /** Inside a transaction: checks all, then writes all. `previous`: with the values that are replaced. */
  commit(ops: readonly Op[], info: CommitInfo, previous: boolean): Committed {
    for (const { key, expect } of ops) {
      if (expect !== undefined && expect !== (this.#index.newest(key)?.revision ?? 0))
        return { ok: false, key, actual: this.get(key) };
    }
    const revision = this.#revision + 1;
    const changes: Applied['changes'] = [];
    const effective = ops.map(
      ({ op, key }) => op === 'put' || (op === 'delete' && this.#index.newest(key) !== undefined),
    );
    const rows = effective.filter(Boolean).length;
    for (const [at, op] of ops.entries()) {
      if (!effective[at]) continue;
      const before = this.#index.newest(op.key);
      const replaced = previous && before ? this.#entryOf(before) : undefined;
      const createRevision = before?.createRevision ?? revision;
      this.#append({
        id: rowId(revision, changes.length),
        key: op.key,
        previous: before?.id ?? 0,
        createRevision,
        lease: op.op === 'put' ? (op.lease ?? null) : null,
        commit: changes.length === 0 ? { info, rows } : undefined,
        value: op.op === 'put' ? op.value : null,
      });
      changes.push({ op: at, createRevision, ...(replaced && { previous: replaced }) });
    }
    return { ok: true, revision: this.#revision, changes };
  }

  #append(row: Row): void {
    this.#log.append(row);
    const version = versionOf(row);
    this.#added.push({ key: row.key, version });
    this.#place(row, version);
  }

  get(key: string, revision?: Revision): Entry | undefined {
    if (revision !== undefined) this.#past.check(key, revision, this.#revision);
    const version = revision === undefined ? this.#index.newest(key) : this.#index.at(key, revision);
    return version && this.#entryOf(version);
  }

  list(prefix: string, { after, limit = Number.POSITIVE_INFINITY, revision }: ListOptions): ListResult {
    if (revision !== undefined) this.#past.check(prefix, revision, this.#revision);
    const at = revision ?? this.#revision;
    const entries: Entry[] = [];
    for (const [, version] of this.#index.list(prefix, after, at)) {
      if (entries.length === limit) return { entries, revision: at, more: true };
      entries.push(this.#entryOf(version));
    }
    return { entries, revision: at, more: false };
  }

  /** What happened under `prefix` after `from` up to `to`, a page at a time. */
  past(prefix: string, from: Revision, to: Revision): WatchBatch[] {
    this.#past.check(prefix, from, this.#revision);
    const end = Math.min(to, from + PAGE);
    const batches: WatchBatch[] = [];
    for (const row of this.#log.scan(from, end)) {
      const { revision } = versionOf(row);
      if (batches.at(-1)?.revision !== revision) batches.push({ revision, events: [] });
      if (row.key.startsWith(prefix)) batches.at(-1)!.events.push(this.#eventOf(row, revision));
    }
    // Of revisions that are compacted away in parts nothing need be left.
    if (batches.at(-1)?.revision !== end) batches.push({ revision: end, events: [] });
    return batches;
  }

  revisionAt(time: number): Revision | undefined {
    return this.#past.revisionAt(time);
  }

  revisionKeeping(bytes: number): Revision {
    return this.#past.revisionKeeping(bytes);
  }

  /** Forgets the past, or that under a prefix: at once for who reads, and on the disk by steps of `forget`. */
  compact(revision: Revision, prefix: string): void {
    if (revision > this.#revision) throw new FutureRevisionError(revision, this.#revision);
    if (!this.#past.compact(revision, prefix)) return;
    this.transaction(() => {
      this.#meta.set('compacted', String(this.#past.compacted));
      this.#meta.set('floors', JSON.stringify(Object.fromEntries(this.#past.floors)));
    });
  }

  /** The next revision comes after `revision`; history before it counts as compacted. */
  skipTo(revision: Revision): void {
    this.#revision = revision;
    this.compact(revision, '');
  }

  /** One bounded step of removing what nobody can read any more; true when nothing is left of it. */
  forget(): boolean {
    const over = this.#past.expired(COMPACT_STEP);
    if (over.length > 0)
      this.transaction(() => {
        for (const { version } of over) this.#log.remove(version.id);
      });
    for (const { key, version } of over) this.#index.remove(key, version);
    this.#past.drop(over);
    return !this.#vacuum() && over.length < COMPACT_STEP;
  }

  /** True when there is more to give back. */
  #vacuum(): boolean {
    const count = (pragma: string) => Object.values(this.#db.prepare(`PRAGMA ${pragma}`).get()!)[0] as number;
    const surplus = count('freelist_count') - FREE_SHARE * count('page_count');
    if (surplus < 1) return false;
    this.#db.prepare(`PRAGMA incremental_vacuum(${Math.min(VACUUM_PAGES, Math.ceil(surplus))})`).all();
    return surplus > VACUUM_PAGES;
  }

  leases(): { id: LeaseId; ttlMs: number }[] {
    return [...this.#leases].map(([id, ttlMs]) => ({ id, ttlMs }));
  }

  addLease(ttlMs: number): LeaseId {
    const number = Number(this.#meta.get('leases') ?? 0) + 1;
    const id = `lease-${number}`;
    this.transaction(() => {
      this.#meta.set('leases', String(number));
      this.#meta.addLease(id, ttlMs);
    });
    this.#leases.set(id, ttlMs);
    return id;
  }

  hasLease(lease: LeaseId): boolean {
    return this.#leases.has(lease);
  }

  /** Keys that end with the lease. */
  leasedKeys(lease: LeaseId): string[] {
    const keys: string[] = [];
    for (const [key, version] of this.#index.live()) if (version.lease === lease) keys.push(key);
    return keys;
  }

  removeLease(lease: LeaseId): void {
    this.transaction(() => this.#meta.removeLease(lease));
    this.#leases.delete(lease);
  }

  /**
   * Folds the write-ahead log into the main file. `empty`: also cuts it to nothing, for a time without commits: a log that
   * is folded already, and is damaged before it is begun anew, would bring older pages back over newer ones.
   */
  checkpoint(empty: boolean): void {
    this.#db.prepare(`PRAGMA wal_checkpoint(${empty ? 'TRUNCATE' : 'PASSIVE'})`).get();
  }

  /** What a checkpoint would have to write. */
  get unfoldedBytes(): number {
    return this.#wal.unfoldedPages() * PAGE_BYTES;
  }

  close(): void {
    this.#db.close();
    this.#wal.close();
  }

  #eventOf(row: Row, revision: Revision): StoreEvent {
    const previous = row.previous === 0 ? undefined : toEntry(this.#log.read(row.previous));
    if (row.value === null) return { type: 'delete', key: row.key, revision, previous: previous! };
    return { type: 'put', entry: toEntry(row)!, previous };
  }

  #entryOf(version: RowVersion): Entry {
    return toEntry(this.#log.read(version.id))!;
  }
}

function toEntry({ key, value, ...row }: Row): Entry | undefined {
  if (value === null) return undefined;
  return {
    key,
    value,
    revision: versionOf({ key, value, ...row }).revision,
    createRevision: row.createRevision,
  };
}
