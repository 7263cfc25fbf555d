import { readdirSync, readFileSync, statSync } from 'node:fs';
import { eventually } from './run.ts';

/**
 * Pids of what runs on a host of a lab: who is in its network namespace or, where it has some, in its control groups, and all that
 * descend from those, such as containers, which have namespaces of their own.
 */
export function hostProcesses(netns: string): number[] {
  const inode = statSync(`/run/netns/${netns}`).ino;
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const parents = new Map(pids.map((pid) => [Number(pid), parentOf(Number(pid))]));
  // Whose parent was killed is nobody's child any more. Of the dead only the group is left.
  const group = new RegExp(`/${netns}(/|$)`, 'm');
  const isAlive = (pid: number) => !'ZX'.includes(stateOf(pid));
  const isHere = (pid: number) => networkOf(pid) === inode || (group.test(groupsOf(pid)) && isAlive(pid));
  const found = new Set([...parents.keys()].filter(isHere));
  for (let before = -1; before !== found.size; ) {
    before = found.size;
    for (const [pid, parent] of parents) if (parent !== undefined && found.has(parent)) found.add(pid);
  }
  // Never the one who asks, wherever it runs.
  found.delete(process.pid);
  return [...found];
}

/** Sends a signal to every process of the host that there is now. */
export function signalHost(netns: string, signal: NodeJS.Signals): number[] {
  const pids = hostProcesses(netns);
  for (const pid of pids) unlessGone(() => process.kill(pid, signal));
  return pids;
}

/** SIGSTOP, again and again until nobody is left who could have started another one. */
export async function pauseHost(netns: string): Promise<void> {
  await eventually('every process of the host is stopped', async () => {
    signalHost(netns, 'SIGSTOP');
    // D: in the kernel, as one that waits for what it has vforked; it stops before it runs on.
    return hostProcesses(netns).every((pid) => 'DTtZX'.includes(stateOf(pid))) || undefined;
  });
}

/** SIGKILL, as a power cut, until nobody is left. They are stopped first: what one starts while its parent dies could not be found. */
export async function killHost(netns: string): Promise<void> {
  await pauseHost(netns);
  await eventually('every process of the host is gone', async () => {
    signalHost(netns, 'SIGKILL');
    return hostProcesses(netns).every((pid) => 'ZX'.includes(stateOf(pid))) || undefined;
  });
}

/** Source: proc_pid_stat(5); the name, in parentheses, may hold anything. A process that is gone counts as dead. */
function statusOf(pid: number): string[] {
  const text = unlessGone(() => readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? ') X';
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}

/** Source: cgroups(7), /proc/pid/cgroup. */
function groupsOf(pid: number): string {
  return unlessGone(() => readFileSync(`/proc/${pid}/cgroup`, 'utf8')) ?? '';
}

function stateOf(pid: number): string {
  return statusOf(pid)[0]!;
}

function parentOf(pid: number): number | undefined {
  const parent = statusOf(pid)[1];
  return parent === undefined ? undefined : Number(parent);
}

function networkOf(pid: number): number | undefined {
  try {
    return unlessGone(() => statSync(`/proc/${pid}/ns/net`).ino);
  } catch (error) {
    // Even root may not look into some, like the init of a virtual machine: a host's own processes are never among them.
    if ((error as NodeJS.ErrnoException).code === 'EACCES') return undefined;
    throw error;
  }
}

function unlessGone<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
}
