import { readdirSync, readFileSync } from 'node:fs';

export type Role = 'up' | 'server' | 'agent' | 'helper' | 'monitor' | 'etcd';

/** Which of an instance's programs a command line is; undefined when it is none. */
export function roleOf(args: readonly string[]): Role | undefined {
  const program = args[0]?.split('/').at(-1);
  if (program === 'nsenter' || program === 'sh') return undefined;
  if (program === 'etcd') return 'etcd';
  if (program === 'helper') return 'helper';
  // A spare one has no pod yet; the helper makes the next one by itself.
  if (program === 'gantry-monitor') return args[2]?.trim() === 'spare' ? undefined : 'monitor';
  if (args.includes('up') || args.includes('join')) return 'up';
  return (['server', 'agent'] as const).find((role) => args.includes(role));
}

/** Empty when the process has ended, and of the kernel's own. */
export function commandLine(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
    throw error;
  }
}

/** Pids of the programs of a role that run on a data directory. */
export function pidsOf(directory: string, role: Role): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => {
    const args = commandLine(pid);
    return args.some((arg) => arg.includes(directory)) && roleOf(args) === role;
  });
}
