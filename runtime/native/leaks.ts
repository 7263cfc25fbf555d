import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { sleep, systemClock } from '#machinery/clock.ts';
import { probeCgroups } from './cgroup.ts';

/** A monitor without a pod; before it says so it has the helper's name, and then that of its memory file. */
const SPARES = ['gantry-spare', 'gantry-helper', 'memfd:gantry-mo'];

const CALM_LOOKS = 3;
const CALM_PAUSE_MS = 20;

/** What a node holds at one moment, for tests: two of them must be equal around anything that cleans up after itself. */
export interface Holdings {
  /** Mounts of this mount namespace in the node's directory: other tests have theirs. */
  mounts: number;
  /** Groups below the instance's root, in all hierarchies. */
  cgroups: string[];
  /** Descriptors of the helper, by what they are. */
  helperDescriptors: string[];
  /** Processes whose program or parent is the runtime's: `<name>`. */
  processes: string[];
  /** Files in the state and run directories. */
  files: string[];
}

export async function holdings(node: {
  base: string;
  cgroupRoot: string;
  helperPid: number;
}): Promise<Holdings> {
  const mountinfo = await readFile('/proc/self/mountinfo', 'utf8');
  const { controllers, unified } = await probeCgroups();
  const cgroups: string[] = [];
  for (const mount of new Set([...controllers.values(), ...(unified ? [unified] : [])]))
    cgroups.push(...(await directoriesBelow(join(mount, node.cgroupRoot))));
  return {
    // Other tests mount on this node at the same time: only what lies in our own directories is ours.
    mounts: mountinfo.split('\n').filter((line) => line.includes(node.base)).length,
    cgroups: cgroups.sort(),
    ...(await helperHoldings(node.helperPid)),
    files: [
      ...(await filesBelow(join(node.base, 'state'))),
      ...(await filesBelow(join(node.base, 'run'))),
    ].sort(),
  };
}

/** What there is once nothing comes or goes any more: a monitor that was told to end does so a moment later. */
export async function calmHoldings(node: Parameters<typeof holdings>[0]): Promise<Holdings> {
  let last = await holdings(node);
  for (let alike = 0; alike < CALM_LOOKS; ) {
    await sleep(systemClock, CALM_PAUSE_MS);
    const now = await holdings(node);
    alike = JSON.stringify(now) === JSON.stringify(last) ? alike + 1 : 0;
    last = now;
  }
  return last;
}

/** Without the monitors kept for the next pods: they come and go by themselves, each with two descriptors of the helper's. */
async function helperHoldings(pid: number): Promise<Pick<Holdings, 'helperDescriptors' | 'processes'>> {
  for (;;) {
    const before = await below(pid);
    const helperDescriptors = await descriptors(pid);
    if (JSON.stringify(await below(pid)) !== JSON.stringify(before)) continue;
    const processes = before.filter((name) => !SPARES.includes(name));
    for (let spare = processes.length; spare < before.length; spare++)
      for (const kind of ['socket', 'anon_inode:[pidfd]'])
        if (helperDescriptors.includes(kind)) helperDescriptors.splice(helperDescriptors.indexOf(kind), 1);
    return { helperDescriptors, processes };
  }
}

async function directoriesBelow(path: string): Promise<string[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name));
}

async function filesBelow(path: string): Promise<string[]> {
  return (await readdir(path, { recursive: true }).catch(() => [])).map((name) => join(path, name));
}

/** Names without numbers that differ each time (inodes of sockets). */
async function descriptors(pid: number): Promise<string[]> {
  const names = await readdir(`/proc/${pid}/fd`);
  const targets = await Promise.all(
    names.map((name) => readlink(`/proc/${pid}/fd/${name}`).catch(() => 'gone')),
  );
  return targets.map((target) => target.replace(/:\[\d+\]/, '')).sort();
}

/** Names of the processes below a pid, at any depth. */
async function below(pid: number): Promise<string[]> {
  const children = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => ''))
    .trim()
    .split(/\s+/);
  const found: string[] = [];
  for (const child of children.filter((text) => text !== '')) {
    found.push((await readFile(`/proc/${child}/comm`, 'utf8').catch(() => 'gone')).trim());
    found.push(...(await below(Number(child))));
  }
  return found.sort();
}
