import { readFile } from 'node:fs/promises';
import { release } from 'node:os';
import { since } from './kernel-release.ts';
import { parseMountInfo, readMountInfo } from './mountinfo.ts';

/** Which control groups a node has. Probed once; everything decided from it is pure. */

export type CgroupMode = 'v1' | 'v2' | 'hybrid';

/** Controllers of the kernel; `devices` and `freezer` are of v1 only: v2 does the same by BPF and in its core. */
export type Controller =
  | 'memory'
  | 'cpu'
  | 'cpuacct'
  | 'pids'
  | 'cpuset'
  | 'blkio'
  | 'hugetlb'
  | 'devices'
  | 'freezer';

/** Without these no container can be held. */
export const NEEDED: readonly Controller[] = ['memory', 'cpu', 'cpuacct', 'pids'];
const OPTIONAL: readonly Controller[] = ['cpuset', 'blkio', 'hugetlb', 'devices', 'freezer'];

/** Names on v2, where they differ. */
const V2_NAMES: Partial<Record<Controller, string>> = { blkio: 'io', cpuacct: 'cpu' };

export function v2Name(controller: Controller): string {
  return V2_NAMES[controller] ?? controller;
}

export interface CgroupLayout {
  mode: CgroupMode;
  /** Mount point by controller; with v2 all are the same. */
  controllers: ReadonlyMap<Controller, string>;
  /** Those that the unified hierarchy (v2) has. */
  inUnified: ReadonlySet<Controller>;
  /**
   * Mount point of the unified hierarchy. Beside v1 (hybrid) it is used for what it can do without controllers: kill, freeze,
   * pressure, devices by BPF; not before Linux 5.14, which brought cgroup.kill.
   */
  unified?: string;
  /** All CPUs and memory nodes of the machine, as cpuset(7) lists them: what a v1 cpuset has to begin with. */
  cpus: string;
  mems: string;
  /** BPF programs that judge the use of devices can be attached: known once the helper has tried. */
  deviceFilter?: boolean;
  /** Swap is accounted, and so can be limited: known once a group has been made. */
  swap?: boolean;
}

/** What of the node the layout is found by; given by tests. */
export interface CgroupSources {
  mountinfo: string;
  /** cgroup.controllers of the unified hierarchy. */
  controllers(mountpoint: string): Promise<string>;
  /** A file of a v1 cpuset; empty when there is none. */
  cpuset(mountpoint: string, file: string): Promise<string>;
  kernel: string;
}

const KILL_SINCE = [5, 14] as const;

async function systemSources(): Promise<CgroupSources> {
  return {
    mountinfo: await readMountInfo(),
    controllers: (mountpoint) => readFile(`${mountpoint}/cgroup.controllers`, 'utf8'),
    cpuset: (mountpoint, file) => readFile(`${mountpoint}/${file}`, 'utf8').catch(() => ''),
    kernel: release(),
  };
}

/** Throws when the node has no usable control groups. */
export async function probeCgroups(sources?: CgroupSources): Promise<CgroupLayout> {
  const { mountinfo, controllers, cpuset, kernel } = sources ?? (await systemSources());
  const { v1, unified } = hierarchies(mountinfo);
  const offered = unified ? (await controllers(unified)).trim().split(/\s+/) : [];
  // What is in neither hierarchy may be switched off (cgroup_disable=): a pod that needs it is told.
  const inUnified = new Set([...NEEDED, ...OPTIONAL].filter((name) => offered.includes(v2Name(name))));
  const mode = v1.size === 0 ? 'v2' : unified ? 'hybrid' : 'v1';
  const all = new Map([...v1, ...[...inUnified].map((name) => [name, unified!] as const)]);
  const missing = NEEDED.filter((name) => !all.has(name));
  if (missing.length > 0) throw new Error(`no cgroup controller ${missing.join(', ')}: mount /sys/fs/cgroup`);
  const sets = v1.get('cpuset');
  const usable = unified && (mode === 'v2' || since(kernel, KILL_SINCE));
  return {
    mode,
    controllers: all,
    inUnified,
    ...(usable && { unified }),
    cpus: sets ? (await cpuset(sets, 'cpuset.cpus')).trim() : '',
    mems: sets ? (await cpuset(sets, 'cpuset.mems')).trim() : '',
  };
}

function hierarchies(mountinfo: string): { v1: Map<Controller, string>; unified: string | undefined } {
  const v1 = new Map<Controller, string>();
  let unified: string | undefined;
  for (const { target, type, options } of parseMountInfo(mountinfo)) {
    if (type === 'cgroup2') unified ??= target;
    if (type !== 'cgroup') continue;
    for (const option of options) {
      const controller = [...NEEDED, ...OPTIONAL].find((name) => name === option);
      if (controller && !v1.has(controller)) v1.set(controller, target);
    }
  }
  return { v1, unified };
}
