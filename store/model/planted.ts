/** Stores with one bug each, of the kinds that real stores have had: what checks them must find every one. */
import type {
  CommitInfo,
  CommitResult,
  Entry,
  ListOptions,
  ListResult,
  Op,
  Revision,
  Store,
  StoreEvent,
  WatchBatch,
} from '../contract.ts';

type Watch = AsyncIterable<WatchBatch>;

/** Everything goes through to the store it wraps; a bug overrides what it spoils. */
class Wrapped implements Store {
  protected readonly store: Store;
  constructor(store: Store) {
    this.store = store;
  }
  get(key: string, revision?: Revision): Promise<Entry | undefined> {
    return this.store.get(key, revision);
  }
  list(prefix: string, options?: ListOptions): Promise<ListResult> {
    return this.store.list(prefix, options);
  }
  commit(ops: readonly Op[], info: CommitInfo): Promise<CommitResult> {
    return this.store.commit(ops, info);
  }
  watch(prefix: string, from: Revision | undefined, signal: AbortSignal): Watch {
    return this.store.watch(prefix, from, signal);
  }
  revision(): Promise<Revision> {
    return this.store.revision();
  }
  revisionAt(time: number): Promise<Revision | undefined> {
    return this.store.revisionAt(time);
  }
  compact(revision: Revision, prefix?: string): Promise<void> {
    return this.store.compact(revision, prefix);
  }
  revisionKeeping(bytes: number): Promise<Revision | undefined> {
    return this.store.revisionKeeping(bytes);
  }
  grantLease(ttlMs: number): Promise<string> {
    return this.store.grantLease(ttlMs);
  }
  renewLease(lease: string): Promise<boolean> {
    return this.store.renewLease(lease);
  }
  revokeLease(lease: string): Promise<void> {
    return this.store.revokeLease(lease);
  }
  condition(): string | undefined {
    return this.store.condition();
  }
  close(): Promise<void> {
    return this.store.close();
  }
}

/** A bug shows itself with one value in this many: rarely enough that only steady work finds it. */
const RARELY = 50;

/** Chosen by what the value says and not by count, so that a run can be made small around it. */
function chosen(value: Uint8Array | undefined): boolean {
  if (!value) return false;
  return value.subarray(0, TEXT_BYTES).reduce((hash, byte) => (hash * 31 + byte) % 65_521, 7) % RARELY === 0;
}

/** The part of a value that stays the same when steps before it are taken out. */
const TEXT_BYTES = 8;

function isChosen({ events }: WatchBatch): boolean {
  return events.some((event) => event.type === 'put' && chosen(event.entry.value));
}

/** A bug in how batches reach watchers. */
function watchBug(spoil: (batch: WatchBatch) => WatchBatch[]) {
  return (store: Store): Store => {
    return new (class extends Wrapped {
      override async *watch(prefix: string, from: Revision | undefined, signal: AbortSignal): Watch {
        for await (const batch of this.store.watch(prefix, from, signal))
          yield* isChosen(batch) ? spoil(batch) : [batch];
      }
    })(store);
  };
}

function swapped(store: Store): Store {
  return new (class extends Wrapped {
    override async *watch(prefix: string, from: Revision | undefined, signal: AbortSignal): Watch {
      let held: WatchBatch | undefined;
      for await (const batch of this.store.watch(prefix, from, signal)) {
        if (held) {
          yield batch;
          yield held;
          held = undefined;
        } else if (isChosen(batch)) held = batch;
        else yield batch;
      }
    }
  })(store);
}

/** Reads that are one version late. */
function staleRead(store: Store): Store {
  return new (class extends Wrapped {
    override async get(key: string, revision?: Revision) {
      const entry = await this.store.get(key, revision);
      if (revision !== undefined || !entry || !chosen(entry.value)) return entry;
      return this.store.get(key, entry.revision - 1).catch(() => entry);
    }
  })(store);
}

function reusedRevision(store: Store): Store {
  return new (class extends Wrapped {
    override async commit(ops: readonly Op[], info: CommitInfo) {
      const result = await this.store.commit(ops, info);
      return result.ok && ops.some((op) => op.op === 'put' && chosen(op.value))
        ? { ok: true as const, revision: result.revision - 1 }
        : result;
    }
  })(store);
}

function lostDelete(store: Store): Store {
  return new (class extends Wrapped {
    override async commit(ops: readonly Op[], info: CommitInfo): Promise<CommitResult> {
      const kept = ops.filter(({ op }) => op !== 'delete');
      const [lost] = ops.filter(({ op }) => op === 'delete');
      if (!lost || !chosen((await this.store.get(lost.key))?.value)) return this.store.commit(ops, info);
      if (kept.length > 0) return this.store.commit(kept, info);
      return { ok: true, revision: await this.store.revision() };
    }
  })(store);
}

function notWritten(store: Store): Store {
  return new (class extends Wrapped {
    override async commit(ops: readonly Op[], info: CommitInfo): Promise<CommitResult> {
      if (!ops.some((op) => op.op === 'put' && chosen(op.value))) return this.store.commit(ops, info);
      return { ok: true, revision: (await this.store.revision()) + 1 };
    }
  })(store);
}

/** After compaction, what was not changed since cannot be found any more. */
function forgetfulCompaction(store: Store): Store {
  let forgotten = 0;
  return new (class extends Wrapped {
    override async compact(revision: Revision): Promise<void> {
      await this.store.compact(revision);
      // Only what is long unchanged: it takes a while until anybody misses it.
      forgotten = Math.max(forgotten, revision - 20);
    }
    override async get(key: string, revision?: Revision) {
      const entry = await this.store.get(key, revision);
      return entry && entry.revision > forgotten ? entry : undefined;
    }
  })(store);
}

/** Pages are read one after the other, without holding on to a revision. */
function tornList(store: Store): Store {
  return new (class extends Wrapped {
    override async list(prefix: string, options?: ListOptions): Promise<ListResult> {
      if (options?.revision !== undefined || options?.limit) return this.store.list(prefix, options);
      const first = await this.store.list(prefix, { ...options, limit: 3 });
      if (!first.more) return first;
      await Promise.resolve();
      const rest = await this.store.list(prefix, { ...options, after: first.entries.at(-1)!.key });
      return { ...rest, entries: [...first.entries, ...rest.entries] };
    }
  })(store);
}

const withoutPrevious = (event: StoreEvent): StoreEvent =>
  event.type === 'put' ? { ...event, previous: undefined } : event;

/** By what is wrong with them. */
export const PLANTED: Record<string, (store: Store) => Store> = {
  'a dropped event': watchBug(() => []),
  'a duplicated event': watchBug((batch) => [batch, batch]),
  'a stale read': staleRead,
  'a reused revision': reusedRevision,
  'a lost delete': lostDelete,
  'events out of order': swapped,
  'a batch that is split': watchBug(({ revision, events }) =>
    events.map((event) => ({ revision, events: [event] })),
  ),
  'a wrong previous value': watchBug(({ revision, events }) => [
    { revision, events: events.map(withoutPrevious) },
  ]),
  'a compaction that forgets the present': forgetfulCompaction,
  'a list that is not a snapshot': tornList,
  'a commit that is acknowledged and not written': notWritten,
};
