import { readdirSync, readFileSync } from 'node:fs';

/** User and system time. Source: proc(5), /proc/pid/stat fields 14 and 15, in ticks of 10 ms. */
export function cpuSeconds(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
    return sum + (Number(fields[11]) + Number(fields[12])) / 100;
  }, 0);
}

/** Source: proc(5), /proc/pid/smaps_rollup. */
export function kilobytes(pid: number, field: 'Rss' | 'Pss'): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Number(new RegExp(`^${field}: +(\\d+) kB`, 'm').exec(text)?.[1]);
}

/** The agent on that data directory. */
export function agentPid(directory: string): number {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      if (args.includes('agent') && args.includes(directory)) return Number(pid);
    } catch {
      // It ended between the listing and the look.
    }
  }
  throw new Error(`no agent runs on ${directory}`);
}
