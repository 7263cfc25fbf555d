import { closeSync, openSync, readSync } from 'node:fs';

/** Offsets in 32-bit words of the machine's order. Source: SQLite, "WAL-mode File Format", 2.1. */
const NEWEST_FRAME = 4;
const FOLDED_FRAMES = 24;
const HEADER_BYTES = 136;

/**
 * SQLite's index of the write-ahead log, which tells how much of it is not in the main file yet: no function of SQLite does
 * without folding. Only read, and closed after the database: to close a file takes away the locks of its process.
 */
export class WalIndex {
  readonly #file: number;
  readonly #words = new Uint32Array(HEADER_BYTES / 4);

  /** `database`: path of the main file, which is open. */
  constructor(database: string) {
    this.#file = openSync(`${database}-shm`, 'r');
  }

  /** Pages that a checkpoint would have to write. */
  unfoldedPages(): number {
    readSync(this.#file, this.#words, 0, HEADER_BYTES, 0);
    return this.#words[NEWEST_FRAME]! - this.#words[FOLDED_FRAMES]!;
  }

  close(): void {
    closeSync(this.#file);
  }
}
