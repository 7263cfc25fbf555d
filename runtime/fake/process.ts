import { PassThrough, Readable } from 'node:stream';
import { type Clock, sleep } from '#machinery/clock.ts';
import type { ExitReason, ExitStatus } from '../contract.ts';
import type { FakeProcess, FakeProgram } from './programs.ts';

const SIGINT = 2;
const SIGKILL = 9;
const SIGTERM = 15;

export interface FakeProcessOptions {
  clock: Clock;
  program: FakeProgram;
  args: string[];
  env: string[];
  cwd: string;
  tty: boolean;
  stdin: boolean;
  onOutput(stream: 'stdout' | 'stderr', text: string): void;
}

/** One running fake program: its streams, its signals and its end. */
export class RunningProgram {
  readonly stdin: PassThrough | undefined;
  readonly exit: Promise<ExitStatus>;
  readonly #clock: Clock;
  readonly #killed = new AbortController();
  readonly #process: FakeProcess;
  #finish!: (exit: ExitStatus) => void;
  #finished = false;

  constructor(options: FakeProcessOptions) {
    this.#clock = options.clock;
    this.stdin = options.stdin ? new PassThrough() : undefined;
    this.exit = new Promise((resolve) => {
      this.#finish = resolve;
    });
    this.#process = {
      args: options.args,
      env: options.env,
      cwd: options.cwd,
      tty: options.tty,
      stdin: this.stdin ?? Readable.from([]),
      write: (stream, text) => {
        if (!this.#finished) options.onOutput(options.tty ? 'stdout' : stream, text);
      },
      sleep: (ms) => sleep(options.clock, ms, this.#killed.signal).catch(() => {}),
      killed: this.#killed.signal,
      onSignal: undefined,
      exit: (code) => this.#end(code),
    };
    void this.#run(options.program);
  }

  signal(signal: number): void {
    if (signal === SIGKILL) this.#end(128 + SIGKILL, SIGKILL);
    else if (this.#process.onSignal) this.#process.onSignal(signal);
    else if (signal === SIGTERM || signal === SIGINT) this.#end(128 + signal, signal);
  }

  /** Ends it from outside, as the kernel would. */
  end(code: number, signal?: number, reason?: ExitReason): void {
    this.#end(code, signal, reason);
  }

  async #run(program: FakeProgram): Promise<void> {
    try {
      // A program starts after its starter has returned, as a process does.
      await Promise.resolve();
      const code = await program(this.#process);
      if (code !== undefined) this.#end(code);
    } catch (error) {
      this.#process.write('stderr', `${error}\n`);
      this.#end(1);
    }
  }

  #end(code: number, signal?: number, reason: ExitReason = code === 0 ? 'Completed' : 'Error'): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#killed.abort();
    this.stdin?.destroy();
    this.#finish({ code, ...(signal !== undefined && { signal }), reason, finishedAtMs: this.#clock.now() });
  }
}
