import type { IRangeResponse } from 'etcd3';
import type { Logger } from '#machinery/log.ts';
import type { Random } from '#machinery/random.ts';
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
  StoreFailedError,
  type WatchBatch,
} from '../contract.ts';
import { Connection, type ConnectionOptions } from './connection.ts';
import { CommitOutcomeUnknownError, EtcdUnavailableError, faultOf, LeaseEndedError } from './errors.ts';
import { KeyLayout } from './key-layout.ts';
import { Leases } from './leases.ts';
import { LiveFeed } from './live.ts';
import { type CommitTime, newestAt } from './time-index.ts';
import { conflictOf, planTransaction, type Transaction, timeOf } from './transaction.ts';
import { faultsOf } from './versions.ts';
import { toEntry, watchRevisions } from './watch-stream.ts';

export { CommitOutcomeUnknownError, EtcdUnavailableError, LeaseEndedError } from './errors.ts';

export interface EtcdOptions extends ConnectionOptions {
  /** What all keys begin with in etcd, ends in `/`: `/gantry/<cluster>/`. */
  root: string;
  /** Stands before every key in etcd; '' (the default) when the keys begin with the root themselves. */
  prefix?: string;
  log: Logger;
  random: Random;
  watcherLimitBytes?: number;
  /** Is given the connection, whose endpoints it may change until that is closing. */
  follow?: (connection: Connection) => void;
}

/** How long a commit that may have been applied is looked for, and tried again. */
const SETTLE_MS = 10_000;

/** How long is listened for which revision is the oldest, when etcd has only said that one is too old. */
const PROBE_MS = 2_000;

/** etcd's AlarmType.Nospace, AlarmAction.Get: as numbers, see transaction.ts. */
const ALARM_NOSPACE = 1;
const ALARM_GET = 0;

/**
 * Opens a store in an etcd cluster, which several servers may share. Rejects with EtcdUnavailableError when no member
 * answers within ten seconds. The user it logs in as must be allowed to read all keys: the watch needs every revision.
 */
export async function openEtcdStore(options: EtcdOptions): Promise<Store> {
  const connection = new Connection(options);
  try {
    const { version } = await connection.repeat((call) => connection.etcd.maintenance.status(call));
    const faults = faultsOf(version);
    if (faults.length > 0)
      options.log.warn('This version of etcd has known faults: update it', { version, faults });
    const layout = new KeyLayout(options.prefix ?? '', options.root);
    const { revision } = await readRecord(connection, layout);
    options.follow?.(connection);
    return new EtcdStore(connection, layout, revision, options);
  } catch (error) {
    connection.close();
    throw error;
  }
}

class EtcdStore implements Store {
  readonly #connection: Connection;
  readonly #layout: KeyLayout;
  readonly #leases: Leases;
  readonly #live: LiveFeed;
  readonly #clock: EtcdOptions['clock'];
  /** Begins the tokens of this store's commits. */
  readonly #name: string;
  #commits = 0;
  /** Why etcd took no commit. */
  #condition: string | undefined;

  constructor(connection: Connection, layout: KeyLayout, revision: Revision, options: EtcdOptions) {
    this.#connection = connection;
    this.#layout = layout;
    this.#clock = options.clock;
    this.#name = Buffer.from(options.random.bytes(9)).toString('base64url');
    this.#leases = new Leases(connection);
    const { clock, log, watcherLimitBytes } = options;
    const newest = () => this.#told();
    this.#live = new LiveFeed(revision, { connection, layout, clock, log, newest, watcherLimitBytes });
  }

