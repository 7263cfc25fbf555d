import { readFile } from 'node:fs/promises';
import type { ContainerStats, Resources } from '../contract.ts';
import { Payload, TAG } from './protocol.ts';

/**
 * Control groups of either version as data. Which hierarchies a node has is probed once; everything else is pure. The
 * tree is the same in each: `<root>/<parent>/pod<sandbox>/<container>`.
 */

export type CgroupMode = 'v1' | 'v2' | 'hybrid';

export interface CgroupLayout {
  mode: CgroupMode;
  /** Mount point by controller (memory, cpu, cpuacct, pids); with v2 all are the same. */
  controllers: ReadonlyMap<Controller, string>;
}

export type Controller = 'memory' | 'cpu' | 'cpuacct' | 'pids';

const CONTROLLERS: readonly Controller[] = ['memory', 'cpu', 'cpuacct', 'pids'];

/** What to make and write for one group; see encodeCgroup. Paths are absolute. */
export interface CgroupPlan {
  /** In order: directories made with their parents, files written. */
  steps: ({ mkdir: string } | { write: string; value: string })[];
  /** Files by which a process of one thread enters the group: it writes 0. */
  attach: string[];
  /** The directory whose processes are the group's. */
  kill: string;
  /** Directories to remove at the end. */
  remove: string[];
  /** Counts OOM kills (`oom_kill N`). */
  oomFile: string;
}

/** Reads /proc/self/mountinfo and /sys/fs/cgroup; throws when the node has no usable control groups. */
export async function probeCgroups(mountinfo?: string): Promise<CgroupLayout> {
  const text = mountinfo ?? (await readFile('/proc/self/mountinfo', 'utf8'));
  const controllers = new Map<Controller, string>();
  let unified: string | undefined;
  for (const line of text.split('\n')) {
    const [mount, rest] = line.split(' - ');
    if (!rest) continue;
    const target = mount!.split(' ')[4]!;
    const [type, , options] = rest.split(' ');
    if (type === 'cgroup2') unified ??= target;
    if (type !== 'cgroup') continue;
    for (const option of options!.split(',')) {
      const controller = CONTROLLERS.find((name) => name === option);
      if (controller && !controllers.has(controller)) controllers.set(controller, target);
    }
  }
  if (controllers.size === 0 && unified) {
    return { mode: 'v2', controllers: new Map(CONTROLLERS.map((name) => [name, unified])) };
  }
  const missing = CONTROLLERS.filter((name) => !controllers.has(name));
  if (missing.length > 0) throw new Error(`no cgroup controller ${missing.join(', ')}: mount /sys/fs/cgroup`);
  return { mode: unified ? 'hybrid' : 'v1', controllers };
}

/** The group at `path` (relative, `<root>/...`) with its limits. With v2 the parents' controllers are switched on. */
export function planCgroup(
  layout: CgroupLayout,
  path: string,
  resources: Resources,
  leaf: boolean,
): CgroupPlan {
  return layout.mode === 'v2' ? planV2(layout, path, resources, leaf) : planV1(layout, path, resources);
}

function planV1(layout: CgroupLayout, path: string, resources: Resources): CgroupPlan {
  const at = (controller: Controller) => `${layout.controllers.get(controller)}/${path}`;
  // cpu and cpuacct are often one hierarchy.
  const directories = [...new Set(CONTROLLERS.map(at))];
  const steps: CgroupPlan['steps'] = directories.map((mkdir) => ({ mkdir }));
  const write = (controller: Controller, file: string, value: number | undefined) => {
    if (value !== undefined)
      steps.push({ write: `${at(controller)}/${file}`, value: String(Math.trunc(value)) });
  };
  write('memory', 'memory.limit_in_bytes', resources.memoryBytes);
  write('cpu', 'cpu.shares', resources.cpuShares && clamp(resources.cpuShares, 2, 262_144));
  write('cpu', 'cpu.cfs_period_us', resources.cpuPeriodUs);
  write('cpu', 'cpu.cfs_quota_us', resources.cpuQuotaUs);
  write('pids', 'pids.max', resources.pids);
  return {
    steps,
    // Not cgroup.procs: moving a whole process locks all forks of the machine, and after an idle spell waits 6 to 22 ms
    // for a grace period of RCU; a thread that moves itself does not (Linux 5.16: cgroup_procs_write_start).
    attach: directories.map((directory) => `${directory}/tasks`),
    kill: at('pids'),
    remove: directories,
    oomFile: `${at('memory')}/memory.oom_control`,
  };
}

