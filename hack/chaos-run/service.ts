import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';

/** After an end that nobody asked for, as systemd's RestartSec. */
const RESTART_MS = 1_000;

/** A program that is to run, as a service of systemd with Restart=always: started again whenever it ends, until it is stopped. */
export class Service {
  readonly #command: () => [string, string[]];
  readonly #logFile: string;
  #child: ChildProcess | undefined;
  #restart: NodeJS.Timeout | undefined;
  #isWanted = false;

  /** `command`: asked at each start. */
  constructor(command: () => [string, string[]], logFile: string) {
    this.#command = command;
    this.#logFile = logFile;
  }

  /** Nothing when it runs. */
  start(): void {
    this.#isWanted = true;
    if (this.#child) return;
    const log = openSync(this.#logFile, 'a');
    const [command, args] = this.#command();
    const child = spawn(command, args, { stdio: ['ignore', log, log], detached: true });
    closeSync(log);
    this.#child = child;
    child.once('error', () => this.#ended());
    child.once('exit', () => this.#ended());
  }

  /** From now on its end is its end: for what takes it away with everything else, as a power cut. */
  abandon(): void {
    this.#isWanted = false;
    clearTimeout(this.#restart);
    this.#child?.unref();
  }

  /** SIGTERM; resolves when it has ended. */
  async stop(): Promise<void> {
    this.abandon();
    const child = this.#child;
    if (!child) return;
    child.ref();
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await gone;
  }

  #ended(): void {
    this.#child = undefined;
    if (this.#isWanted) this.#restart = setTimeout(() => this.start(), RESTART_MS);
  }
}
