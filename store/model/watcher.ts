import { CompactedError, type Revision, type Store, type WatchBatch } from '../contract.ts';
import { keyOfEvent, type Reference, sameEntry } from './reference.ts';
import { Violation } from './violation.ts';

/** Reads a watch as fast as it can and keeps what it said until it is judged. */
export class Watcher {
  readonly prefix: string;
  /** All up to here was seen. */
  seen: Revision;
  batches: WatchBatch[] = [];
  /** How it ended; undefined while it goes on. */
  ended: { error: unknown } | undefined;
  readonly #over = new AbortController();
  readonly #bornCompacted: boolean;

  /** `compacted`: what was surely compacted when it was opened. */
  constructor(
    store: Store,
    prefix: string,
    from: Revision,
    compacted: Revision,
    onSeen: (at: Revision) => void,
  ) {
    this.prefix = prefix;
    this.seen = from;
    this.#bornCompacted = from < compacted;
    void this.#read(store.watch(prefix, from, this.#over.signal), onSeen);
  }

  stop(): void {
    this.#over.abort();
  }

  get aborted(): boolean {
    return this.#over.signal.aborted;
  }

  /** The newest revision it told of. */
  get newest(): Revision {
    return this.batches.at(-1)?.revision ?? this.seen;
  }

  /** Exactly the events of its prefix, in order, each once; throws what is wrong. Forgets what was judged. */
  judge(reference: Reference, compactAsked: Revision): void {
    let at = this.seen;
    for (const batch of this.batches) {
      const name = `the watch of "${this.prefix}"`;
      if (batch.revision <= at) throw new Violation(`${name} told of ${batch.revision} after ${at}`);
      for (let missed = at + 1; missed < batch.revision; missed++) this.#mustBeEmpty(missed, reference);
      this.#compare(batch, reference);
      at = batch.revision;
    }
    if (!this.ended && !this.aborted)
      for (let missed = at + 1; missed <= reference.revision; missed++) this.#mustBeEmpty(missed, reference);
    this.batches = [];
    this.#judgeEnd(at, compactAsked);
    this.seen = this.ended || this.aborted ? at : reference.revision;
  }

  #mustBeEmpty(revision: Revision, reference: Reference): void {
    if (this.#wanted(revision, reference).length > 0)
      throw new Violation(`the watch of "${this.prefix}" did not tell of revision ${revision}`);
  }

  #wanted(revision: Revision, reference: Reference) {
    const all = reference.batch(revision)?.events ?? [];
    return all.filter((event) => keyOfEvent(event).startsWith(this.prefix));
  }

  #compare({ revision, events }: WatchBatch, reference: Reference): void {
    const wanted = this.#wanted(revision, reference);
    const same =
      wanted.length === events.length &&
      wanted.every((event, i) => {
        const other = events[i]!;
        if (event.type !== other.type || keyOfEvent(event) !== keyOfEvent(other)) return false;
        if (!sameEntry(event.previous, other.previous)) return false;
        return event.type === 'delete' || (other.type === 'put' && sameEntry(event.entry, other.entry));
      });
    if (!same)
      throw new Violation(
        `the watch of "${this.prefix}" told of revision ${revision}: ${events.map(keyOfEvent)}, not as it was: ${wanted.map(keyOfEvent)}`,
      );
  }

  #judgeEnd(at: Revision, compactAsked: Revision): void {
    if (this.aborted) return;
    if (!this.ended) {
      if (this.#bornCompacted) throw new Violation(`a watch from ${this.seen} though that was compacted`);
      return;
    }
    const { error } = this.ended;
    if (error instanceof CompactedError && at < compactAsked) return;
    throw new Violation(`the watch of "${this.prefix}" ended after ${at}: ${String(error)}`);
  }

  async #read(watch: AsyncIterable<WatchBatch>, onSeen: (at: Revision) => void): Promise<void> {
    try {
      for await (const batch of watch) {
        this.batches.push(batch);
        onSeen(batch.revision);
      }
      this.ended = { error: new Error('it ended by itself') };
    } catch (error) {
      this.ended = { error };
    }
  }
}
