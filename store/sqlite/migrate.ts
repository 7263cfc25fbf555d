import type { DatabaseSync } from 'node:sqlite';
import type { LeaseId, Revision } from '../contract.ts';
import { Log, rowId } from './log.ts';

interface OldVersion {
  id: number;
  key: string;
  revision: Revision;
  created: Revision;
  previous: number;
  value: Uint8Array | null;
  time: number | null;
  actor: string | null;
  cause: string | null;
  lease: LeaseId | null;
  /** Versions of its revision that are still there. */
  rows: number;
}

/**
 * From format 1, which kept commits, versions and the newest version of each key in tables of their own, with indexes. Inside
 * the caller's transaction; the table `log` is there and empty.
 */
export function migrateFrom1(db: DatabaseSync): void {
  const log = new Log(db);
  const moved = new Map<number, number>();
  let last: Revision = 0;
  let index = 0;
  const old = db.prepare(`
    SELECT v.*, c.time, c.actor, c.cause, n.lease, count(*) OVER (PARTITION BY v.revision) AS rows FROM versions v
      LEFT JOIN commits c ON c.revision = v.revision LEFT JOIN current n ON n.id = v.id ORDER BY v.revision, v.id`);
  for (const row of old.iterate() as unknown as Iterable<OldVersion>) {
    const { key, revision, created, previous, lease, value, time, actor, cause, rows } = row;
    index = revision === last ? index + 1 : 0;
    last = revision;
    const id = rowId(revision, index);
    moved.set(row.id, id);
    const info = { time: time ?? 0, actor: actor ?? '', ...(cause !== null && { cause }) };
    log.append({
      ...{ id, key, createRevision: created, lease, value, previous: moved.get(previous) ?? 0 },
      commit: index === 0 && time !== null ? { info, rows } : undefined,
    });
  }
  // A newest revision whose versions are all compacted away is kept as what was compacted.
  for (const table of ['versions', 'current', 'commits']) db.exec(`DROP TABLE ${table}`);
}
