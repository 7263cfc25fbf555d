import { type Clock, systemClock } from '#machinery/clock.ts';
import { checkOps } from '../commit.ts';
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
  type Store,
  type StoreEvent,
  type WatchBatch,
} from '../contract.ts';
import { Feed } from '../feed.ts';
import { lowerBound } from '../keys.ts';
import { LeaseTimers } from '../lease-timers.ts';

/** A value of a key at some time; `entry` undefined = deleted then. */
interface Version {
  revision: Revision;
  entry: Entry | undefined;
  lease: LeaseId | undefined;
}

/** Batches read from the backlog at a time. */
const PAGE = 500;

/** The store as plain maps: for tests and the simulator, where nothing needs to outlive the process. */
export class MemoryStore implements Store {
  /** Every key that has history, sorted. */
  #keys: string[] = [];
  readonly #versions = new Map<string, Version[]>();
  #log: { batch: WatchBatch; time: number }[] = [];
  #revision: Revision = 0;
  #compacted: Revision = 0;
  #lastLease = 0;
  readonly #feed: Feed;
  readonly #leases: LeaseTimers;
  readonly #clock: Clock;

  constructor(options: { clock?: Clock; watcherLimitBytes?: number } = {}) {
    this.#clock = options.clock ?? systemClock;
    this.#leases = new LeaseTimers(this.#clock, (lease) => this.#deleteLeased(lease));
    const backlog = { read: async (from: Revision, to: Revision) => this.#readLog(from, to) };
    this.#feed = new Feed(0, backlog, options.watcherLimitBytes);
  }

  async get(key: string, revision?: Revision): Promise<Entry | undefined> {
    return this.#at(key, this.#readable(revision));
  }

  async list(prefix: string, options: ListOptions = {}): Promise<ListResult> {
    const revision = this.#readable(options.revision);
    const limit = options.limit ?? Number.POSITIVE_INFINITY;
    const entries: Entry[] = [];
    const start = options.after !== undefined && options.after >= prefix ? options.after : prefix;
    for (let i = lowerBound(this.#keys, start); i < this.#keys.length; i++) {
      const key = this.#keys[i]!;
      if (!key.startsWith(prefix)) break;
      if (key === options.after) continue;
      const entry = this.#at(key, revision);
      if (!entry) continue;
      if (entries.length === limit) return { entries, revision, more: true };
      entries.push(entry);
    }
    return { entries, revision, more: false };
  }

  async commit(ops: readonly Op[], info: CommitInfo): Promise<CommitResult> {
    checkOps(ops);
    for (const op of ops) {
      const actual = this.#at(op.key, this.#revision);
      if (op.expect !== undefined && op.expect !== (actual?.revision ?? 0))
        return { ok: false, key: op.key, actual };
      if (op.op === 'put' && op.lease !== undefined && !this.#leases.has(op.lease)) {
        throw new Error(`the lease ${op.lease} has ended`);
      }
    }
    const revision = this.#revision + 1;
    const events = ops.flatMap((op) => this.#apply(op, revision));
    if (events.length === 0) return { ok: true, revision: this.#revision };
    this.#revision = revision;
    const batch = { revision, events };
    this.#log.push({ batch, time: info.time });
    this.#feed.publish(batch);
    return { ok: true, revision };
  }

  watch(prefix: string, from: Revision | undefined, signal: AbortSignal): AsyncIterable<WatchBatch> {
    return this.#feed.watch(prefix, from, signal);
  }

  async revision(): Promise<Revision> {
    return this.#revision;
  }

  async revisionAt(time: number): Promise<Revision | undefined> {
    return this.#log.findLast((entry) => entry.time <= time)?.batch.revision;
  }

  async compact(revision: Revision): Promise<void> {
    if (revision > this.#revision) throw new FutureRevisionError(revision, this.#revision);
    if (revision <= this.#compacted) return;
    this.#compacted = revision;
    this.#log = this.#log.filter(({ batch }) => batch.revision > revision);
    for (const [key, versions] of this.#versions) {
      const newest = versions.findLastIndex((version) => version.revision <= revision);
      const kept = versions.slice(newest < 0 ? 0 : versions[newest]!.entry ? newest : newest + 1);
      if (kept.length > 0) this.#versions.set(key, kept);
      else this.#versions.delete(key);
    }
    this.#keys = this.#keys.filter((key) => this.#versions.has(key));
  }

  async grantLease(ttlMs: number): Promise<LeaseId> {
    const lease = `lease-${++this.#lastLease}`;
    this.#leases.start(lease, ttlMs);
    return lease;
  }

  async renewLease(lease: LeaseId): Promise<boolean> {
    return this.#leases.renew(lease);
  }

  async revokeLease(lease: LeaseId): Promise<void> {
    if (this.#leases.stop(lease)) this.#deleteLeased(lease);
  }

  async close(): Promise<void> {
    this.#leases.stopAll();
    this.#feed.close(new Error('the store was closed'));
  }

  #apply(op: Op, revision: Revision): StoreEvent[] {
    if (op.op === 'check') return [];
    const previous = this.#at(op.key, this.#revision);
    if (op.op === 'delete') {
      if (!previous) return [];
      this.#versions.get(op.key)!.push({ revision, entry: undefined, lease: undefined });
      return [{ type: 'delete', key: op.key, revision, previous }];
    }
    const createRevision = previous?.createRevision ?? revision;
    const entry = { key: op.key, value: op.value, revision, createRevision };
    let versions = this.#versions.get(op.key);
    if (!versions) {
      versions = [];
      this.#versions.set(op.key, versions);
      this.#keys.splice(lowerBound(this.#keys, op.key), 0, op.key);
    }
    versions.push({ revision, entry, lease: op.lease });
    return [{ type: 'put', entry, previous }];
  }

  #at(key: string, revision: Revision): Entry | undefined {
    return this.#versions.get(key)?.findLast((version) => version.revision <= revision)?.entry;
  }

  #readable(revision: Revision | undefined): Revision {
    if (revision === undefined) return this.#revision;
    if (revision > this.#revision) throw new FutureRevisionError(revision, this.#revision);
    if (revision < this.#compacted) throw new CompactedError(this.#compacted);
    return revision;
  }

  #readLog(from: Revision, to: Revision): WatchBatch[] {
    if (from < this.#compacted) throw new CompactedError(this.#compacted);
    const batches = this.#log.map((entry) => entry.batch);
    const start = batches.findIndex((batch) => batch.revision > from);
    return start < 0 ? [] : batches.slice(start, start + PAGE).filter((batch) => batch.revision <= to);
  }

  /** In commits of one key each: a lease may hold more keys than a commit may change. */
  #deleteLeased(lease: LeaseId): void {
    for (const [key, versions] of this.#versions) {
      if (versions.at(-1)?.lease !== lease) continue;
      const info = { time: this.#clock.now(), actor: 'system:store', cause: `the lease ${lease} ended` };
      void this.commit([{ op: 'delete', key }], info);
    }
  }
}
