import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { type Clock, sleep } from '#machinery/clock.ts';
import type { Logger } from '#machinery/log.ts';
import { etcdDataPath } from '../managed-etcd/record.ts';
import { DEFAULT_DATA_DIR } from '../options.ts';
import type { Paths } from '../paths.ts';

/**
 * Processes of an instance, told by their command lines: a pid alone proves nothing, for after a reboot it is somebody
 * else's.
 */

const ROLES = ['server', 'agent'];
/** Roles see at once that their supervisor has gone; what needs longer than this hangs. */
const LEFT_MS = 12_000;
const LOOK_EVERY_MS = 20;

export function pidFileOf(runDirectory: string): string {
  return join(runDirectory, 'gantry.pid');
}

/** The `gantry up` or `gantry join` of the instance that a pid file names, when it still runs. */
export function runningPid(pidFile: string, root: string): number | undefined {
  const pid = Number(textOf(pidFile) ?? '');
  if (!(pid > 0) || pid === process.pid) return undefined;
  const args = commandLine(pid);
  return (args.includes('up') || args.includes('join')) && dataDirectory(pid, args) === root
    ? pid
    : undefined;
}

/** What a supervisor was started with: the file that is its program, and the arguments of `up` or `join`. */
export function supervisorCommand(pid: number): { main: string; args: string[] } | undefined {
  const all = commandLine(pid);
  const at = all.findIndex((arg) => arg === 'up' || arg === 'join');
  return at < 1 ? undefined : { main: all[at - 1]!, args: all.slice(at) };
}

/** Whether a role serves the data directory, or an `up` that will start them. */
export function isInUse({ root, run }: Paths): boolean {
  return runningPid(pidFileOf(run), root) !== undefined || leftRoles(root).length > 0;
}

/** Waits for the roles of an `up` that was killed to end, and kills those that do not. */
export async function endLeftRoles(root: string, clock: Clock, log: Logger): Promise<void> {
  // Timers of the clock do not keep the process alive.
  const hold = setInterval(() => {}, 2 ** 30);
  const end = clock.monotonic() + LEFT_MS;
  try {
    for (let left = leftRoles(root); left.length > 0; left = leftRoles(root)) {
      if (clock.monotonic() > end) {
        log.warn('Processes of an earlier start do not end and are killed', { pids: left.join(' ') });
        for (const pid of left) process.kill(pid, 'SIGKILL');
      }
      await sleep(clock, LOOK_EVERY_MS);
    }
  } finally {
    clearInterval(hold);
  }
}

/** Pids of roles that serve the data directory, whoever started them. */
export function leftRoles(root: string): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => {
    const args = commandLine(pid);
    // As up.ts starts them: ... <role> --data-dir <root>. "join --role server" is none.
    const isRole = (index: number) => ROLES.includes(args[index]!) && args[index - 1] !== '--role';
    const at = args.findIndex((_, index) => isRole(index) && args[index + 1] === '--data-dir');
    return (at >= 0 && args[at + 2] === root) || isEtcdOf(root, args);
  });
}

/** As managed-etcd/role.ts starts it; also what is about to become it. */
function isEtcdOf(root: string, args: readonly string[]): boolean {
  if (!['etcd', 'setpriv'].includes(basename(args[0] ?? ''))) return false;
  const at = args.indexOf('--data-dir');
  return at >= 0 && args[at + 1] === etcdDataPath({ root });
}

function dataDirectory(pid: number, args: readonly string[]): string {
  try {
    return dataDirectoryOf(args, readlinkSync(`/proc/${pid}/cwd`));
  } catch (error) {
    if (isGone(error)) return '';
    throw error;
  }
}

/** Of a command line, run in the directory `from`. */
export function dataDirectoryOf(args: readonly string[], from: string): string {
  const at = args.findIndex((arg) => arg === '--data-dir' || arg.startsWith('--data-dir='));
  return resolve(from, at < 0 ? DEFAULT_DATA_DIR : (args[at]!.split('=')[1] ?? args[at + 1] ?? ''));
}

/** Empty for a process that is gone or on its way out. */
function commandLine(pid: number): string[] {
  return (textOf(`/proc/${pid}/cmdline`) ?? '').split('\0');
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** Source: proc(5): files of a process that ends between two calls. */
function isGone(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ESRCH';
}