  async get(key: string, revision?: Revision): Promise<Entry | undefined> {
    const [kv] = (await this.#range({ key: this.#layout.toEtcd(key) }, revision)).kvs;
    return kv && toEntry(key, kv);
  }

  async list(prefix: string, { limit, after, revision }: ListOptions = {}): Promise<ListResult> {
    const range = this.#layout.range(prefix, after);
    // Nothing can be there; the revision is still the server's to judge.
    const request = range ? { ...range, limit: limit ?? 0 } : { key: this.#layout.record };
    const response = await this.#range(request, revision);
    const kvs = range ? response.kvs : [];
    return {
      entries: kvs.map((kv) => toEntry(this.#layout.fromEtcd(kv.key)!, kv)),
      revision: revision ?? Number(response.header.revision),
      more: range !== undefined && response.more,
    };
  }

  async commit(ops: readonly Op[], info: CommitInfo): Promise<CommitResult> {
    const token = `${this.#name}.${++this.#commits}`;
    const transaction = planTransaction(ops, info, token, this.#layout);
    this.#open();
    this.#live.trace(token);
    try {
      const result = await this.#apply(transaction, token);
      this.#condition = undefined;
      return result;
    } catch (error) {
      const explained = await this.#explain(error, ops);
      if (explained instanceof StoreFailedError) this.#condition = explained.message;
      throw explained;
    } finally {
      this.#live.forget(token);
    }
  }

  watch(prefix: string, from: Revision | undefined, signal: AbortSignal): AsyncIterable<WatchBatch> {
    return this.#live.watch(prefix, from, signal);
  }

  async revision(): Promise<Revision> {
    this.#open();
    return this.#newest();
  }

  async revisionAt(time: number): Promise<Revision | undefined> {
    const { newest, first } = await readRecord(this.#connection, this.#layout);
    return newestAt(time, newest, first, async (revision) => {
      try {
        return (await readRecord(this.#connection, this.#layout, revision)).newest;
      } catch (error) {
        if (faultOf(error) === 'out-of-range') return undefined;
        throw error;
      }
    });
  }

  /** etcd does not tell what its history takes. */
  async revisionKeeping(): Promise<undefined> {
    return undefined;
  }

  async compact(revision: Revision, prefix = ''): Promise<void> {
    this.#open();
    // etcd forgets all keys up to a revision, or none.
    if (prefix !== '') return;
    try {
      await this.#connection.repeat((call) => this.#connection.etcd.kv.compact({ revision }, call));
    } catch (error) {
      if (faultOf(error) !== 'out-of-range') throw error;
      const current = await this.#newest();
      // Otherwise it was compacted before: done.
      if (revision > current) throw new FutureRevisionError(revision, current);
    }
  }

  grantLease(ttlMs: number): Promise<LeaseId> {
    return this.#leases.grant(ttlMs);
  }

  renewLease(lease: LeaseId): Promise<boolean> {
    return this.#leases.renew(lease);
  }

  revokeLease(lease: LeaseId): Promise<void> {
    return this.#leases.revoke(lease);
  }

  condition(): string | undefined {
    return this.#condition ?? this.#connection.trouble;
  }

  async close(): Promise<void> {
    if (this.#connection.closed) return;
    this.#connection.close();
    await this.#live.close(new Error('the store was closed'));
  }

  #open(): void {
    if (this.#connection.closed) throw new Error('the store was closed');
  }

  /** A read that waits for a majority of the members. Never older than what is known already. */
  async #newest(): Promise<Revision> {
    const { known } = this.#live;
    const revision = await this.#told();
    return Math.max(revision, known);
  }

  /** What etcd says its newest revision is. */
  async #told(): Promise<Revision> {
    const { revision } = await readRecord(this.#connection, this.#layout);
    this.#live.saw(revision);
    return revision;
  }

  async #range(request: object, revision: Revision | undefined): Promise<IRangeResponse> {
    this.#open();
    // etcd's first revision is 1, and 0 means the newest to it.
    const at = revision === undefined ? 0 : Math.max(revision, 1);
    const known = this.#live.known;
    try {
      return await this.#connection.repeat(async (call) => {
        const response = await this.#connection.etcd.kv.range({ ...request, revision: at }, call);
        // A leader that was paused may answer as of its past (etcd issue 20418): ask again.
        if (Number(response.header.revision) < known)
          throw new EtcdUnavailableError(
            `etcd answered as of ${response.header.revision}, ${known} is known`,
          );
        return response;
      });
    } catch (error) {
      throw faultOf(error) === 'out-of-range' ? await this.#whyNotAt(at) : error;
    }
  }

  /** etcd answers alike for the compacted and the future. */
  async #whyNotAt(revision: Revision): Promise<Error> {
    const current = await this.#newest();
    if (revision > current) return new FutureRevisionError(revision, current);
    const stop = new AbortController();
    const timer = this.#clock.timer(PROBE_MS, () => stop.abort());
    const signal = AbortSignal.any([stop.signal, this.#connection.closing]);
    try {
      for await (const _ of watchRevisions(this.#connection, this.#layout, revision, signal)) break;
    } catch (error) {
      if (error instanceof CompactedError) return error;
    } finally {
      timer.cancel();
    }
    return new CompactedError(revision + 1);
  }

  /**
   * Sends a commit; when the connection breaks meanwhile, first finds out whether it was applied, and sends it again
   * only when it cannot be applied twice.
   */
  async #apply(transaction: Transaction, token: string): Promise<CommitResult> {
    const end = this.#clock.monotonic() + SETTLE_MS;
    for (let tries = 0; ; tries++) {
      try {
        const response = await this.#connection.etcd.kv.txn(transaction.request, this.#connection.deadline());
        const revision = Number(response.header.revision);
        this.#live.saw(revision);
        if (response.succeeded) return { ok: true, revision };
        const applied = tries > 0 ? await this.#appliedAt(token) : undefined;
        return applied ? { ok: true, revision: applied } : conflictOf(transaction, response);
      } catch (error) {
        if (faultOf(error) !== 'unavailable') throw error;
        const applied = transaction.traceable ? await this.#appliedAt(token) : undefined;
        if (applied) return { ok: true, revision: applied };
        if (!transaction.repeatable || this.#clock.monotonic() > end) throw outcomeUnknown(error);
      }
    }
  }

  /** The revision of the commit with this token, once the watch has come to what is newest now. */
  async #appliedAt(token: string): Promise<Revision | undefined> {
    const newest = await this.#newest().catch((error: unknown) => {
      throw outcomeUnknown(error);
    });
    const reached = await this.#live.reached(newest, SETTLE_MS);
    const revision = this.#live.traced(token);
    if (!reached || revision === 'missed') throw outcomeUnknown(undefined);
    return revision;
  }

  async #explain(error: unknown, ops: readonly Op[]): Promise<unknown> {
    switch (faultOf(error)) {
      case 'lease-ended':
        return new LeaseEndedError(ops.flatMap((op) => (op.op === 'put' && op.lease) || [])[0] ?? '');
      case 'exhausted':
        return (await this.#isFull())
          ? new StoreFailedError(
              'etcd is full (its NOSPACE alarm is on) and takes no writes: run "gantry etcd defrag --compact --disarm", which forgets history, gives free room back and takes writes again; raise etcd\'s --quota-backend-bytes (of one that the servers run, --etcd-quota) if it fills again',
            )
          : error;
      default:
        return error;
    }
  }

  async #isFull(): Promise<boolean> {
    const request = { action: ALARM_GET, alarm: ALARM_NOSPACE, memberID: 0 };
    const { alarms } = await this.#connection.repeat((call) =>
      this.#connection.etcd.maintenance.alarm(request, call),
    );
    return alarms.some(({ alarm }) => alarm === 'Nospace');
  }
}

function outcomeUnknown(cause: unknown): CommitOutcomeUnknownError {
  const why = cause instanceof EtcdUnavailableError ? ` (${cause.message})` : '';
  return new CommitOutcomeUnknownError(
    `etcd did not answer, and whether the commit was applied cannot be told: read what is there before trying again${why}`,
    { cause },
  );
}

/** The newest revision (`at` when given), and what the record of commits holds then. */
async function readRecord(
  connection: Connection,
  layout: KeyLayout,
  at = 0,
): Promise<{ revision: Revision; newest: CommitTime | undefined; first: Revision }> {
  const { kvs, header } = await connection.repeat((call) =>
    connection.etcd.kv.range({ key: layout.record, revision: at }, call),
  );
  const [kv] = kvs;
  const newest = kv && { revision: Number(kv.mod_revision), time: timeOf(kv.value) };
  return { revision: Number(header.revision), newest, first: Number(kv?.create_revision ?? 0) };
}
