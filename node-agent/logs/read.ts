import { watch } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { Clock } from '#machinery/clock.ts';
import { isBefore, type LogEntry, parseEntry } from './cri.ts';
import { tailOffset } from './tail.ts';

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

/** The log of one start of a container. */
export interface LogSource {
  path: string;
  /** Whether its container may still write: a follower goes on until it does not. */
  isLive(): boolean;
}

const CHUNK_BYTES = 64 * 1024;
/** A follower looks again after this time though no change was told: inotify may miss what happened before it began. */
const LOOK_AGAIN_MS = 500;
const NEWLINE = Buffer.from('\n');

/** The text of a log as `kubectl logs` shows it. A log that is not there yet is empty. */
export async function* readLog(
  source: LogSource,
  options: LogOptions,
  clock: Clock,
  signal: AbortSignal,
): AsyncIterable<Uint8Array> {
  const file = await openLog(source, options.follow, clock, signal);
  if (!file) return;
  try {
    const { size } = await file.stat();
    const start = options.tailLines === undefined ? 0 : await tailOffset(file, size, options.tailLines);
    const format = formatter(options);
    let left = options.limitBytes ?? Number.POSITIVE_INFINITY;
    for await (const entries of entriesFrom(file, start, source, options.follow, clock, signal)) {
      const text = Buffer.concat(entries.flatMap(format));
      if (text.length === 0) continue;
      yield text.subarray(0, left);
      left -= text.length;
      if (left <= 0) return;
    }
  } finally {
    await file.close();
  }
}

/** A follower may come before the first byte was written. */
async function openLog(
  source: LogSource,
  follow: boolean,
  clock: Clock,
  signal: AbortSignal,
): Promise<FileHandle | undefined> {
  for (;;) {
    try {
      return await open(source.path, 'r');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    if (!follow || !source.isLive() || signal.aborted) return undefined;
    await new Promise<void>((resolve) => clock.timer(LOOK_AGAIN_MS, resolve));
  }
}

/** Entries in the order they were written, as many at a time as were there. */
async function* entriesFrom(
  file: FileHandle,
  start: number,
  source: LogSource,
  follow: boolean,
  clock: Clock,
  signal: AbortSignal,
): AsyncIterable<LogEntry[]> {
  let offset = start;
  let open: Buffer = Buffer.alloc(0);
  const changes = follow ? new Changes(source.path, clock, signal) : undefined;
  try {
    while (!signal.aborted) {
      // Asked before reading: what it wrote last is then read in this round.
      const live = follow && source.isLive();
      const { bytesRead, buffer } = await file.read(Buffer.alloc(CHUNK_BYTES), 0, CHUNK_BYTES, offset);
      offset += bytesRead;
      if (bytesRead > 0) {
        const text = Buffer.concat([open, buffer.subarray(0, bytesRead)]);
        const end = text.lastIndexOf(NEWLINE) + 1;
        open = text.subarray(end);
        yield linesOf(text.subarray(0, end)).flatMap((line) => parseEntry(line) ?? []);
      } else if (live) await changes!.next();
      else return;
    }
  } finally {
    changes?.close();
  }
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

/** Tells when a file may have grown. */
class Changes {
  readonly #clock: Clock;
  readonly #watcher: ReturnType<typeof watch>;
  readonly #signal: AbortSignal;
  #changed = false;
  #wake: (() => void) | undefined;

  constructor(path: string, clock: Clock, signal: AbortSignal) {
    this.#clock = clock;
    this.#signal = signal;
    this.#watcher = watch(path, { persistent: false }, this.#change);
    // A file that was removed is read to its end; the timer goes on looking.
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
