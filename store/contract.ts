/**
 * Revisioned bytes. The store knows keys, values and revisions, never kinds. Every implementation passes
 * conformance.ts.
 *
 * Invariants:
 * - Each commit that changes anything takes one revision, one more than the last. Revisions are never used twice,
 *   across restarts and compaction too.
 * - A commit is acknowledged only when it is durable, and is delivered to watchers whole.
 * - A list is a snapshot of one revision.
 * - A watch from R delivers every event after R exactly once, in order, or fails with CompactedError.
 * - What was compacted is never shown again, and what was not is all there; the present is never compacted.
 */

/** A whole number up to 2^53 - 1. 0 = before the first commit. */
export type Revision = number;

export interface Entry {
  key: string;
  value: Uint8Array;
  /** Revision of the last change. */
  revision: Revision;
  /** Revision of the commit that made the key (again). */
  createRevision: Revision;
}

/** `expect`: the revision the key must have; 0 = must not exist; left out = any. A failed one fails the commit. */
export type Op =
  | { op: 'put'; key: string; value: Uint8Array; expect?: Revision; lease?: LeaseId }
  | { op: 'delete'; key: string; expect?: Revision }
  | { op: 'check'; key: string; expect: Revision };

/** Who changed the store and why: kept with each revision for history and audit. */
export interface CommitInfo {
  /** Wall time in ms; feeds the revision↔time index. */
  time: number;
  actor: string;
  cause?: string;
}

export type CommitResult =
  | { ok: true; revision: Revision }
  /** Nothing was changed; `key` is the first that failed, `actual` what it holds (undefined = no such key). */
  | { ok: false; key: string; actual: Entry | undefined };

export interface ListOptions {
  /** At most this many entries; all when left out. */
  limit?: number;
  /** Only keys greater than this one. */
  after?: string;
  /** The snapshot to read; the newest when left out. CompactedError when it is gone. */
  revision?: Revision;
}

export interface ListResult {
  /** In order of key (bytewise UTF-8). */
  entries: Entry[];
  /** The snapshot's revision. */
  revision: Revision;
  /** More keys follow the last one. */
  more: boolean;
}

export type StoreEvent =
  | { type: 'put'; entry: Entry; previous: Entry | undefined }
  /** `previous` is the value that was deleted. */
  | { type: 'delete'; key: string; revision: Revision; previous: Entry };

/** One commit. An empty `events` is progress: the watcher has now seen all up to `revision`. */
export interface WatchBatch {
  revision: Revision;
  events: StoreEvent[];
}

export interface WatchOptions {
  /** False: events need not carry what was replaced, which spares the store reading it. True when left out. */
  previous?: boolean;
}

export type LeaseId = string;

export interface Store {
  get(key: string, revision?: Revision): Promise<Entry | undefined>;
  list(prefix: string, options?: ListOptions): Promise<ListResult>;
  /** All ops or none. A key may occur once as put or delete. A commit of checks only, or that deletes only keys that are not there, takes no revision. */
  commit(ops: readonly Op[], info: CommitInfo): Promise<CommitResult>;
  /**
   * Batches of events under `prefix` after revision `from` (the newest revision when left out). Ends when `signal`
   * aborts; throws CompactedError when `from` is too old, SlowWatcherError when the reader falls too far behind.
   */
  watch(
    prefix: string,
    from: Revision | undefined,
    signal: AbortSignal,
    options?: WatchOptions,
  ): AsyncIterable<WatchBatch>;
  /** The newest revision. */
  revision(): Promise<Revision>;
  /** The newest revision committed at or before `time` (ms); undefined when that is before all history. */
  revisionAt(time: number): Promise<Revision | undefined>;
  /**
   * Forgets history before `revision`: reads of older snapshots and watches from older ones fail with CompactedError
   * afterwards. With a prefix only that of the keys under it: then reads and watches of it, and those of more than it, fail,
   * and all others go on. An engine that cannot forget a part keeps it.
   */
  compact(revision: Revision, prefix?: string): Promise<void>;
  /**
   * The oldest revision whose history takes at most so many bytes: keys and values that have been replaced or deleted
   * since. Undefined when the engine cannot tell.
   */
  revisionKeeping(bytes: number): Promise<Revision | undefined>;
  /** A lease whose keys are deleted `ttlMs` after its last renewal. */
  grantLease(ttlMs: number): Promise<LeaseId>;
  /** False when the lease has ended. */
  renewLease(lease: LeaseId): Promise<boolean>;
  revokeLease(lease: LeaseId): Promise<void>;
  /** What is wrong with the store now and how it is cured, as long as that lasts: a full disk. Undefined when all is well. */
  condition(): string | undefined;
  close(): Promise<void>;
}

/** The revision asked for was compacted away; `compacted` is the oldest that still can be read. */
export class CompactedError extends Error {
  override readonly name = 'CompactedError';
  readonly compacted: Revision;
  constructor(compacted: Revision) {
    super(`history before revision ${compacted} has been compacted`);
    this.compacted = compacted;
  }
}

/** A revision that has not happened yet was asked for. */
export class FutureRevisionError extends Error {
  override readonly name = 'FutureRevisionError';
  readonly current: Revision;
  constructor(wanted: Revision, current: Revision) {
    super(`revision ${wanted} is in the future: the newest is ${current}`);
    this.current = current;
  }
}

/** A watcher did not read fast enough and was dropped rather than hold memory; it may watch again from where it was. */
export class SlowWatcherError extends Error {
  override readonly name = 'SlowWatcherError';
}

/** The store cannot promise durability any more (I/O error, disk full): every later commit fails with it. */
export class StoreFailedError extends Error {
  override readonly name = 'StoreFailedError';
}

/** Another process owns the data directory. */
export class StoreLockedError extends Error {
  override readonly name = 'StoreLockedError';
}
