import { DatabaseSync } from 'node:sqlite';
import { StoreFailedError } from '../contract.ts';

/** Raised with every change of the tables; an older number is migrated, a newer one refused. */
const FORMAT = 1;

/** Bytes of page cache: enough for the inner pages of a large store, small beside the server. */
const CACHE_KIB = 8 * 1024;

const TABLES = `
  CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS commits (
    revision INTEGER PRIMARY KEY, time INTEGER NOT NULL, actor TEXT NOT NULL, cause TEXT);
  CREATE TABLE IF NOT EXISTS versions (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL, revision INTEGER NOT NULL, created INTEGER NOT NULL,
    previous INTEGER NOT NULL, value BLOB);
  CREATE INDEX IF NOT EXISTS versions_by_key ON versions (key, revision);
  CREATE INDEX IF NOT EXISTS versions_by_revision ON versions (revision);
  CREATE TABLE IF NOT EXISTS current (
    key TEXT PRIMARY KEY, id INTEGER NOT NULL, revision INTEGER NOT NULL, created INTEGER NOT NULL,
    lease TEXT) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS current_by_lease ON current (lease) WHERE lease IS NOT NULL;
  CREATE INDEX IF NOT EXISTS commits_by_time ON commits (time);
  CREATE TABLE IF NOT EXISTS leases (id TEXT PRIMARY KEY, ttl INTEGER NOT NULL) WITHOUT ROWID;
`;

/**
 * Opens or makes the database: write-ahead log, an fsync before each acknowledgement. Fails with StoreFailedError when
 * the file is damaged or was written by a newer version; it is left as it is.
 */
export function openDatabase(file: string): DatabaseSync {
  const db = new DatabaseSync(file);
  try {
    // Only an empty file can be told to give pages back, before anything else is written to it.
    db.exec('PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
    db.exec(`PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -${CACHE_KIB};`);
    const [check] = db.prepare('PRAGMA quick_check(1)').all() as { quick_check: string }[];
    if (check?.quick_check !== 'ok') throw new StoreFailedError(`${file} is damaged: ${check?.quick_check}`);
    db.exec(TABLES);
    const row = db.prepare("SELECT value FROM meta WHERE name = 'format'").get() as
      | { value: string }
      | undefined;
    if (!row) db.prepare("INSERT INTO meta VALUES ('format', ?)").run(String(FORMAT));
    else if (Number(row.value) !== FORMAT) {
      throw new StoreFailedError(`${file} has format ${row.value}; this version reads format ${FORMAT}`);
    }
    return db;
  } catch (error) {
    db.close();
    if (error instanceof StoreFailedError) throw error;
    throw new StoreFailedError(`${file} cannot be opened: ${(error as Error).message}`);
  }
}
