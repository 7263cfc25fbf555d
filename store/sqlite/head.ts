import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { type Revision, StoreFailedError } from '../contract.ts';
import type { Database } from './database.ts';

/** Of the file: the revision, then the checksum of its bytes. */
const REVISION_BYTES = 8;
const HEAD_BYTES = 12;

/**
 * A witness beside the database: the newest revision that was acknowledged, written after each group of commits and never
 * waited for. A disk that confirms what it then loses, or a log that is cut at its damaged place (which SQLite takes for
 * its end), leaves a database that is whole and older than this. What a disk loses of both files at once nothing on it can
 * tell. Source of the danger: SQLite, "How To Corrupt An SQLite Database File", 3.1.
 */
export class Head {
  readonly #file: number;
  readonly #bytes = Buffer.alloc(HEAD_BYTES);

  constructor(path: string) {
    this.#file = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  }

  note(revision: Revision): void {
    this.#bytes.writeBigUInt64LE(BigInt(revision));
    this.#bytes.writeUInt32LE(crc32(this.#bytes.subarray(0, REVISION_BYTES)), REVISION_BYTES);
    writeSync(this.#file, this.#bytes, 0, HEAD_BYTES, 0);
  }

  /**
   * Throws StoreFailedError when the database lacks what was acknowledged. With `acceptLoss` it goes on after the newest
   * revision that anybody was told, so that none is used twice.
   */
  expect(database: Database, directory: string, acceptLoss: boolean): void {
    const acknowledged = this.#read();
    const lost = acknowledged - database.revision;
    if (lost <= 0) return;
    if (!acceptLoss)
      throw new StoreFailedError(
        `the store in ${directory} ends at revision ${database.revision}, but ${acknowledged} was acknowledged: the disk has lost the last ${lost} commits. Restore a backup, or start once with --accept-lost-writes to go on without them`,
      );
    database.skipTo(acknowledged);
  }

  /** 0 when there is no head, or it was written by half when the power was cut: then it tells nothing. */
  #read(): Revision {
    const read = readSync(this.#file, this.#bytes, 0, HEAD_BYTES, 0);
    if (read < HEAD_BYTES) return 0;
    const sum = crc32(this.#bytes.subarray(0, REVISION_BYTES));
    return sum === this.#bytes.readUInt32LE(REVISION_BYTES) ? Number(this.#bytes.readBigUInt64LE()) : 0;
  }

  close(): void {
    closeSync(this.#file);
  }
}
