/** What a disk holds when the power is cut at some point of a record of faulty-disk.c. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Random } from '#machinery/random.ts';
import type { Change } from './faulty-disk.ts';

/** A disk writes this much whole or not at all. */
const SECTOR_BYTES = 4096;

/**
 * What became of changes that no sync had confirmed: all are there (only the process died), none is, or some are, in
 * pieces and in any order.
 */
export type Unsynced = 'kept' | 'lost' | 'mixed';

/** The files after the first `count` changes and a power cut. */
export function filesAfter(
  changes: readonly Change[],
  count: number,
  unsynced: Unsynced,
  random: Random,
): Map<string, Buffer> {
  const files = new Map<string, GrowingFile>();
  const synced = syncedUpTo(changes, count);
  for (const [index, change] of changes.slice(0, count).entries()) {
    const durable = index < (synced.get(change.is === 'unlink' ? DIRECTORY : change.name) ?? 0);
    if (durable || unsynced === 'kept') perform(files, change);
    else if (unsynced === 'mixed')
      for (const piece of piecesOf(change)) if (random.next() < 0.5) perform(files, piece);
  }
  return new Map([...files].map(([name, file]) => [name, file.content]));
}

/** The removal of a file is a change of its directory, whose name in the record is empty. */
const DIRECTORY = '';

/** For each file the index before which all its changes are on the disk. */
function syncedUpTo(changes: readonly Change[], count: number): Map<string, number> {
  const synced = new Map<string, number>();
  for (const change of changes.slice(0, count)) {
    if (change.is === 'sync') synced.set(change.name, Math.max(change.before, synced.get(change.name) ?? 0));
  }
  return synced;
}

function piecesOf(change: Change): Change[] {
  if (change.is !== 'write') return [change];
  const pieces: Change[] = [];
  for (let at = 0; at < change.data.length; ) {
    const end = Math.min(change.data.length, at + SECTOR_BYTES - ((change.offset + at) % SECTOR_BYTES));
    pieces.push({ ...change, offset: change.offset + at, data: change.data.subarray(at, end) });
    at = end;
  }
  return pieces;
}

function perform(files: Map<string, GrowingFile>, change: Change): void {
  if (change.is === 'unlink') {
    files.delete(change.name);
    return;
  }
  if (change.is === 'sync') return;
  let file = files.get(change.name);
  if (!file) {
    file = new GrowingFile();
    files.set(change.name, file);
  }
  if (change.is === 'write') file.write(change.data, change.offset);
  else file.truncate(change.size);
}

/** Makes room by doubling: a file of many small writes would else be copied for each. */
class GrowingFile {
  #bytes = Buffer.alloc(SECTOR_BYTES);
  #size = 0;

  write(data: Buffer, offset: number): void {
    this.truncate(Math.max(this.#size, offset + data.length));
    data.copy(this.#bytes, offset);
  }

  truncate(size: number): void {
    if (size > this.#bytes.length) {
      const larger = Buffer.alloc(Math.max(size, 2 * this.#bytes.length));
      this.#bytes.copy(larger, 0, 0, this.#size);
      this.#bytes = larger;
    }
    this.#bytes.fill(0, Math.min(size, this.#size), this.#size);
    this.#size = size;
  }

  get content(): Buffer {
    return this.#bytes.subarray(0, this.#size);
  }
}

/** Puts them into an empty directory, without the index of the write-ahead log, which is memory and not disk. */
export function putFiles(files: ReadonlyMap<string, Buffer>, directory: string): void {
  for (const [name, bytes] of files) {
    if (name.endsWith('-shm')) continue;
    const path = join(directory, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, bytes);
  }
}
