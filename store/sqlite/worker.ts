import { closeSync, fsyncSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import { systemClock, type Timer } from '#machinery/clock.ts';
import {
  type CommitInfo,
  type Op,
  type StoreEvent,
  StoreFailedError,
  StoreLockedError,
} from '../contract.ts';
import { Database } from './database.ts';
import { toWire } from './errors.ts';
import { Head } from './head.ts';
import { DamagedRowError } from './log.ts';
import type { CallMessage, CallName, Calls, WorkerMessage, WorkerOptions } from './protocol.ts';

/** Commits that share one fsync, at most: bounds how long the first of a burst waits. */
const GROUP_LIMIT = 512;

/** The write-ahead log is folded into the main file once nobody commits for so long, or at once after so many bytes. */
const CHECKPOINT_IDLE_MS = 100;
const CHECKPOINT_BYTES = 16 * 1024 * 1024;

interface PendingCommit {
  id: number;
  ops: readonly Op[];
  info: CommitInfo;
  previous: boolean;
}

type Handler<C extends CallName> = (
  ...args: Calls[C]['args']
) => Calls[C]['result'] | Promise<Calls[C]['result']>;

/**
 * Runs the database on its own thread: all commits that wait share one transaction and one fsync (group commit), and
 * are acknowledged after it. When durability cannot be promised any more, every later commit fails.
 */
class StoreWorker {
  readonly #lock: DatabaseSync;
  readonly #database: Database;
  readonly #head: Head;
  #pending: PendingCommit[] = [];
  #lastCommitMs = 0;
  #folding: Timer | undefined;
  #failed: StoreFailedError | undefined;

  constructor({ directory, acceptLoss }: WorkerOptions) {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    this.#lock = takeLock(join(directory, 'store.lock'), directory);
    this.#head = new Head(join(directory, 'store.head'));
    this.#database = openChecked(join(directory, 'store.db'));
    syncDirectory(directory);
    this.#head.expect(this.#database, directory, acceptLoss);
    send({ type: 'opened', revision: this.#database.revision, leases: this.#database.leases() });
  }

  receive({ id, call, args }: CallMessage): void {
    if (call === 'commit') {
      const [ops, info, previous] = args as Calls['commit']['args'];
      this.#pending.push({ id, ops, info, previous });
      if (this.#pending.length === 1) setImmediate(() => this.#flush());
      return;
    }
    // Reads see every commit that was sent before them.
    this.#flush();
    void this.#answer(id, call, args);
  }

  async #answer(id: number, call: Exclude<CallName, 'commit'>, args: unknown[]): Promise<void> {
    try {
      const result = await (this.#handlers[call] as (...args: unknown[]) => unknown)(...args);
      send({ type: 'result', id, result });
    } catch (error) {
      send({ type: 'error', id, error: toWire(this.#judge(error)) });
    }
  }

  readonly #handlers: { [C in Exclude<CallName, 'commit'>]: Handler<C> } = {
    get: (key, revision) => this.#database.get(key, revision),
    list: (prefix, options) => this.#database.list(prefix, options),
    past: (prefix, from, to) => this.#database.past(prefix, from, to),
    revisionAt: (time) => this.#database.revisionAt(time),
    revisionKeeping: (bytes) => this.#database.revisionKeeping(bytes),
    compact: async (revision, prefix) => {
      this.#database.compact(revision, prefix);
      // Commits that came meanwhile have their turn between two steps.
      while (!this.#database.forget()) {
        this.#checkpointIfDue();
        await new Promise((resolve) => setImmediate(resolve));
      }
      return undefined;
    },
    addLease: (ttlMs) => this.#database.addLease(ttlMs),
    endLease: (lease, time) => this.#endLease(lease, time),
    mark: () => undefined,
    close: () => {
      this.#folding?.cancel();
      this.#database.checkpoint(true);
      this.#database.close();
      this.#head.close();
      this.#lock.close();
      return undefined;
    },
  };

  #flush(): void {
    while (this.#pending.length > 0) {
      const group = this.#pending.splice(0, GROUP_LIMIT).filter((commit) => this.#leasesHold(commit));
      if (group.length === 0) continue;
      try {
        if (this.#failed) throw this.#failed;
        const results = this.#database.transaction(() =>
          group.map(({ id, ops, info, previous }) => ({
            id,
            result: this.#database.commit(ops, info, previous),
          })),
        );
        this.#head.note(this.#database.revision);
        send({ type: 'committed', results });
        this.#checkpointIfDue();
      } catch (error) {
        const failure = this.#judge(error);
        for (const { id } of group) send({ type: 'error', id, error: toWire(failure) });
      }
    }
  }

  /** Apart from commits where that can be: a pause is waited for, but not for ever. */
  #checkpointIfDue(): void {
    if (this.#database.unfoldedBytes > CHECKPOINT_BYTES) this.#checkpoint(false);
    this.#lastCommitMs = systemClock.monotonic();
    this.#folding ??= systemClock.timer(CHECKPOINT_IDLE_MS, () => this.#whenIdle());
  }

  #whenIdle(): void {
    const leftMs = this.#lastCommitMs + CHECKPOINT_IDLE_MS - systemClock.monotonic();
    if (leftMs <= 0) this.#checkpoint(true);
    else this.#folding = systemClock.timer(leftMs, () => this.#whenIdle());
  }

  #checkpoint(empty: boolean): void {
    this.#folding?.cancel();
    this.#folding = undefined;
    try {
      this.#database.checkpoint(empty);
    } catch (error) {
      // All is in the write-ahead log still. A full disk is tried again with the next commits; else the store has failed.
      this.#judge(error);
    }
  }

  /** A full disk may be mended and leaves the file whole; any other failure of the disk ends the store. */
  #judge(error: unknown): unknown {
    const code = (error as { errcode?: number }).errcode;
    const damaged = error instanceof DamagedRowError;
    if (code === undefined && !damaged) return error;
    const what = damaged ? 'is damaged' : 'cannot write';
    const failure = new StoreFailedError(`the store ${what}: ${(error as Error).message}`);
    if (!this.#failed && (damaged || (code! & 0xff) !== SQLITE_FULL)) {
      this.#failed = failure;
      send({ type: 'failed', error: toWire(failure) });
    }
    return failure;
  }

  /** Refuses a commit that names a lease which has ended: alone, not with the others of its group. */
  #leasesHold({ id, ops }: PendingCommit): boolean {
    const ended = ops.find(
      (op) => op.op === 'put' && op.lease !== undefined && !this.#database.hasLease(op.lease),
    );
    if (ended?.op !== 'put') return true;
    send({ type: 'error', id, error: toWire(new Error(`the lease ${ended.lease} has ended`)) });
    return false;
  }

  #endLease(lease: string, time: number): undefined {
    for (const key of this.#database.leasedKeys(lease)) {
      const info = { time, actor: 'system:store', cause: `the lease ${lease} ended` };
      const committed = this.#database.transaction(() =>
        this.#database.commit([{ op: 'delete', key }], info, true),
      );
      const change = committed.ok && committed.changes[0];
      if (!change) continue;
      const { revision } = committed;
      this.#head.note(revision);
      const event: StoreEvent = { type: 'delete', key, revision, previous: change.previous! };
      send({ type: 'happened', batch: { revision, events: [event] } });
    }
    this.#database.removeLease(lease);
    return undefined;
  }
}

