import type { DatabaseSync, StatementSync } from 'node:sqlite';
import {
  type CommitInfo,
  type CommitResult,
  CompactedError,
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
import { openDatabase } from './schema.ts';

/** Batches read from the log at a time. */
const PAGE = 500;

/** Revisions forgotten in one transaction, so that compaction never holds up commits for long. */
const COMPACT_STEP = 2_000;

/** Pages returned to the file system after one step of compaction. */
const VACUUM_PAGES = 4_000;

interface CurrentRow {
  key: string;
  id: number;
  revision: number;
  created: number;
}

interface VersionRow {
  key: string;
  revision: number;
  created: number;
  value: Uint8Array | null;
}

/**
 * All SQL of the embedded store. Synchronous; lives in the worker. `versions` is the append-only log of values (a null
 * value is a deletion); `current` points at the newest version of each live key; a version names the one it replaced, so
 * compaction finds what nobody can read any more without a search.
 */
export class Database {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #revision: Revision;
  #compacted: Revision;

  constructor(file: string) {
    this.#db = openDatabase(file);
    this.#revision = (this.#get<{ r: number | null }>('SELECT max(revision) AS r FROM commits')?.r ??
      0) as number;
    this.#compacted = Number(this.meta('compacted') ?? 0);
    this.#revision = Math.max(this.#revision, this.#compacted);
  }

  get revision(): Revision {
    return this.#revision;
  }

  /** Runs `work` as one durable transaction; nothing of it stays when it throws. */
  transaction<T>(work: () => T): T {
    const before = this.#revision;
    this.#run('BEGIN IMMEDIATE');
    try {
      const result = work();
      this.#run('COMMIT');
      return result;
    } catch (error) {
      this.#revision = before;
      if (this.#db.isTransaction) this.#run('ROLLBACK');
      throw error;
    }
  }

  /** Inside a transaction: checks all, then writes all. The batch is undefined when nothing changed. */
  commit(ops: readonly Op[], info: CommitInfo): { result: CommitResult; batch?: WatchBatch } {
    const current = ops.map((op) => this.#current(op.key));
    for (const [i, op] of ops.entries()) {
      if (op.expect !== undefined && op.expect !== (current[i]?.revision ?? 0)) {
        return { result: { ok: false, key: op.key, actual: this.get(op.key) } };
      }
    }
    const revision = this.#revision + 1;
    const events = ops.flatMap((op, i) => this.#apply(op, current[i], revision));
    if (events.length === 0) return { result: { ok: true, revision: this.#revision } };
    this.#run('INSERT INTO commits VALUES (?, ?, ?, ?)', revision, info.time, info.actor, info.cause ?? null);
    this.#revision = revision;
    return { result: { ok: true, revision }, batch: { revision, events } };
  }

  get(key: string, revision?: Revision): Entry | undefined {
    if (revision === undefined) {
      const row = this.#current(key);
      return row && this.#entryOf(row);
    }
    this.#readable(revision);
    const row = this.#get<VersionRow>(
      'SELECT key, revision, created, value FROM versions WHERE key = ? AND revision <= ? ORDER BY revision DESC LIMIT 1',
      key,
      revision,
    );
    return row && toEntry(row);
  }

  list(prefix: string, options: ListOptions): ListResult {
    const revision = this.#readable(options.revision);
    const start = options.after !== undefined && options.after >= prefix ? options.after : prefix;
    const limit = options.limit ?? Number.MAX_SAFE_INTEGER - 1;
    const range = [start, prefix + LAST, options.after ?? ''];
    const rows =
      revision === this.#revision
        ? this.#all<VersionRow>(LIST_CURRENT, ...range, limit + 1)
        : this.#all<VersionRow>(LIST_PAST, ...range, revision, limit + 1);
    const entries = rows.slice(0, limit).map((row) => toEntry(row)!);
    return { entries, revision, more: rows.length > limit };
  }

  /** The log after `from` up to `to`, a page at a time. */
  log(from: Revision, to: Revision): WatchBatch[] {
    if (from < this.#compacted) throw new CompactedError(this.#compacted);
    const rows = this.#all<VersionRow & { previous: number }>(
      `SELECT key, revision, created, value, previous FROM versions
       WHERE revision > ? AND revision <= min(?, ?) ORDER BY id`,
      from,
      to,
      from + PAGE,
    );
    const batches: WatchBatch[] = [];
    for (const row of rows) {
      if (batches.at(-1)?.revision !== row.revision) batches.push({ revision: row.revision, events: [] });
      batches.at(-1)!.events.push(this.#eventOf(row));
    }
    return batches;
  }

  revisionAt(time: number): Revision | undefined {
    return this.#get<{ revision: number }>(
      'SELECT revision FROM commits WHERE time <= ? ORDER BY revision DESC LIMIT 1',
      time,
    )?.revision;
  }

  /** One bounded step towards forgetting all before `revision`; true when done. */
  compactStep(revision: Revision): boolean {
    if (revision > this.#revision) throw new FutureRevisionError(revision, this.#revision);
    if (revision <= this.#compacted) return true;
    const to = Math.min(revision, this.#compacted + COMPACT_STEP);
    const from = this.#compacted;
    this.transaction(() => {
      this.#run(
        'DELETE FROM versions WHERE id IN (SELECT previous FROM versions WHERE revision > ? AND revision <= ?)',
        from,
        to,
      );
      this.#run('DELETE FROM versions WHERE revision > ? AND revision <= ? AND value IS NULL', from, to);
      this.#run('DELETE FROM commits WHERE revision <= ?', to);
      this.setMeta('compacted', String(to));
    });
    this.#compacted = to;
    // Gives pages back to the file system, a bounded number at a time.
    this.#all(`PRAGMA incremental_vacuum(${VACUUM_PAGES})`);
    return to === revision;
  }

  leases(): { id: LeaseId; ttlMs: number }[] {
    return this.#all<{ id: LeaseId; ttlMs: number }>('SELECT id, ttl AS ttlMs FROM leases');
  }

  addLease(ttlMs: number): LeaseId {
    const number = Number(this.meta('leases') ?? 0) + 1;
    this.transaction(() => {
      this.setMeta('leases', String(number));
      this.#run('INSERT INTO leases VALUES (?, ?)', `lease-${number}`, ttlMs);
    });
    return `lease-${number}`;
  }

  hasLease(lease: LeaseId): boolean {
    return this.#get('SELECT 1 FROM leases WHERE id = ?', lease) !== undefined;
  }

  /** Keys that end with the lease. */
  leasedKeys(lease: LeaseId): string[] {
    return this.#all<{ key: string }>('SELECT key FROM current WHERE lease = ?', lease).map(({ key }) => key);
  }

  removeLease(lease: LeaseId): void {
    this.#run('DELETE FROM leases WHERE id = ?', lease);
  }

  /** Moves the write-ahead log into the main file, as far as no reader holds it. */
  checkpoint(): void {
    this.#get('PRAGMA wal_checkpoint(PASSIVE)');
  }

  meta(name: string): string | undefined {
    return this.#get<{ value: string }>('SELECT value FROM meta WHERE name = ?', name)?.value;
  }

  setMeta(name: string, value: string): void {
    this.#run('INSERT OR REPLACE INTO meta VALUES (?, ?)', name, value);
  }

  close(): void {
    this.#statements.clear();
    this.#db.close();
  }

  #apply(op: Op, current: CurrentRow | undefined, revision: Revision): StoreEvent[] {
    if (op.op === 'check' || (op.op === 'delete' && !current)) return [];
    const previous = current && this.#entryOf(current);
    const created = current?.created ?? revision;
    const value = op.op === 'put' ? op.value : null;
    const id = this.#run(
      'INSERT INTO versions (key, revision, created, previous, value) VALUES (?, ?, ?, ?, ?)',
      op.key,
      revision,
      created,
      current?.id ?? 0,
      value,
    );
    if (op.op === 'delete') {
      this.#run('DELETE FROM current WHERE key = ?', op.key);
      return [{ type: 'delete', key: op.key, revision, previous: previous! }];
    }
    this.#run(
      'INSERT OR REPLACE INTO current VALUES (?, ?, ?, ?, ?)',
      op.key,
      id,
      revision,
      created,
      op.lease ?? null,
    );
    const entry = { key: op.key, value: op.value, revision, createRevision: created };
    return [{ type: 'put', entry, previous }];
  }

  #eventOf(row: VersionRow & { previous: number }): StoreEvent {
    const before = row.previous
      ? this.#get<VersionRow>('SELECT key, revision, created, value FROM versions WHERE id = ?', row.previous)
      : undefined;
    const previous = before && toEntry(before);
    const entry = toEntry(row);
    if (entry) return { type: 'put', entry, previous };
    return { type: 'delete', key: row.key, revision: row.revision, previous: previous! };
  }

  #current(key: string): CurrentRow | undefined {
    return this.#get<CurrentRow>('SELECT key, id, revision, created FROM current WHERE key = ?', key);
  }

  #entryOf(row: CurrentRow): Entry {
    const { value } = this.#get<{ value: Uint8Array }>('SELECT value FROM versions WHERE id = ?', row.id)!;
    return { key: row.key, value, revision: row.revision, createRevision: row.created };
  }

  #readable(revision: Revision | undefined): Revision {
    if (revision === undefined) return this.#revision;
    if (revision > this.#revision) throw new FutureRevisionError(revision, this.#revision);
    if (revision < this.#compacted) throw new CompactedError(this.#compacted);
    return revision;
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (!statement) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #get<T>(sql: string, ...values: (string | number | null)[]): T | undefined {
    return this.#prepare(sql).get(...values) as T | undefined;
  }

  #all<T>(sql: string, ...values: (string | number)[]): T[] {
    return this.#prepare(sql).all(...values) as T[];
  }

  /** The row id that was inserted. */
  #run(sql: string, ...values: (string | number | null | Uint8Array)[]): number {
    return Number(this.#prepare(sql).run(...values).lastInsertRowid);
  }
}

/** Sorts after every key that begins with a prefix it is added to. */
const LAST = '\u{10ffff}';

const LIST_CURRENT = `
  SELECT c.key, c.revision, c.created, v.value FROM current c JOIN versions v ON v.id = c.id
  WHERE c.key >= ? AND c.key < ? AND c.key <> ? ORDER BY c.key LIMIT ?`;

/** With max(), SQLite takes the other columns from the row that holds the maximum. */
const LIST_PAST = `
  SELECT key, revision, created, value FROM
    (SELECT key, max(revision) AS revision, created, value FROM versions
     WHERE key >= ? AND key < ? AND key <> ? AND revision <= ? GROUP BY key)
  WHERE value IS NOT NULL ORDER BY key LIMIT ?`;

function toEntry(row: VersionRow): Entry | undefined {
  if (row.value === null) return undefined;
  return { key: row.key, value: row.value, revision: row.revision, createRevision: row.created };
}
