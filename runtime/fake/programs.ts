import type { Readable } from 'node:stream';

/** What a scripted program sees of its process. */
export interface FakeProcess {
  readonly args: string[];
  readonly env: string[];
  readonly cwd: string;
  readonly tty: boolean;
  /** Ends at once when the process has no stdin. */
  readonly stdin: Readable;
  write(stream: 'stdout' | 'stderr', text: string): void;
  /** Resolves after `ms` on the runtime's clock, or when the process is killed. */
  sleep(ms: number): Promise<void>;
  /** Aborted when the process is killed: a program that waits for anything else must stop then. */
  readonly killed: AbortSignal;
  /**
   * Replaces what a signal other than SIGKILL does; without it SIGTERM and SIGINT end the process with 128 + n (a real
   * pid 1 would ignore them).
   */
  onSignal: ((signal: number) => void) | undefined;
  exit(code: number): void;
}

/** Behaviour in place of a binary: its result is the exit code; `undefined` = runs until exit() or a signal. */
export type FakeProgram = (process: FakeProcess) => Promise<number | undefined> | number | undefined;

/** Runs until it is told to end. */
export const runsForever: FakeProgram = () => undefined;

/** Enough of busybox for tests. `sh -c` understands `exit N` and `echo TEXT`, joined by `;`. */
export const BASIC_PROGRAMS: Record<string, FakeProgram> = {
  true: () => 0,
  false: () => 1,
  echo: (process) => {
    process.write('stdout', `${process.args.slice(1).join(' ')}\n`);
    return 0;
  },
  env: (process) => {
    for (const variable of process.env) process.write('stdout', `${variable}\n`);
    return 0;
  },
  pwd: (process) => {
    process.write('stdout', `${process.cwd}\n`);
    return 0;
  },
  cat: async (process) => {
    for await (const chunk of process.stdin) process.write('stdout', String(chunk));
    return 0;
  },
  sleep: async (process) => {
    const seconds = Number(process.args[1]);
    if (!Number.isFinite(seconds)) return undefined;
    await process.sleep(seconds * 1000);
    return 0;
  },
  /** Ignores SIGTERM. */
  stubborn: (process) => {
    process.onSignal = () => {};
    return undefined;
  },
  /** Ends with 0 on SIGTERM. */
  obedient: (process) => {
    process.onSignal = () => process.exit(0);
    return undefined;
  },
  /** Answers one connection on the port it is given; see FakeRuntime.listen. */
  sh: (process) => {
    for (const command of (process.args[2] ?? '').split(/\s*(?:;|&&)\s*/)) {
      const [name, ...words] = command.split(/\s+/);
      if (name === 'exit') return Number(words[0] ?? 0);
      if (name === 'echo') process.write('stdout', `${words.join(' ')}\n`);
    }
    return 0;
  },
};
