import { DatabaseSync } from 'node:sqlite';
import { StoreFailedError } from '../contract.ts';
import { Meta } from './meta.ts';
import { migrateFrom1 } from './migrate.ts';

/** Raised with every change of the tables; an older number is migrated, a newer one refused. */
export const FORMAT = 2;

/** Bytes of page cache: enough for the inner pages of a large store, small beside the server. */
const CACHE_KIB = 8 * 1024;

/** Measured with values of 2 kB: half as many bytes and twice the commits of pages of 4096 bytes; larger ones gain little. */
export const PAGE_BYTES = 16384;

/** `sum` is the checksum of all other columns, `rows` how many rows the commit has: see log.ts. */
const TABLES = `
  CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS log (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL, previous INTEGER NOT NULL, created INTEGER NOT NULL, lease TEXT,
    rows INTEGER, time INTEGER, actor TEXT, cause TEXT, value BLOB, sum INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS leases (id TEXT PRIMARY KEY, ttl INTEGER NOT NULL) WITHOUT ROWID;
`;

/**
 * Opens or makes the database: write-ahead log, an fsync before each acknowledgement. Fails with StoreFailedError when
 * the file is damaged or was written by a newer version; it is left as it is.
 */
export function openDatabase(file: string): DatabaseSync {
  const db = new DatabaseSync(file);
  try {
    const format = formatOf(db);
    if (format !== undefined && (format > FORMAT || format < 1))
      throw new StoreFailedError(`${file} has format ${format}; this version reads formats 1 to ${FORMAT}`);
    // Only an empty file can be told to give pages back, and how large they are, before anything else is written to it.
    db.exec(`PRAGMA page_size = ${PAGE_BYTES}; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL;`);
    db.exec(`PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -${CACHE_KIB};`);
    const [check] = db.prepare('PRAGMA quick_check(1)').all() as { quick_check: string }[];
    if (check?.quick_check !== 'ok')
      throw new StoreFailedError(
        `${file} is damaged (${check?.quick_check.replaceAll('\n', ' ')}); restore it from a backup`,
      );
    if (format !== FORMAT) prepareTables(db, format);
    const { page_size } = db.prepare('PRAGMA page_size').get() as { page_size: number };
    if (page_size !== PAGE_BYTES) repack(db);
    return db;
  } catch (error) {
    db.close();
    if (error instanceof StoreFailedError) throw error;
    throw new StoreFailedError(`${file} cannot be opened: ${(error as Error).message}`);
  }
}

/** Gives a file of small pages the size of ours, which SQLite does only when it writes all of it anew, and not in WAL mode. */
function repack(db: DatabaseSync): void {
  db.exec(
    `PRAGMA journal_mode = DELETE; PRAGMA page_size = ${PAGE_BYTES}; VACUUM; PRAGMA journal_mode = WAL`,
  );
}

/** In one transaction: a process that dies in it leaves the file in its old format. */
function prepareTables(db: DatabaseSync, format: number | undefined): void {
  db.exec('BEGIN IMMEDIATE');
  db.exec(TABLES);
  if (format === 1) migrateFrom1(db);
  db.prepare("INSERT OR REPLACE INTO meta VALUES ('format', ?)").run(String(FORMAT));
  new Meta(db).seal();
  db.exec('COMMIT');
}

/** Undefined for an empty file. */
function formatOf(db: DatabaseSync): number | undefined {
  if (!db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'meta'").get()) return undefined;
  const row = db.prepare("SELECT value FROM meta WHERE name = 'format'").get() as
    | { value: string }
    | undefined;
  return row ? Number(row.value) : undefined;
}