function planV2(layout: CgroupLayout, path: string, resources: Resources, leaf: boolean): CgroupPlan {
  const top = layout.controllers.get('memory')!;
  const directory = `${top}/${path}`;
  const steps: CgroupPlan['steps'] = [{ mkdir: directory }];
  const parts = path.split('/');
  // From the top down: a controller is available where the parent has it switched on.
  for (let depth = 0; depth < parts.length + (leaf ? 0 : 1); depth++) {
    const parent = [top, ...parts.slice(0, depth)].join('/');
    steps.push({ write: `${parent}/cgroup.subtree_control`, value: '+memory +cpu +pids' });
  }
  const { memoryBytes, cpuShares, cpuQuotaUs, cpuPeriodUs, pids } = resources;
  const write = (file: string, value: string) => steps.push({ write: `${directory}/${file}`, value });
  if (memoryBytes !== undefined) {
    write('memory.max', String(Math.trunc(memoryBytes)));
    if (leaf) write('memory.oom.group', '1');
  }
  if (cpuShares !== undefined) write('cpu.weight', String(cpuWeight(cpuShares)));
  if (cpuQuotaUs !== undefined)
    write('cpu.max', `${cpuQuotaUs > 0 ? cpuQuotaUs : 'max'} ${cpuPeriodUs ?? 100_000}`);
  if (pids !== undefined) write('pids.max', String(pids));
  return {
    steps,
    attach: [`${directory}/cgroup.procs`],
    kill: directory,
    remove: [directory],
    oomFile: `${directory}/memory.events`,
  };
}

/** cpu.shares (2-262144) to cpu.weight (1-10000). Source: OCI runtime-spec, "cgroup v2 conversion". */
function cpuWeight(shares: number): number {
  return Math.trunc(1 + ((clamp(shares, 2, 262_144) - 2) * 9999) / 262_142);
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most);
}

/** TAG_CGROUP as runtime/helper/cgroup.h describes it. */
export function encodeCgroup(plan: CgroupPlan): Payload {
  const payload = new Payload();
  for (const step of plan.steps) {
    if ('mkdir' in step) payload.text(TAG.PATH, step.mkdir);
    else payload.nest(TAG.WRITE, new Payload().text(TAG.PATH, step.write).text(TAG.VALUE, step.value));
  }
  for (const file of plan.attach) payload.text(TAG.SOURCE, file);
  payload.text(TAG.TARGET, plan.kill);
  for (const directory of plan.remove) payload.text(TAG.KEEP, directory);
  return payload.text(TAG.OOM_FILE, plan.oomFile);
}

/** Usage of the group at `path`; rejects with ENOENT when it is gone. */
export async function readCgroupStats(layout: CgroupLayout, path: string): Promise<ContainerStats> {
  const read = async (controller: Controller, file: string) =>
    await readFile(`${layout.controllers.get(controller)}/${path}/${file}`, 'utf8');
  const v2 = layout.mode === 'v2';
  const [cpu, usage, memory, pids] = await Promise.all([
    v2 ? read('cpu', 'cpu.stat') : read('cpuacct', 'cpuacct.usage'),
    read('memory', v2 ? 'memory.current' : 'memory.usage_in_bytes'),
    read('memory', 'memory.stat'),
    read('pids', 'pids.current'),
  ]);
  const memoryBytes = Number(usage);
  const inactive = keyed(memory, v2 ? 'inactive_file' : 'total_inactive_file');
  return {
    cpuNs: v2 ? keyed(cpu, 'usage_usec') * 1000 : Number(cpu),
    memoryBytes,
    memoryWorkingSetBytes: Math.max(0, memoryBytes - inactive),
    pids: Number(pids),
  };
}

function keyed(text: string, key: string): number {
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${key} `));
  return line ? Number(line.slice(key.length + 1)) : 0;
}