const SQLITE_BUSY = 5;
const SQLITE_FULL = 13;

/**
 * That files were made, and that SQLite's first journal is gone, is on the disk before anything is acknowledged: a journal
 * that came back would be rolled back over what is newer.
 */
function syncDirectory(directory: string): void {
  const file = openSync(directory, 'r');
  fsyncSync(file);
  closeSync(file);
}

/** A file in which anything is not what was written is of no use: its newest rows may be missing too. */
function openChecked(file: string): Database {
  try {
    return new Database(file);
  } catch (error) {
    const bySqlite = (error as { errcode?: number }).errcode !== undefined;
    if (!bySqlite && !(error instanceof DamagedRowError)) throw error;
    throw new StoreFailedError(`${file} is damaged: ${(error as Error).message}; restore it from a backup`);
  }
}

/** Holds an exclusive transaction on a database of its own for as long as this process lives. */
function takeLock(file: string, directory: string): DatabaseSync {
  const lock = new DatabaseSync(file);
  try {
    lock.exec('PRAGMA busy_timeout = 0; PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE');
    return lock;
  } catch (error) {
    lock.close();
    if ((error as { errcode?: number }).errcode !== SQLITE_BUSY) throw error;
    throw new StoreLockedError(`another process uses the store in ${directory}`);
  }
}

function send(message: WorkerMessage): void {
  parentPort!.postMessage(message);
}

try {
  const worker = new StoreWorker(workerData as WorkerOptions);
  parentPort!.on('message', (messages: CallMessage[]) => {
    for (const message of messages) worker.receive(message);
  });
} catch (error) {
  send({ type: 'failed', error: toWire(error) });
}
