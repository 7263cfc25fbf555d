import { readFileSync } from 'node:fs';
import { pidsOf } from '#test/harness/roles.ts';
import { eventually } from '#test/harness/run.ts';

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
  const [pid] = pidsOf(directory, 'agent');
  if (pid === undefined) throw new Error(`no agent runs on ${directory}`);
  return pid;
}

/** How long it took until `look` was true, in seconds. */
export async function until(what: string, look: () => Promise<boolean>): Promise<number> {
  const since = performance.now();
  await eventually(what, async () => (await look()) || undefined, { timeoutMs: 90_000, everyMs: 20 });
  return (performance.now() - since) / 1000;
}
