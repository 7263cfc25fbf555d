import { type ChildProcess, spawn } from 'node:child_process';
import { type Clock, sleep } from '#machinery/clock.ts';
import type { Logger } from '#machinery/log.ts';
import { SUPERVISED } from './stop.ts';

/** A process that is to run as long as its supervisor. */
export interface Role {
  name: string;
  /** Program and arguments. */
  command: [string, ...string[]];
  /** Besides the supervisor's own. */
  environment?: Record<string, string>;
  /** How long it goes on serving when it is to stop. */
  stopDelayMs?: number;
  /** Away from the terminal, whose Ctrl-C goes to all at once: for programs that know no supervisor. */
  ownSession?: boolean;
  /** Exit codes that mean EXIT_FINAL, when nobody asked it to stop; with what they tell. */
  final?: { codes: readonly number[]; why: string };
  /** Has to be done before its first start, while those before it run; when it fails, all end with its error. */
  before?: (signal: AbortSignal) => Promise<void>;
}

/** A role that ran this long is well: the next restart is at once. */
const WELL_AFTER_MS = 10_000;
const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 10_000;
/** How long a role may take to stop before it is killed. */
const STOP_TIMEOUT_MS = 15_000;

/** Exit code of a role that must not be started again: a wrong flag, a locked data directory. */
export const EXIT_FINAL = 78;

/** Exit code of a role after which the roles of this machine are others: all stop, and are worked out anew. */
export const EXIT_ANEW = 79;

/**
 * Starts the roles and starts again each that dies, waiting longer after each quick death. Resolves with an exit code
 * once `signal` has aborted and all have stopped, last started first; or when a role says that it can never run, or that others are needed. Rejects when what has to
 * be done before a role fails, once all have stopped.
 */
export async function supervise(
  roles: readonly Role[],
  deps: { clock: Clock; log: Logger; signal: AbortSignal },
): Promise<number> {
  const failed = new AbortController();
  const signal = AbortSignal.any([deps.signal, failed.signal]);
  let code = 0;
  let fault: { error: unknown } | undefined;
  const stops = roles.map((role) => {
    const stop = new AbortController();
    const done = keepRunning(role, { ...deps, signal: stop.signal }).then(
      (exit) => {
        if (exit === undefined) return;
        code = exit;
        failed.abort();
      },
      (error: unknown) => {
        fault ??= { error };
        failed.abort();
      },
    );
    return { stop, done };
  });
  if (!signal.aborted)
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  for (const { stop, done } of stops.reverse()) {
    stop.abort();
    await done;
  }
  if (fault && !deps.signal.aborted) throw fault.error;
  return code;
}

/** The exit code when the role must not run again; undefined when it was stopped. */
async function keepRunning(
  role: Role,
  { clock, log, signal }: { clock: Clock; log: Logger; signal: AbortSignal },
): Promise<number | undefined> {
  const [program, ...args] = role.command;
  await role.before?.(signal);
  let delayMs = FIRST_DELAY_MS;
  while (!signal.aborted) {
    const started = clock.monotonic();
    // The pipe ends with this process, however it ends: the role sees it (stop.ts) and does not stay behind alone.
    const child = spawn(program, args, {
      stdio: ['pipe', 'inherit', 'inherit'],
      env: { ...process.env, ...role.environment, [SUPERVISED]: '1' },
      detached: role.ownSession ?? false,
    });
    // A role that dies takes the pipe's other end with it; its exit is what counts.
    child.stdin.on('error', () => {});
    const ended = await waitFor(child, clock, signal, STOP_TIMEOUT_MS + (role.stopDelayMs ?? 0));
    if (ended.code === EXIT_FINAL || ended.code === EXIT_ANEW) return ended.code;
    if (signal.aborted) return undefined;
    if (ended.code !== undefined && role.final?.codes.includes(ended.code)) {
      log.error('A role has ended for good', { role: role.name, why: role.final.why });
      return EXIT_FINAL;
    }
    if (clock.monotonic() - started > WELL_AFTER_MS) delayMs = FIRST_DELAY_MS;
    log.warn('A role ended and is started again', { role: role.name, ...ended, delayMs });
    await sleep(clock, delayMs, signal).catch(() => {}); // only the abort ends it early
    delayMs = Math.min(delayMs * 2, LONGEST_DELAY_MS);
  }
  return undefined;
}

function waitFor(
  child: ChildProcess,
  clock: Clock,
  signal: AbortSignal,
  stopTimeoutMs: number,
): Promise<{ code?: number; by?: string }> {
  return new Promise((resolve) => {
    const stop = () => {
      child.kill('SIGTERM');
      const timer = clock.timer(stopTimeoutMs, () => child.kill('SIGKILL'));
      child.once('exit', () => timer.cancel());
    };
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
    child.once('error', (error) => resolve({ by: error.message }));
    child.once('exit', (code, by) => {
      signal.removeEventListener('abort', stop);
      resolve({ code: code ?? undefined, by: by ?? undefined });
    });
  });
}
