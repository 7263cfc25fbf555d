import type { DatabaseSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';
import type { LeaseId } from '../contract.ts';
import { DamagedRowError } from './log.ts';

const SUM = 'sum';

/** The small tables: what is known of the whole store, and its leases. One checksum covers them. */
export class Meta {
  readonly #db: DatabaseSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  get(name: string): string | undefined {
    const row = this.#db.prepare('SELECT value FROM meta WHERE name = ?').get(name);
    return (row as { value: string } | undefined)?.value;
  }

  /** Inside a transaction, as all changes here. */
  set(name: string, value: string): void {
    this.#db.prepare('INSERT OR REPLACE INTO meta VALUES (?, ?)').run(name, value);
    this.seal();
  }

  leases(): { id: LeaseId; ttl: number }[] {
    return this.#db.prepare('SELECT id, ttl FROM leases ORDER BY id').all() as { id: LeaseId; ttl: number }[];
  }

  addLease(id: LeaseId, ttlMs: number): void {
    this.#db.prepare('INSERT INTO leases VALUES (?, ?)').run(id, ttlMs);
    this.seal();
  }

  removeLease(id: LeaseId): void {
    this.#db.prepare('DELETE FROM leases WHERE id = ?').run(id);
    this.seal();
  }

  /** Throws DamagedRowError when the tables are not what was written. */
  check(): void {
    if (this.get(SUM) !== this.#sum())
      throw new DamagedRowError('the tables meta and leases are not what was written');
  }

  /** Notes the checksum of what there is. */
  seal(): void {
    this.#db.prepare('INSERT OR REPLACE INTO meta VALUES (?, ?)').run(SUM, this.#sum());
  }

  #sum(): string {
    const rows = this.#db.prepare('SELECT name, value FROM meta WHERE name <> ? ORDER BY name').all(SUM);
    return String(crc32(JSON.stringify([rows, this.leases()])));
  }
}
