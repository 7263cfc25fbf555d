import { FutureRevisionError, type Revision, SlowWatcherError, type WatchBatch } from './contract.ts';

/** A watcher that holds this much unread is dropped: memory stays bounded, and it may watch again from where it was. */
const DEFAULT_LIMIT_BYTES = 16 * 1024 * 1024;

/** What an unread batch costs beside its values. */
const BATCH_OVERHEAD_BYTES = 256;

/** Where a feed finds the events that happened before a watcher came. */
export interface Backlog {
  /**
   * Events under `prefix` after `from` up to `to`, oldest first, at most a page of them and not none; CompactedError when
   * `from` is too old.
   */
  read(from: Revision, to: Revision, prefix: string): Promise<WatchBatch[]>;
}

interface Subscriber {
  prefix: string;
  queue: WatchBatch[];
  bytes: number;
  failure: Error | undefined;
  wake: (() => void) | undefined;
}

/**
 * Hands each commit to every watcher exactly once and in order: first what happened before it came (from the backlog),
 * then what is published. Used by all stores whose commits pass through one place.
 */
export class Feed {
  #revision: Revision;
  readonly #backlog: Backlog;
  readonly #limitBytes: number;
  readonly #subscribers = new Set<Subscriber>();
  #closed: Error | undefined;

  constructor(revision: Revision, backlog: Backlog, limitBytes = DEFAULT_LIMIT_BYTES) {
    this.#revision = revision;
    this.#backlog = backlog;
    this.#limitBytes = limitBytes;
  }

  /** The newest revision that was published. */
  get revision(): Revision {
    return this.#revision;
  }

  publish(batch: WatchBatch): void {
    this.#revision = batch.revision;
    for (const subscriber of this.#subscribers) {
      const mine = ofPrefix(batch, subscriber.prefix);
      subscriber.bytes += sizeOf(mine);
      if (subscriber.bytes > this.#limitBytes) {
        this.#end(subscriber, new SlowWatcherError('the watcher did not read fast enough and was dropped'));
      } else {
        subscriber.queue.push(mine);
        subscriber.wake?.();
      }
    }
  }

  /** Ends every watch with `reason`. */
  close(reason: Error): void {
    this.#closed = reason;
    for (const subscriber of this.#subscribers) this.#end(subscriber, reason);
  }

  /** The watch begins now, not when it is first read. */
  watch(prefix: string, from: Revision | undefined, signal: AbortSignal): AsyncIterable<WatchBatch> {
    const subscriber: Subscriber = { prefix, queue: [], bytes: 0, failure: this.#closed, wake: undefined };
    if (!this.#closed && !signal.aborted) this.#subscribers.add(subscriber);
    const abort = () => {
      this.#subscribers.delete(subscriber);
      subscriber.wake?.();
    };
    signal.addEventListener('abort', abort, { once: true });
    return this.#run(subscriber, from ?? this.#revision, this.#revision, signal, () => {
      signal.removeEventListener('abort', abort);
      this.#subscribers.delete(subscriber);
    });
  }

  async *#run(
    subscriber: Subscriber,
    from: Revision,
    joined: Revision,
    signal: AbortSignal,
    leave: () => void,
  ) {
    try {
      if (from > joined) throw new FutureRevisionError(from, joined);
      yield* this.#past(subscriber.prefix, from, joined, signal);
      yield* live(subscriber, signal);
    } finally {
      leave();
    }
  }

  async *#past(prefix: string, from: Revision, to: Revision, signal: AbortSignal): AsyncIterable<WatchBatch> {
    let at = from;
    while (at < to) {
      const page = await this.#backlog.read(at, to, prefix);
      for (const batch of page) {
        if (signal.aborted) return;
        at = batch.revision;
        yield ofPrefix(batch, prefix);
      }
      if (page.length === 0) throw new Error(`the log has a gap after revision ${at}`);
    }
  }

  #end(subscriber: Subscriber, reason: Error): void {
    subscriber.failure = reason;
    this.#subscribers.delete(subscriber);
    subscriber.wake?.();
  }
}

async function* live(subscriber: Subscriber, signal: AbortSignal): AsyncIterable<WatchBatch> {
  while (!signal.aborted) {
    const batch = subscriber.queue.shift();
    if (batch) {
      subscriber.bytes -= sizeOf(batch);
      yield batch;
    } else if (subscriber.failure) {
      throw subscriber.failure;
    } else {
      await new Promise<void>((resolve) => {
        subscriber.wake = resolve;
      });
      subscriber.wake = undefined;
    }
  }
}

function ofPrefix(batch: WatchBatch, prefix: string): WatchBatch {
  if (prefix === '') return batch;
  const events = batch.events.filter((event) =>
    (event.type === 'put' ? event.entry.key : event.key).startsWith(prefix),
  );
  return { revision: batch.revision, events };
}

function sizeOf(batch: WatchBatch): number {
  let bytes = BATCH_OVERHEAD_BYTES;
  for (const event of batch.events) {
    bytes += event.type === 'put' ? event.entry.value.length : 0;
    bytes += event.previous?.value.length ?? 0;
  }
  return bytes;
}
