import { watch } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock } from '#machinery/clock.ts';
import { isBefore, type LogEntry, parseEntry } from './cri.ts';
import { type LogFile, openLog, openNext } from './open.ts';
import { type LogPosition, tailStart } from './tail.ts';

/** What of a log is wanted. Source: core/v1 PodLogOptions. */
export interface LogOptions {
  follow: boolean;
  timestamps: boolean;
  /** The last so many lines; all when left out. */
  tailLines?: number;
  /** RFC 3339; nothing older. */
  since?: string;
  limitBytes?: number;
  stream?: 'stdout' | 'stderr';
}

/** The log of one start of a container: the file that is written and its old parts (rotated.ts). */
export interface LogSource {
  path: string;
  /** Whether its container may still write: a follower goes on until it does not. */
  isLive(): boolean;
}

const CHUNK_BYTES = 64 * 1024;
/** A follower looks again after this time though no change was told: inotify may miss what happened before it began. */
const LOOK_AGAIN_MS = 500;
const NEWLINE = Buffer.from('\n');

/** The text of a log as `kubectl logs` shows it, through all its files. A log that is not there yet is empty. */
export async function* readLog(
  source: LogSource,
  options: LogOptions,
  clock: Clock,
  signal: AbortSignal,
): AsyncIterable<Uint8Array> {
  const files = await waitForLog(source, options.follow, clock, signal);
  if (files.length === 0) return;
  try {
    const start =
      options.tailLines === undefined ? { file: 0, offset: 0 } : await tailStart(files, options.tailLines);
    const format = formatter(options);
    let left = options.limitBytes ?? Number.POSITIVE_INFINITY;
    for await (const entries of entriesFrom(files, start, source, options.follow, clock, signal)) {
      const text = Buffer.concat(entries.flatMap(format));
      if (text.length === 0) continue;
      yield text.subarray(0, left);
      left -= text.length;
      if (left <= 0) return;
    }
  } finally {
    for (const { handle } of files) await handle.close();
  }
}

/** A follower may come before the first byte was written. */
async function waitForLog(
  source: LogSource,
  follow: boolean,
  clock: Clock,
  signal: AbortSignal,
): Promise<LogFile[]> {
  for (;;) {
    const files = await openLog(source.path);
    if (files.length > 0 || !follow || !source.isLive() || signal.aborted) return files;
    await new Promise<void>((resolve) => clock.timer(LOOK_AGAIN_MS, resolve));
  }
}

/** Entries in the order they were written, as many at a time as were there. `files` has those that are still to be read. */
async function* entriesFrom(
  files: LogFile[],
  start: LogPosition,
  source: LogSource,
  follow: boolean,
  clock: Clock,
  signal: AbortSignal,
): AsyncIterable<LogEntry[]> {
  await leave(files, start.file);
  let { offset } = start;
  // A file is left only when nothing came though there was one after it: whoever writes has let go of it by then.
  let mayLeave = files.length > 1;
  let open: Buffer = Buffer.alloc(0);
  const changes = follow ? new Changes(dirname(source.path), clock, signal) : undefined;
  try {
    while (!signal.aborted) {
      // Asked before reading: what it wrote last is then read in this round.
      const live = follow && source.isLive();
      const { handle } = files[0]!;
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(CHUNK_BYTES), 0, CHUNK_BYTES, offset);
      offset += bytesRead;
      if (bytesRead > 0) {
        const text = Buffer.concat([open, buffer.subarray(0, bytesRead)]);
        const end = text.lastIndexOf(NEWLINE) + 1;
        open = text.subarray(end);
        yield linesOf(text.subarray(0, end)).flatMap((line) => parseEntry(line) ?? []);
      } else if (mayLeave) {
        await leave(files, 1);
        offset = 0;
        open = Buffer.alloc(0);
        mayLeave = files.length > 1;
      } else if (follow) {
        const next = await openNext(source.path, files[0]!);
        if (next) files.push(next);
        else if (live) await changes!.next();
        else return;
        mayLeave = next !== undefined;
      } else return;
    }
  } finally {
    changes?.close();
  }
}

async function leave(files: LogFile[], count: number): Promise<void> {
  for (const { handle } of files.splice(0, count)) await handle.close();
}

function linesOf(text: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  for (let start = 0; start < text.length; ) {
    const end = text.indexOf(NEWLINE, start);
    lines.push(text.subarray(start, end));
    start = end + 1;
  }
  return lines;
}

function formatter({ timestamps, since, stream }: LogOptions): (entry: LogEntry) => Uint8Array[] {
  // Whether the next entry begins a line, for each stream by itself.
  const begins = { stdout: true, stderr: true };
  return (entry) => {
    if ((since && isBefore(entry.time, since)) || (stream && entry.stream !== stream)) return [];
    const prefix = timestamps && begins[entry.stream] ? [Buffer.from(`${entry.time} `)] : [];
    begins[entry.stream] = entry.full;
    return [...prefix, entry.text, ...(entry.full ? [NEWLINE] : [])];
  };
}

/** Tells when a file of a directory may have grown, or another have come. */
class Changes {
  readonly #clock: Clock;
  readonly #watcher: ReturnType<typeof watch>;
  readonly #signal: AbortSignal;
  #changed = false;
  #wake: (() => void) | undefined;

  constructor(directory: string, clock: Clock, signal: AbortSignal) {
    this.#clock = clock;
    this.#signal = signal;
    this.#watcher = watch(directory, { persistent: false }, this.#change);
    // Files that were removed are read to their end; the timer goes on looking.
    this.#watcher.on('error', this.#change);
    signal.addEventListener('abort', this.#change, { once: true });
  }

  async next(): Promise<void> {
    if (!this.#changed && !this.#signal.aborted) {
      await new Promise<void>((resolve) => {
        const timer = this.#clock.timer(LOOK_AGAIN_MS, resolve);
        this.#wake = () => {
          timer.cancel();
          resolve();
        };
      });
    }
    this.#changed = false;
    this.#wake = undefined;
  }

  close(): void {
    this.#watcher.close();
    this.#signal.removeEventListener('abort', this.#change);
  }

  readonly #change = (): void => {
    this.#changed = true;
    this.#wake?.();
  };
}
