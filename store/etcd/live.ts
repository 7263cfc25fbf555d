import type { Clock, Timer } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import type { Logger } from '#machinery/log.ts';
import {
  CompactedError,
  FutureRevisionError,
  type Revision,
  StoreFailedError,
  type WatchBatch,
} from '../contract.ts';
import { Feed } from '../feed.ts';
import type { Connection } from './connection.ts';
import type { KeyLayout } from './key-layout.ts';
import { tokenOf } from './transaction.ts';
import { type RawBatch, RevisionGapError, watchRevisions } from './watch-stream.ts';

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1_000;

/** A revision that etcd has and the watch has not shown for so long means that the watch is dead: it is made anew. */
const STALL_MS = 1_500;

/** How often a revision that was left out is asked for again. */
const MAX_GAPS = 3;

/** How often a server that names an older revision than it did before is asked again: a stale answer is no lost data. */
const MAX_STALE = 5;

/** Batches and bytes of the past that are held at a time. */
const PAGE = 1_000;
const PAGE_BYTES = 8 * 1024 * 1024;

export interface LiveOptions {
  connection: Connection;
  layout: KeyLayout;
  clock: Clock;
  log: Logger;
  /** The newest revision, asked of a majority. */
  newest: () => Promise<Revision>;
  watcherLimitBytes: number | undefined;
}

/**
 * The one watch of a store: follows etcd over all breaks from the last revision it delivered, and hands every revision to
 * the watchers, and to commits that want to know whether they were applied.
 */
export class LiveFeed {
  readonly #options: LiveOptions;
  #feed: Feed;
  /** The newest revision that anything told us of: a watch without a start begins there. */
  #known: Revision;
  /** What was published last: the record of its commit. */
  #last: { revision: Revision; record: Buffer | undefined } | undefined;
  #connected = new AbortController();
  #stall: Timer | undefined;
  readonly #tokens = new Map<string, Revision | undefined>();
  #waiters: { revision: Revision; resolve: (reached: boolean) => void }[] = [];
  readonly #running: Promise<void>;

  constructor(revision: Revision, options: LiveOptions) {
    this.#options = options;
    this.#known = revision;
    this.#feed = this.#newFeed(revision);
    this.#running = this.#follow();
  }

  /** The newest revision that etcd has told of. */
  get known(): Revision {
    return this.#known;
  }

  /** A response of etcd named this revision: the watch has to come there. */
  saw(revision: Revision): void {
    if (revision > this.#known) this.#known = revision;
    if (revision > this.#feed.revision && !this.#stall) {
      const before = this.#feed.revision;
      this.#stall = this.#options.clock.timer(STALL_MS, () => {
        this.#stall = undefined;
        if (this.#feed.revision !== before) return this.saw(this.#known);
        if (this.#feed.revision < this.#known) this.#connected.abort();
      });
    }
  }

  watch(prefix: string, from: Revision | undefined, signal: AbortSignal): AsyncIterable<WatchBatch> {
    const start = from ?? this.#known;
    const { revision } = this.#feed;
    if (start <= revision) return this.#feed.watch(prefix, start, signal);
    const left = new AbortController();
    const events = this.#feed.watch(prefix, revision, AbortSignal.any([signal, left.signal]));
    return this.#after(start, events, from !== undefined, left);
  }

  /** Remembers when a commit with this token comes by, until `forget`. */
  trace(token: string): void {
    this.#tokens.set(token, undefined);
  }

  forget(token: string): void {
    this.#tokens.delete(token);
  }

  /** The revision at which the commit came by; `missed` when it may have come by unseen. */
  traced(token: string): Revision | undefined | 'missed' {
    return this.#tokens.has(token) ? this.#tokens.get(token) : 'missed';
  }

  /** Resolves to true when the watch has delivered `revision`, to false when it has not after `timeoutMs`. */
  reached(revision: Revision, timeoutMs: number): Promise<boolean> {
    if (this.#feed.revision >= revision) return Promise.resolve(true);
    this.saw(revision);
    return new Promise((resolve) => {
      const waiter = {
        revision,
        resolve: (reached: boolean) => {
          timer.cancel();
          resolve(reached);
        },
      };
      const timer = this.#options.clock.timer(timeoutMs, () => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
        resolve(false);
      });
      this.#waiters.push(waiter);
    });
  }

  /** Ends every watch with `reason`; the connection is to be closed before. */
  async close(reason: Error): Promise<void> {
    this.#stall?.cancel();
    this.#connected.abort();
    this.#feed.close(reason);
    for (const waiter of this.#waiters.splice(0)) waiter.resolve(false);
    await this.#running;
  }

  async #follow(): Promise<void> {
    const { connection, log } = this.#options;
    let pause = FIRST_PAUSE_MS;
    let gaps = 0;
    while (!connection.closed) {
      const before = this.#feed.revision;
      try {
        await this.#connect();
      } catch (error) {
        if (connection.closed) return;
        gaps = error instanceof RevisionGapError && this.#feed.revision === before ? gaps + 1 : 0;
        if (error instanceof StoreFailedError) return this.#feed.close(error);
        if (error instanceof CompactedError) this.#startOver(error);
        else if (error instanceof RevisionGapError && gaps >= MAX_GAPS) {
          log.error('etcd does not deliver a revision: all watchers have to list again', {
            missing: error.missing,
          });
          this.#startOver(new CompactedError(error.next));
        } else log.warn('The watch of etcd broke and is made anew', { error: messageOf(error) });
      }
      pause = this.#feed.revision > before ? FIRST_PAUSE_MS : Math.min(pause * 2, LONGEST_PAUSE_MS);
      await connection.pause(pause);
    }
  }

