import type { Revision } from '../contract.ts';
import { DamagedRowError, type Row, revisionOf, rowId } from './log.ts';

/**
 * Whether the log is all there, told while it is read: above what was compacted no revision is missing, and no row of a
 * commit. Pages that a disk has put back to an older state hold rows that are right, each for itself.
 */
export class WholeLog {
  /** Up to here rows may be missing. */
  readonly #floor: Revision;
  #revision: Revision;
  /** Rows of the newest commit that were seen, and that it has. */
  #seen = 0;
  #rows = 0;

  constructor(floor: Revision) {
    this.#floor = floor;
    this.#revision = floor;
  }

  /** In order of id. Throws DamagedRowError when rows are missing before this one. */
  next({ id, commit }: Row): void {
    const revision = revisionOf(id);
    if (revision <= this.#floor) return;
    if (revision !== this.#revision) {
      this.end();
      if (revision !== this.#revision + 1) throw missing(this.#revision + 1);
      this.#revision = revision;
      this.#seen = 0;
      this.#rows = commit?.rows ?? 0;
    }
    if (id !== rowId(revision, this.#seen)) throw missing(revision);
    this.#seen++;
  }

  /** No more rows come. */
  end(): void {
    if (this.#seen !== this.#rows) throw missing(this.#revision);
  }
}

function missing(revision: Revision): DamagedRowError {
  return new DamagedRowError(`rows of revision ${revision} are missing from the log`);
}
