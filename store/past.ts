import { CompactedError, FutureRevisionError, type Revision } from './contract.ts';
import type { Version } from './version-index.ts';

/** A version that can be read only at revisions of the past. */
export interface Superseded<V extends Version> {
  key: string;
  version: V;
  /** The revision that ended it. A deletion is over at once. */
  at: Revision;
  bytes: number;
  /** Removed; its place in the list is kept for a while. */
  gone: boolean;
}

/** Places of what is gone are given up once they are so many, and half of all: the cost is spread over those removed. */
const LEAST_SQUEEZED = 1_024;

/**
 * What of the past a store still has: how far back each part of the keys can be read, the versions that only the past
 * needs, and when each revision happened. Knows nothing of where the values are.
 */
export class Past<V extends Version> {
  #compacted: Revision;
  /** Parts of the keys of which less is kept: prefix → the oldest revision that can be read. */
  readonly #floors: Map<string, Revision>;
  /** In order of `at`. */
  #superseded: Superseded<V>[] = [];
  /** How many of them are gone. */
  #gone = 0;
  /** Before this place all are gone. */
  #first = 0;
  /** For each prefix the place before which none of its keys is left that could be over. */
  readonly #looked = new Map<string, number>();
  #bytes = 0;
  /** Revisions and their times in ms, side by side. */
  #revisions: Revision[] = [];
  #times: number[] = [];

  constructor(compacted: Revision = 0, floors: Iterable<readonly [string, Revision]> = []) {
    this.#compacted = compacted;
    this.#floors = new Map(floors);
  }

  get compacted(): Revision {
    return this.#compacted;
  }

  get floors(): ReadonlyMap<string, Revision> {
    return this.#floors;
  }

  /** A commit happened. */
  happened(revision: Revision, time: number): void {
    this.#revisions.push(revision);
    this.#times.push(time);
  }

  supersede(key: string, version: V, at: Revision, bytes: number): void {
    this.#superseded.push({ key, version, at, bytes, gone: false });
    this.#bytes += bytes;
  }

  /** Takes back everything of the newest revision, which did not happen after all. */
  undo(revision: Revision): void {
    while (this.#superseded.at(-1)?.at === revision) this.#bytes -= this.#superseded.pop()!.bytes;
    if (this.#revisions.at(-1) !== revision) return;
    this.#revisions.pop();
    this.#times.pop();
  }

  /** The newest revision committed at or before `time`. */
  revisionAt(time: number): Revision | undefined {
    return this.#revisions[this.#times.findLastIndex((one) => one <= time)];
  }

  /** The oldest revision from which on the superseded values take at most `bytes`. */
  revisionKeeping(bytes: number): Revision {
    if (this.#bytes <= bytes) return this.#compacted;
    let left = bytes;
    const first = this.#superseded.findLastIndex((one) => {
      if (!one.gone) left -= one.bytes;
      return left < 0;
    });
    return Math.max(this.#compacted, this.#superseded[first]?.at ?? 0);
  }

  /** The oldest revision at which all keys under `prefix` can be read, and from which they can be watched. */
  floorOf(prefix: string): Revision {
    let floor = this.#compacted;
    for (const [part, oldest] of this.#floors)
      if (oldest > floor && (part.startsWith(prefix) || prefix.startsWith(part))) floor = oldest;
    return floor;
  }

  /** Throws CompactedError or FutureRevisionError when `revision` cannot be read. */
  check(prefix: string, revision: Revision, newest: Revision): void {
    if (revision > newest) throw new FutureRevisionError(revision, newest);
    const floor = this.floorOf(prefix);
    if (revision < floor) throw new CompactedError(floor);
  }

  /** Raises how far back can be read, of all keys or of those under a prefix. False when it was so before. */
  compact(revision: Revision, prefix: string): boolean {
    const covering = [...this.#floors].filter(([part]) => prefix.startsWith(part)).map(([, floor]) => floor);
    if (revision <= Math.max(this.#compacted, ...covering)) return false;
    if (prefix === '') {
      this.#compacted = revision;
      for (const [part, floor] of this.#floors) if (floor <= revision) this.#floors.delete(part);
      const kept = this.#revisions.findIndex((one) => one > revision);
      this.#revisions = kept < 0 ? [] : this.#revisions.slice(kept);
      this.#times = kept < 0 ? [] : this.#times.slice(kept);
    } else {
      for (const part of this.#floors.keys()) if (part.startsWith(prefix)) this.#floors.delete(part);
      this.#floors.set(prefix, revision);
    }
    return true;
  }

  /** At most `limit` versions that nobody can read any more. */
  expired(limit: number): Superseded<V>[] {
    const found = new Set<Superseded<V>>();
    this.#look(this.#first, this.#compacted, '', limit, found);
    for (const [prefix, floor] of this.#floors) {
      const from = Math.max(this.#first, this.#looked.get(prefix) ?? 0);
      this.#looked.set(prefix, this.#look(from, floor, prefix, limit, found));
    }
    return [...found];
  }

  /** Collects what ended up to `floor` under `prefix`; the place of the first of it, or where the look ended. */
  #look(from: number, floor: Revision, prefix: string, limit: number, found: Set<Superseded<V>>): number {
    let at = from;
    let first: number | undefined;
    for (; at < this.#superseded.length && found.size < limit; at++) {
      const one = this.#superseded[at]!;
      if (one.at > floor) break;
      if (one.gone || !one.key.startsWith(prefix)) continue;
      first ??= at;
      found.add(one);
    }
    return first ?? at;
  }

  /** These are gone. */
  drop(gone: readonly Superseded<V>[]): void {
    for (const one of gone) {
      one.gone = true;
      this.#bytes -= one.bytes;
    }
    this.#gone += gone.length;
    while (this.#superseded[this.#first]?.gone) this.#first++;
    if (this.#gone < LEAST_SQUEEZED || this.#gone < this.#superseded.length / 2) return;
    this.#superseded = this.#superseded.filter((one) => !one.gone);
    this.#gone = 0;
    this.#first = 0;
    this.#looked.clear();
  }
}
