/**
 * The embedded store without its thread, which would make two runs differ: the same database and files, each commit in a
 * transaction of its own, and the virtual clock for its leases.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '#machinery/clock.ts';
import { checkOps } from '#store/commit.ts';
import type {
  CommitInfo,
  CommitResult,
  LeaseId,
  ListOptions,
  Op,
  Revision,
  Store,
  WatchBatch,
} from '#store/contract.ts';
import { Feed } from '#store/feed.ts';
import { LeaseTimers } from '#store/lease-timers.ts';
import { Database } from '#store/sqlite/database.ts';
import { batchOf } from '#store/sqlite/events.ts';

export class SqliteWithoutThread implements Store {
  readonly #directory = mkdtempSync(join(tmpdir(), 'gantry-simulator-'));
  readonly #database = new Database(join(this.#directory, 'store.db'));
  readonly #feed: Feed;
  readonly #leases: LeaseTimers;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#feed = new Feed(0, { read: async (from, to, prefix) => this.#database.past(prefix, from, to) });
    this.#leases = new LeaseTimers(clock, (lease) => this.#expire(lease));
  }

  async get(key: string, revision?: Revision) {
    return this.#database.get(key, revision);
  }

  async list(prefix: string, options: ListOptions = {}) {
    return this.#database.list(prefix, options);
  }

  async commit(ops: readonly Op[], info: CommitInfo): Promise<CommitResult> {
    checkOps(ops);
    const ended = ops.find((op) => op.op === 'put' && op.lease && !this.#database.hasLease(op.lease));
    if (ended) throw new Error('the lease has ended');
    return this.#commit(ops, info);
  }

  #commit(ops: readonly Op[], info: CommitInfo): CommitResult {
    const committed = this.#database.transaction(() => this.#database.commit(ops, info, true));
    if (!committed.ok) return committed;
    if (committed.changes.length > 0) this.#feed.publish(batchOf(ops, committed));
    return { ok: true, revision: committed.revision };
  }

  watch(prefix: string, from: Revision | undefined, signal: AbortSignal): AsyncIterable<WatchBatch> {
    return this.#feed.watch(prefix, from, signal);
  }

  async revision(): Promise<Revision> {
    return this.#database.revision;
  }

  async revisionAt(time: number) {
    return this.#database.revisionAt(time);
  }

  async revisionKeeping(bytes: number) {
    return this.#database.revisionKeeping(bytes);
  }

  async compact(revision: Revision, prefix = ''): Promise<void> {
    this.#database.compact(revision, prefix);
    while (!this.#database.forget());
  }

  async grantLease(ttlMs: number): Promise<LeaseId> {
    const lease = this.#database.addLease(ttlMs);
    this.#leases.start(lease, ttlMs);
    return lease;
  }

  async renewLease(lease: LeaseId): Promise<boolean> {
    return this.#leases.renew(lease);
  }

  async revokeLease(lease: LeaseId): Promise<void> {
    if (this.#leases.stop(lease)) this.#expire(lease);
  }

  condition(): undefined {
    return undefined;
  }

  async close(): Promise<void> {
    this.#leases.stopAll();
    this.#feed.close(new Error('the store was closed'));
    this.#database.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #expire(lease: LeaseId): void {
    const info = { time: this.#clock.now(), actor: 'system:store', cause: `the lease ${lease} ended` };
    for (const key of this.#database.leasedKeys(lease)) this.#commit([{ op: 'delete', key }], info);
    this.#database.removeLease(lease);
  }
}
