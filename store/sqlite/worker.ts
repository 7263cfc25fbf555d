import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import {
  type CommitInfo,
  type Op,
  StoreFailedError,
  StoreLockedError,
  type WatchBatch,
} from '../contract.ts';
import { Database } from './database.ts';
import { toWire } from './errors.ts';
import type { CallMessage, CallName, Calls, WorkerMessage, WorkerOptions } from './protocol.ts';

/** Commits that share one fsync, at most: bounds how long the first of a burst waits. */
const GROUP_LIMIT = 512;

/** The write-ahead log is folded into the main file when idle after this many commits, or at once after ten times as many. */
const CHECKPOINT_COMMITS = 1_000;

interface PendingCommit {
  id: number;
  ops: readonly Op[];
  info: CommitInfo;
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
  #pending: PendingCommit[] = [];
  #sinceCheckpoint = 0;
  #failed: StoreFailedError | undefined;

  constructor(options: WorkerOptions) {
    mkdirSync(options.directory, { recursive: true, mode: 0o700 });
    this.#lock = takeLock(join(options.directory, 'store.lock'), options.directory);
    this.#database = new Database(join(options.directory, 'store.db'));
    send({ type: 'opened', revision: this.#database.revision, leases: this.#database.leases() });
  }

  receive({ id, call, args }: CallMessage): void {
    if (call === 'commit') {
      const [ops, info] = args as Calls['commit']['args'];
      this.#pending.push({ id, ops, info });
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
      send({ type: 'error', id, error: toWire(error) });
    }
  }

  readonly #handlers: { [C in Exclude<CallName, 'commit'>]: Handler<C> } = {
    get: (key, revision) => this.#database.get(key, revision),
    list: (prefix, options) => this.#database.list(prefix, options),
    log: (from, to) => this.#database.log(from, to),
    revisionAt: (time) => this.#database.revisionAt(time),
    compact: async (revision) => {
      while (!this.#database.compactStep(revision)) await new Promise((resolve) => setImmediate(resolve));
      return undefined;
    },
    addLease: (ttlMs) => this.#database.addLease(ttlMs),
    endLease: (lease, time) => this.#endLease(lease, time),
    close: () => {
      this.#database.checkpoint();
      this.#database.close();
      this.#lock.close();
      return undefined;
    },
  };

  #flush(): void {
    while (this.#pending.length > 0) {
      const group = this.#pending.splice(0, GROUP_LIMIT).filter((commit) => this.#leasesHold(commit));
      if (group.length === 0) continue;
      const batches: WatchBatch[] = [];
      try {
        if (this.#failed) throw this.#failed;
        const results = this.#database.transaction(() =>
          group.map(({ ops, info }) => {
            const { result, batch } = this.#database.commit(ops, info);
            if (batch) batches.push(batch);
            return result;
          }),
        );
        send({ type: 'batches', batches, results: group.map(({ id }, i) => ({ id, result: results[i] })) });
        this.#checkpointIfDue(batches.length);
      } catch (error) {
        const failure = this.#judge(error);
        for (const { id } of group) send({ type: 'error', id, error: toWire(failure) });
      }
    }
  }

  #checkpointIfDue(commits: number): void {
    this.#sinceCheckpoint += commits;
    const limit = this.#pending.length === 0 ? CHECKPOINT_COMMITS : 10 * CHECKPOINT_COMMITS;
    if (this.#sinceCheckpoint < limit) return;
    this.#sinceCheckpoint = 0;
    this.#database.checkpoint();
  }

  /** A full disk may be mended and leaves the file whole; any other failure of a write ends the store. */
  #judge(error: unknown): unknown {
    const code = (error as { errcode?: number }).errcode;
    if (code === undefined) return error;
    const failure = new StoreFailedError(`the store cannot write: ${(error as Error).message}`);
    if ((code & 0xff) !== SQLITE_FULL) this.#failed = failure;
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
      const { batch } = this.#database.transaction(() =>
        this.#database.commit([{ op: 'delete', key }], info),
      );
      if (batch) send({ type: 'batches', batches: [batch], results: [] });
    }
    this.#database.removeLease(lease);
    return undefined;
  }
}

const SQLITE_BUSY = 5;
const SQLITE_FULL = 13;

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
