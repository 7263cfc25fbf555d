import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';
import type { CommitInfo, LeaseId, Revision } from '../contract.ts';
import type { Version } from '../version-index.ts';

/** One change of one key, as it lies in the table `log`. */
export interface Row {
  /** See rowId: rows are in the order in which things happened. */
  id: number;
  key: string;
  /** Row that this one replaced; 0 = none. */
  previous: number;
  createRevision: Revision;
  lease: LeaseId | null;
  /** Of the commit, and how many rows it has; only its first row has them. */
  commit: { info: CommitInfo; rows: number } | undefined;
  /** Null = deleted. */
  value: Uint8Array | null;
}

/** What of a row is kept in memory. */
export interface RowVersion extends Version {
  id: number;
  createRevision: Revision;
  lease: LeaseId | null;
  /** What the row takes of the history's budget. */
  bytes: number;
}

/** More than the operations of a commit (MAX_OPS): revision and place in the commit make one number. */
const ROWS_A_REVISION = 256;

/** What a row takes beside key and value. */
const ROW_OVERHEAD_BYTES = 48;

export function rowId(revision: Revision, index: number): number {
  return revision * ROWS_A_REVISION + index;
}

export function revisionOf(id: number): Revision {
  return Math.floor(id / ROWS_A_REVISION);
}

export function versionOf({ id, createRevision, lease, key, value }: Row): RowVersion {
  const bytes = ROW_OVERHEAD_BYTES + key.length + (value?.length ?? 0);
  return { id, revision: revisionOf(id), createRevision, lease, gone: value === null, bytes };
}

/** A row is not what was written: the file was damaged. */
export class DamagedRowError extends Error {
  override readonly name = 'DamagedRowError';
}

/**
 * The table that is nearly all of the file: only ever appended to, in order, so that a commit touches its last page and no
 * index. A checksum in each row tells what the disk changed.
 */
export class Log {
  readonly #db: DatabaseSync;
  readonly #append: StatementSync;
  readonly #read: StatementSync;
  readonly #remove: StatementSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#append = db.prepare('INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)');
    this.#read = db.prepare('SELECT * FROM log WHERE id = ?');
    this.#remove = db.prepare('DELETE FROM log WHERE id = ?');
    this.#read.setReturnArrays(true);
  }

  append(row: Row): void {
    const { id, key, previous, createRevision, lease, commit, value } = row;
    const { info, rows } = commit ?? {};
    this.#append.run(
      id,
      key,
      previous,
      createRevision,
      lease,
      rows ?? null,
      info?.time ?? null,
      info?.actor ?? null,
      info?.cause ?? null,
      value,
      checksum(row),
    );
  }

  /** Throws DamagedRowError, also when the row is not there. */
  read(id: number): Row {
    const columns = this.#read.get(id) as unknown as Columns | undefined;
    if (!columns) throw new DamagedRowError(`row ${id} of the log is missing`);
    return toRow(columns);
  }

  remove(id: number): void {
    this.#remove.run(id);
  }

  /** All rows, or those of the revisions after `from` up to `to`; each is checked. */
  *scan(from: Revision = 0, to: Revision = Number.MAX_SAFE_INTEGER / ROWS_A_REVISION - 1): Iterable<Row> {
    const statement = this.#db.prepare('SELECT * FROM log WHERE id >= ? AND id < ? ORDER BY id');
    statement.setReturnArrays(true);
    for (const columns of statement.iterate(rowId(from + 1, 0), rowId(to + 1, 0)))
      yield toRow(columns as unknown as Columns);
  }
}

/** In the order of the table. */
type Columns = [
  id: number,
  key: string,
  previous: number,
  created: number,
  lease: string | null,
  rows: number | null,
  time: number | null,
  actor: string | null,
  cause: string | null,
  value: Uint8Array | null,
  sum: number,
];

/** What each column holds; SQLite keeps the type with each value, where the disk may change it too. */
const TYPES: readonly RegExp[] = [
  /^number$/,
  /^string$/,
  /^number$/,
  /^number$/,
  /^(string|null)$/,
  /^(number|null)$/,
  /^(number|null)$/,
  /^(string|null)$/,
  /^(string|null)$/,
  /^(bytes|null)$/,
  /^number$/,
];

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  return value instanceof Uint8Array ? 'bytes' : typeof value;
}

function toRow(columns: Columns): Row {
  const [id, key, previous, created, lease, rows, time, actor, cause, value, sum] = columns;
  const damaged = () => new DamagedRowError(`row ${String(id)} of the log is not what was written`);
  if (!TYPES.every((type, i) => type.test(typeOf(columns[i])))) throw damaged();
  const info = { time: time ?? 0, actor: actor ?? '', ...(cause !== null && { cause }) };
  const commit = rows === null ? undefined : { rows, info };
  const row = { id, key, previous, createRevision: created, lease, commit, value };
  if (checksum(row) !== sum) throw damaged();
  return row;
}

function checksum({ id, key, previous, createRevision, lease, commit, value }: Row): number {
  const { rows, info } = commit ?? {};
  const about = `${rows ?? ''},${info?.time ?? ''},${info?.actor ?? ''},${info?.cause ?? ''}`;
  const head = `${id},${previous},${createRevision},${lease ?? ''},${about},${value === null}\0${key}`;
  return value === null ? crc32(head) : crc32(value, crc32(head));
}
