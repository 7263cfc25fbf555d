import type { FileHandle } from 'node:fs/promises';
import { parseEntry } from './cri.ts';
import type { LogFile } from './open.ts';

const CHUNK_BYTES = 64 * 1024;
const NEWLINE = 0x0a;

/** A place in a log: which of its files, and how many bytes from its begin. */
export interface LogPosition {
  file: number;
  offset: number;
}

/**
 * Where the last `count` messages of a log begin, looking from the end of its newest file. A message is the entries up to
 * one marked F, which may be in the next file; one that has not ended yet counts too.
 */
export async function tailStart(files: readonly LogFile[], count: number): Promise<LogPosition> {
  let ends = 0;
  let isLast = true;
  for (let file = files.length - 1; file >= 0; file--) {
    const { handle, sizeBytes } = files[file]!;
    for await (const { offset, line } of linesBackwards(handle, sizeBytes)) {
      const ended = parseEntry(line)?.full ?? true;
      // The entry behind the (count + 1)th end from below is the first one wanted.
      if (ended || isLast) ends += 1;
      if (ends > count) return { file, offset: offset + line.length + 1 };
      isLast = false;
    }
  }
  return { file: 0, offset: 0 };
}

/** The lines of a file from its last to its first, without their newlines. */
async function* linesBackwards(
  file: FileHandle,
  size: number,
): AsyncIterable<{ offset: number; line: Buffer }> {
  let start = size;
  let held: Buffer = Buffer.alloc(0);
  while (start > 0) {
    const length = Math.min(CHUNK_BYTES, start);
    start -= length;
    const { buffer } = await file.read(Buffer.alloc(length), 0, length, start);
    held = Buffer.concat([buffer, held]);
    for (let newline = lastBreak(held); newline >= 0; newline = lastBreak(held)) {
      yield { offset: start + newline + 1, line: trimmed(held.subarray(newline + 1)) };
      held = held.subarray(0, newline + 1);
    }
  }
  if (held.length > 0) yield { offset: 0, line: trimmed(held) };
}

/** The newline before the last line, not counting the one that ends it. */
function lastBreak(text: Buffer): number {
  const end = text.at(-1) === NEWLINE ? text.length - 2 : text.length - 1;
  return end < 0 ? -1 : text.lastIndexOf(NEWLINE, end);
}

function trimmed(line: Buffer): Buffer {
  return line.at(-1) === NEWLINE ? line.subarray(0, -1) : line;
}