  /** One connection, until it breaks or stalls. */
  async #connect(): Promise<void> {
    const { connection, layout, newest } = this.#options;
    this.#connected = new AbortController();
    const { signal } = this.#connected;
    await this.#notBehind(newest);
    if (connection.closed) return;
    const again = (batch: RawBatch) => this.#compare(batch);
    for await (const batch of watchRevisions(connection, layout, this.#feed.revision, signal, again))
      this.#publish(batch.revision, batch.events, batch.record);
  }

  /** etcd must have what it told before. A leader that was paused may answer as of its past (etcd issue 20418). */
  async #notBehind(newest: () => Promise<Revision>): Promise<void> {
    const { connection } = this.#options;
    const known = this.#feed.revision;
    let revision = await newest();
    for (let tries = 1; revision < known && tries < MAX_STALE && !connection.closed; tries++) {
      await connection.pause(LONGEST_PAUSE_MS);
      revision = await newest();
    }
    if (revision < known)
      throw new StoreFailedError(
        `etcd went back from revision ${known} to ${revision}: it lost what it had acknowledged, was restored from an older backup, or this is another cluster; start every server anew`,
      );
  }

  /** The revision that is told again must be the one that was told: else the members differ (etcd issue 14685). */
  #compare({ revision, record }: RawBatch): void {
    const told = this.#last;
    if (told?.revision !== revision || sameBytes(told.record, record)) return;
    throw new StoreFailedError(
      `the members of etcd hold different data: revision ${revision} is not the commit that it was; compare them (etcdctl endpoint hashkv --cluster), remove the one that differs and add it anew`,
    );
  }

  #publish(revision: Revision, events: WatchBatch['events'], record: Buffer | undefined): void {
    if (record && this.#tokens.size > 0) {
      const token = tokenOf(record);
      if (this.#tokens.has(token)) this.#tokens.set(token, revision);
    }
    if (revision > this.#known) this.#known = revision;
    this.#last = { revision, record };
    this.#feed.publish({ revision, events });
    if (revision >= this.#known) {
      this.#stall?.cancel();
      this.#stall = undefined;
    }
    if (this.#waiters.length === 0) return;
    const due = this.#waiters.filter((waiter) => waiter.revision <= revision);
    this.#waiters = this.#waiters.filter((waiter) => waiter.revision > revision);
    for (const waiter of due) waiter.resolve(true);
  }

  /** What was compacted before it came cannot be delivered: all watchers are told, and the watch goes on after it. */
  #startOver(reason: CompactedError): void {
    this.#tokens.clear();
    const lost = this.#feed;
    this.#feed = this.#newFeed(Math.max(lost.revision, reason.compacted));
    this.#known = Math.max(this.#known, this.#feed.revision);
    lost.close(reason);
  }

  #newFeed(revision: Revision): Feed {
    const read = (from: Revision, to: Revision) => this.#past(from, to);
    return new Feed(revision, { read }, this.#options.watcherLimitBytes);
  }

  /** A page of the past. What etcd leaves out of it again and again counts as compacted: nobody can be told of it. */
  async #past(from: Revision, to: Revision): Promise<WatchBatch[]> {
    for (let gaps = 1; ; gaps++) {
      try {
        return await this.#page(from, to);
      } catch (error) {
        if (!(error instanceof RevisionGapError)) throw error;
        if (gaps >= MAX_GAPS) throw new CompactedError(error.next);
      }
    }
  }

  /** Over a watch of its own that ends with it. */
  #page(from: Revision, to: Revision): Promise<WatchBatch[]> {
    const { connection, layout } = this.#options;
    return connection.repeat(async () => {
      const page: WatchBatch[] = [];
      let bytes = 0;
      for await (const { revision, events } of watchRevisions(connection, layout, from, connection.closing)) {
        if (revision > to) break;
        page.push({ revision, events });
        for (const event of events) bytes += event.type === 'put' ? event.entry.value.length : 0;
        if (revision === to || page.length >= PAGE || bytes > PAGE_BYTES) break;
      }
      return page;
    });
  }

  /** Events after a revision that the watch has yet to come to. */
  async *#after(
    start: Revision,
    events: AsyncIterable<WatchBatch>,
    asked: boolean,
    left: AbortController,
  ): AsyncIterable<WatchBatch> {
    try {
      if (asked && start > this.#known) {
        const current = await this.#options.newest();
        if (start > current) throw new FutureRevisionError(start, current);
      }
      for await (const batch of events) if (batch.revision > start) yield batch;
    } finally {
      left.abort();
    }
  }
}

function sameBytes(a: Buffer | undefined, b: Buffer | undefined): boolean {
  return a === undefined || b === undefined ? a === b : a.equals(b);
}
