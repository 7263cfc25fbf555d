import { Worker } from 'node:worker_threads';
import type { Clock } from '#machinery/clock.ts';
import { checkOps } from '../commit.ts';
import {
  type CommitInfo,
  type CommitResult,
  type Entry,
  type LeaseId,
  type ListOptions,
  type ListResult,
  type Op,
  type Revision,
  type Store,
  StoreFailedError,
  type WatchBatch,
  type WatchOptions,
} from '../contract.ts';
import { Feed } from '../feed.ts';
import { LeaseTimers } from '../lease-timers.ts';
import { fromWire } from './errors.ts';
import { batchOf } from './events.ts';
import type { CallMessage, CallName, Calls, WorkerMessage, WorkerOptions } from './protocol.ts';

export interface SqliteOptions {
  /** Holds store.db, its write-ahead log and the lock. */
  directory: string;
  clock: Clock;
  /** The worker's program; the bundle names its own. */
  worker?: URL;
  watcherLimitBytes?: number;
  /** Opens a store that lacks what it had acknowledged, which else is refused with StoreFailedError. */
  acceptLoss?: boolean;
}

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
  /** Of a commit: the worker does not send back what it was sent. */
  ops?: readonly Op[];
}

/** Opens the embedded store; rejects with StoreLockedError or StoreFailedError. */
export function openSqliteStore(options: SqliteOptions): Promise<Store> {
  const worker = new Worker(options.worker ?? new URL('./worker.ts', import.meta.url), {
    workerData: {
      directory: options.directory,
      acceptLoss: options.acceptLoss ?? false,
    } satisfies WorkerOptions,
    // Flags of the process need not be ones that a worker takes.
    execArgv: [],
  });
  return new Promise((resolve, reject) => {
    worker.once('error', reject);
    worker.once('message', (message: WorkerMessage) => {
      if (message.type === 'opened')
        resolve(new SqliteStore(worker, message.revision, message.leases, options));
      else if (message.type === 'failed') void worker.terminate().then(() => reject(fromWire(message.error)));
    });
  });
}

/** The worker's other end: numbers calls, hands out events, keeps lease timers. */
class SqliteStore implements Store {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #feed: Feed;
  readonly #leases: LeaseTimers;
  readonly #clock: Clock;
  #lastCall = 0;
  #outgoing: CallMessage[] = [];
  /** Watches under way whose events carry what was replaced. */
  #wantPrevious = 0;
  /** Why the last commit could not be made. */
  #condition: string | undefined;
  #ended: Error | undefined;

