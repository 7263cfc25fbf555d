import { type Clock, systemClock } from '#machinery/clock.ts';
import { checkOps } from '../commit.ts';
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
  type Store,
  type StoreEvent,
  type WatchBatch,
} from '../contract.ts';
import { Feed } from '../feed.ts';
import { LeaseTimers } from '../lease-timers.ts';
import { Past } from '../past.ts';
import { type Version, VersionIndex } from '../version-index.ts';

/** `entry` undefined = deleted then. */
interface MemoryVersion extends Version {
  entry: Entry | undefined;
  lease: LeaseId | undefined;
}

/** Batches read from the backlog at a time. */
const PAGE = 500;

/** The store as plain maps: for tests and the simulator, where nothing needs to outlive the process. */
export class MemoryStore implements Store {
  readonly #index = new VersionIndex<MemoryVersion>();
  readonly #past = new Past<MemoryVersion>();
  #log: WatchBatch[] = [];
  #revision: Revision = 0;
  #lastLease = 0;
  readonly #feed: Feed;
  readonly #leases: LeaseTimers;
  readonly #clock: Clock;

  constructor(options: { clock?: Clock; watcherLimitBytes?: number } = {}) {
    this.#clock = options.clock ?? systemClock;
    this.#leases = new LeaseTimers(this.#clock, (lease) => this.#deleteLeased(lease));
    this.#feed = new Feed(
      0,
      { read: async (from, to, prefix) => this.#readLog(from, to, prefix) },
      options.watcherLimitBytes,
    );
  }

  async get(key: string, revision?: Revision): Promise<Entry | undefined> {
    return this.#index.at(key, this.#readable(key, revision))?.entry;
  }

  async list(prefix: string, options: ListOptions = {}): Promise<ListResult> {
    const revision = this.#readable(prefix, options.revision);
    const entries: Entry[] = [];
    for (const [, { entry }] of this.#index.list(prefix, options.after, revision)) {
      if (entries.length === options.limit) return { entries, revision, more: true };
      entries.push(entry!);
    }
    return { entries, revision, more: false };
  }

  async commit(ops: readonly Op[], info: CommitInfo): Promise<CommitResult> {
    checkOps(ops);
    for (const op of ops) {
      const actual = this.#index.newest(op.key)?.entry;
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
    this.#log.push(batch);
    this.#past.happened(revision, info.time);
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
    return this.#past.revisionAt(time);
  }

  async revisionKeeping(bytes: number): Promise<Revision> {
    return this.#past.revisionKeeping(bytes);
  }

  async compact(revision: Revision, prefix = ''): Promise<void> {
    if (revision > this.#revision) throw new FutureRevisionError(revision, this.#revision);
    if (!this.#past.compact(revision, prefix)) return;
    const over = this.#past.expired(Number.POSITIVE_INFINITY);
    for (const { key, version } of over) this.#index.remove(key, version);
    this.#past.drop(over);
    this.#log = this.#log.filter((batch) => batch.revision > this.#past.compacted);
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

  condition(): undefined {
    return undefined;
  }

  async close(): Promise<void> {
    this.#leases.stopAll();
    this.#feed.close(new Error('the store was closed'));
  }

  #apply(op: Op, revision: Revision): StoreEvent[] {
    if (op.op === 'check') return [];
    const before = this.#index.newest(op.key);
    const previous = before?.entry;
    if (op.op === 'delete' && !previous) return [];
    if (before) this.#past.supersede(op.key, before, revision, sizeOf(op.key, previous));
    if (op.op === 'delete') {
      const gone = { revision, gone: true, entry: undefined, lease: undefined };
      this.#index.add(op.key, gone);
      this.#past.supersede(op.key, gone, revision, sizeOf(op.key, undefined));
      return [{ type: 'delete', key: op.key, revision, previous: previous! }];
    }
    const createRevision = previous?.createRevision ?? revision;
    const entry = { key: op.key, value: op.value, revision, createRevision };
    this.#index.add(op.key, { revision, gone: false, entry, lease: op.lease });
    return [{ type: 'put', entry, previous }];
  }

  #readable(prefix: string, revision: Revision | undefined): Revision {
    if (revision !== undefined) this.#past.check(prefix, revision, this.#revision);
    return revision ?? this.#revision;
  }

  #readLog(from: Revision, to: Revision, prefix: string): WatchBatch[] {
    this.#past.check(prefix, from, this.#revision);
    const start = this.#log.findIndex((batch) => batch.revision > from);
    return start < 0 ? [] : this.#log.slice(start, start + PAGE).filter((batch) => batch.revision <= to);
  }

  /** In commits of one key each: a lease may hold more keys than a commit may change. */
  #deleteLeased(lease: LeaseId): void {
    const keys = [...this.#index.live()].flatMap(([key, version]) => (version.lease === lease ? [key] : []));
    for (const key of keys) {
      const info = { time: this.#clock.now(), actor: 'system:store', cause: `the lease ${lease} ended` };
      void this.commit([{ op: 'delete', key }], info);
    }
  }
}

function sizeOf(key: string, entry: Entry | undefined): number {
  return key.length + (entry?.value.length ?? 0);
}
