import { CompactedError, FutureRevisionError, type Revision } from './contract.ts';
import type { Version } from './version-index.ts';

/** A version that can be read only at revisions of the past. */
export interface Superseded<V extends Version> {
  key: string;
  version: V;
  /** The revision that ended it. A deletion is over at once. */
  at: Revision;
  bytes: number;
}

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
    this.#superseded.push({ key, version, at, bytes });
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
      left -= one.bytes;
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

  /** At most `limit` versions that nobody can read any more, oldest first. */
  expired(limit: number): Superseded<V>[] {
    const floors = [...this.#floors];
    const oldest = Math.max(this.#compacted, ...floors.map(([, floor]) => floor));
    const found: Superseded<V>[] = [];
    for (const one of this.#superseded) {
      if (one.at > oldest || found.length === limit) break;
      if (
        one.at <= this.#compacted ||
        floors.some(([part, floor]) => one.at <= floor && one.key.startsWith(part))
      )
        found.push(one);
    }
    return found;
  }

  /** These are gone. */
  drop(gone: readonly Superseded<V>[]): void {
    if (gone.length === 0) return;
    const dropped = new Set(gone);
    this.#superseded = this.#superseded.filter((one) => !dropped.has(one));
    for (const { bytes } of gone) this.#bytes -= bytes;
  }
}
