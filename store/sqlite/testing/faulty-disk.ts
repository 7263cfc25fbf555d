/** The test's end of faulty-disk.c: compiles it, changes its faults while a process runs, reads its record. */
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const SOURCE = new URL('./faulty-disk.c', import.meta.url).pathname;

/** Fields of `struct control`, in its order. */
const CONTROLS = ['writeErrno', 'syncErrno', 'stallMs', 'tearAt', 'writes', 'syncs'] as const;
type Control = (typeof CONTROLS)[number];
const CONTROL_BYTES = 4 * CONTROLS.length;

export const ERRNO = { EIO: 5, ENOSPC: 28 } as const;

/** One change of a file, as the record tells it. */
export type Change =
  | { is: 'write'; name: string; offset: number; data: Buffer }
  | { is: 'truncate'; name: string; size: number }
  /** What was changed of the file before the first `before` changes of the record is on the disk now. */
  | { is: 'sync'; name: string; before: number }
  | { is: 'unlink'; name: string };

/** Faults of the files in `directory`, for processes that are started with `env`. */
export class FaultyDisk {
  readonly env: Record<string, string>;
  readonly #control: number;
  readonly #record: string;

  /** `workspace`: where the library, the control and the record lie; a directory that is not `directory`. */
  constructor(directory: string, workspace: string) {
    const library = join(workspace, 'faulty-disk.so');
    const control = join(workspace, 'control');
    this.#record = join(workspace, 'record');
    execFileSync('gcc', ['-std=c17', '-O1', '-shared', '-fPIC', '-o', library, SOURCE]);
    writeFileSync(control, Buffer.alloc(CONTROL_BYTES));
    writeFileSync(this.#record, '');
    this.#control = openSync(control, 'r+');
    this.env = {
      LD_PRELOAD: library,
      FAULTY_DISK_DIRECTORY: directory,
      FAULTY_DISK_CONTROL: control,
      FAULTY_DISK_RECORD: this.#record,
    };
  }

  set(control: Exclude<Control, 'writes' | 'syncs'>, value: number): void {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    writeSync(this.#control, bytes, 0, 4, 4 * CONTROLS.indexOf(control));
  }

  get(control: Control): number {
    const bytes = Buffer.alloc(4);
    readSync(this.#control, bytes, 0, 4, 4 * CONTROLS.indexOf(control));
    return bytes.readUInt32LE();
  }

  /** All changes so far, in order. */
  changes(): Change[] {
    return parseRecord(readFileSync(this.#record));
  }

  close(): void {
    closeSync(this.#control);
  }
}

/** Bytes of `struct note`. */
const NOTE_BYTES = 24;

function parseRecord(bytes: Buffer): Change[] {
  const changes: Change[] = [];
  for (let at = 0; at + NOTE_BYTES <= bytes.length; ) {
    const change = bytes.readUInt32LE(at);
    const nameLength = bytes.readUInt32LE(at + 4);
    const offset = Number(bytes.readBigUInt64LE(at + 8));
    const length = Number(bytes.readBigUInt64LE(at + 16));
    at += NOTE_BYTES;
    const name = bytes.toString('utf8', at, at + nameLength);
    const data = bytes.subarray(at + nameLength, at + nameLength + length);
    at += nameLength + length;
    changes.push(changeOf(change, name, offset, data));
  }
  return changes;
}

function changeOf(change: number, name: string, offset: number, data: Buffer): Change {
  switch (change) {
    case 1:
      return { is: 'write', name, offset, data };
    case 2:
      return { is: 'truncate', name, size: offset };
    case 3:
      return { is: 'sync', name, before: offset };
    case 4:
      return { is: 'unlink', name };
    default:
      throw new Error(`the record of the disk has an unknown change ${change}`);
  }
}
