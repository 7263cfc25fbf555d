/** Runs writer.ts as a process. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Acknowledged } from './acknowledged.ts';

const WRITER = new URL('./writer.ts', import.meta.url).pathname;

export interface WriterOptions {
  directory: string;
  run: string;
  seen: Acknowledged;
  /** Of writer.ts. */
  flags?: readonly string[];
  env?: Record<string, string>;
  /** Bounds every file it writes, as a full disk would. */
  limitBytes?: number;
}

export class WriterProcess {
  readonly child: ChildProcess;
  /** Its exit code; null when it was killed. */
  readonly ended: Promise<number | null>;
  /** Resolves when it writes, or has ended before. */
  readonly ready: Promise<unknown>;
  readonly lines: string[] = [];
  readonly #listeners = new Set<() => void>();

  constructor({ directory, run, seen, flags = [], env = {}, limitBytes }: WriterOptions) {
    const command = [process.execPath, WRITER, directory, run, ...flags];
    const [file, ...args] = limitBytes ? ['prlimit', `--fsize=${limitBytes}`, ...command] : command;
    this.child = spawn(file!, args, {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, ...env },
    });
    this.ended = once(this.child, 'close').then(([code]) => code as number | null);
    const lines = createInterface({ input: this.child.stdout! });
    this.ready = Promise.race([once(lines, 'line'), this.ended]);
    lines.on('line', (line) => {
      seen.note(line);
      this.lines.push(line);
      for (const listener of this.#listeners) listener();
    });
  }

  /** Resolves when so many more lines that match have come; rejects when it ends before. */
  async more(count: number, pattern: RegExp): Promise<void> {
    const begun = this.lines.length;
    const enough = () => this.lines.slice(begun).filter((line) => pattern.test(line)).length >= count;
    const reached = new Promise<void>((resolve) => {
      const listener = () => {
        if (!enough()) return;
        this.#listeners.delete(listener);
        resolve();
      };
      this.#listeners.add(listener);
    });
    const over = this.ended.then(() => {
      if (!enough())
        throw new Error(`the writer ended with ${this.child.exitCode} before ${count} of ${pattern}`);
    });
    await Promise.race([reached, over]);
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.ended;
  }
}