  constructor(
    worker: Worker,
    revision: Revision,
    leases: { id: LeaseId; ttlMs: number }[],
    options: SqliteOptions,
  ) {
    this.#worker = worker;
    this.#clock = options.clock;
    this.#feed = new Feed(
      revision,
      { read: (from, to, prefix) => this.#call('past', prefix, from, to) },
      options.watcherLimitBytes,
    );
    this.#leases = new LeaseTimers(options.clock, (lease) => void this.#expire(lease));
    for (const { id, ttlMs } of leases) this.#leases.start(id, ttlMs);
    worker.on('message', (message: WorkerMessage) => this.#receive(message));
    worker.on('error', (error: Error) =>
      this.#end(new StoreFailedError(`the store stopped: ${error.message}`)),
    );
    worker.on('exit', () => this.#end(new StoreFailedError('the store stopped')));
  }

  get(key: string, revision?: Revision): Promise<Entry | undefined> {
    return this.#call('get', key, revision);
  }

  list(prefix: string, options: ListOptions = {}): Promise<ListResult> {
    return this.#call('list', prefix, options);
  }

  async commit(ops: readonly Op[], info: CommitInfo): Promise<CommitResult> {
    checkOps(ops);
    const owned = ops.map(withOwnMemory);
    const committed = await this.#send('commit', [owned, info, this.#wantPrevious > 0], owned).catch(
      (error: unknown) => {
        if (error instanceof StoreFailedError) this.#condition = error.message;
        throw error;
      },
    );
    this.#condition = undefined;
    return committed.ok ? { ok: true, revision: committed.revision } : committed;
  }

  watch(
    prefix: string,
    from: Revision | undefined,
    signal: AbortSignal,
    { previous = true }: WatchOptions = {},
  ): AsyncIterable<WatchBatch> {
    if (!previous) return this.#feed.watch(prefix, from, signal);
    const start = from ?? this.#feed.revision;
    this.#wantPrevious++;
    // Commits under way were sent without it: the watch joins after them, and reads them from the disk.
    const joined = this.#call('mark').then(() => this.#feed.watch(prefix, start, signal));
    joined.catch(() => undefined);
    const leave = () => this.#wantPrevious--;
    return deferred(joined, signal, leave);
  }

  async revision(): Promise<Revision> {
    if (this.#ended) throw this.#ended;
    return this.#feed.revision;
  }

  revisionAt(time: number): Promise<Revision | undefined> {
    return this.#call('revisionAt', time);
  }

  revisionKeeping(bytes: number): Promise<Revision> {
    return this.#call('revisionKeeping', bytes);
  }

  compact(revision: Revision, prefix = ''): Promise<void> {
    return this.#call('compact', revision, prefix);
  }

  async grantLease(ttlMs: number): Promise<LeaseId> {
    const lease = await this.#call('addLease', ttlMs);
    this.#leases.start(lease, ttlMs);
    return lease;
  }

  async renewLease(lease: LeaseId): Promise<boolean> {
    return this.#leases.renew(lease);
  }

  async revokeLease(lease: LeaseId): Promise<void> {
    if (this.#leases.stop(lease)) await this.#call('endLease', lease, this.#clock.now());
  }

  condition(): string | undefined {
    return this.#condition;
  }

  async close(): Promise<void> {
    if (!this.#ended) {
      this.#leases.stopAll();
      await this.#call('close');
      this.#end(new Error('the store was closed'));
    }
    await this.#worker.terminate();
  }

  /** A store that ended meanwhile starts the lease anew when it is opened again. */
  async #expire(lease: LeaseId): Promise<void> {
    if (!this.#ended) await this.#call('endLease', lease, this.#clock.now());
  }

  #call<C extends CallName>(call: C, ...args: Calls[C]['args']): Promise<Calls[C]['result']> {
    return this.#send(call, args);
  }

  #send<C extends CallName>(
    call: C,
    args: Calls[C]['args'],
    ops?: readonly Op[],
  ): Promise<Calls[C]['result']> {
    if (this.#ended) return Promise.reject(this.#ended);
    const id = ++this.#lastCall;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (result: unknown) => void, reject, ops });
      // Calls of one turn of the loop travel together: a message costs more than most calls.
      if (this.#outgoing.push({ id, call, args }) === 1) setImmediate(() => this.#flush());
    });
  }

  #flush(): void {
    this.#worker.postMessage(this.#outgoing);
    this.#outgoing = [];
  }

  #receive(message: WorkerMessage): void {
    if (message.type === 'committed') {
      for (const { id, result } of message.results) {
        const waiting = this.#take(id);
        if (result.ok && result.changes.length > 0) this.#feed.publish(batchOf(waiting?.ops ?? [], result));
        waiting?.resolve(result);
      }
    } else if (message.type === 'happened') this.#feed.publish(message.batch);
    else if (message.type === 'failed') this.#end(fromWire(message.error));
    else if (message.type === 'result') this.#take(message.id)?.resolve(message.result);
    else if (message.type === 'error') this.#take(message.id)?.reject(fromWire(message.error));
  }

  #take(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }

  #end(reason: Error): void {
    if (this.#ended) return;
    this.#ended = reason;
    if (reason instanceof StoreFailedError) this.#condition = reason.message;
    this.#leases.stopAll();
    this.#feed.close(reason);
    for (const waiting of this.#waiting.values()) waiting.reject(reason);
    this.#waiting.clear();
  }
}

/** A view is sent between threads with all the memory it is a view of: a small one of Node's pool with 64 kB. */
function withOwnMemory(op: Op): Op {
  if (op.op !== 'put' || op.value.buffer.byteLength === op.value.length) return op;
  return { ...op, value: Uint8Array.from(op.value) };
}

/** A watch that begins when it is known from where; `leave` is called once, when it is over. */
function deferred(
  joined: Promise<AsyncIterable<WatchBatch>>,
  signal: AbortSignal,
  leave: () => void,
): AsyncIterable<WatchBatch> {
  let left = false;
  const over = () => {
    if (!left) leave();
    left = true;
  };
  signal.addEventListener('abort', over, { once: true });
  joined.catch(over);
  return (async function* () {
    try {
      yield* await joined;
    } finally {
      signal.removeEventListener('abort', over);
      over();
    }
  })();
}
