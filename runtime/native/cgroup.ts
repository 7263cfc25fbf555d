import type { DeviceRule, Resources } from '../contract.ts';
import { allowsAll, deviceList, deviceProgram } from './cgroup-devices.ts';
import { type CgroupLayout, type Controller, NEEDED, v2Name } from './cgroup-layout.ts';
import { limitsOf } from './cgroup-limits.ts';
import { Payload, TAG } from './protocol.ts';

export { type CgroupLayout, type CgroupMode, probeCgroups } from './cgroup-layout.ts';

/**
 * Control groups of either version as data. The tree is the same in each hierarchy: `<root>/<parent>/pod<sandbox>/<container>`.
 * A hierarchy that only some containers need (cpuset, blkio, hugetlb) has the groups of those alone.
 */

export interface Group {
  /** Relative: `<root>/...`. */
  path: string;
  resources: Resources;
  /** Processes live in it: a container's. */
  leaf: boolean;
  /** Of a container: the pod's own limits. */
  pod?: Resources;
  /** Of a container: devices it may use, or all of them. */
  devices?: DeviceRule[] | 'all';
}

/** What to make and write for one group; see encodeCgroup. Paths are absolute. */
export interface CgroupPlan {
  /** In order: directories made with their parents, files written, device programs attached. */
  steps: ({ mkdir: string } | { write: string; value: string } | { attach: string; program: Uint8Array })[];
  /** Files by which a process of one thread enters the group: it writes 0. */
  attach: string[];
  /** The unified group in which a process is made. */
  into?: string;
  /** The directories whose processes are the group's. */
  kill: string[];
  /** Directories to remove at the end. */
  remove: string[];
  /** Counts OOM kills (`oom_kill N`). */
  oomFile: string;
}

/** The group with its limits. With v2 the parents' controllers are switched on. Throws RuntimeError Unsupported. */
export function planCgroup(layout: CgroupLayout, group: Group): CgroupPlan {
  const limits = limitsOf(layout, group.resources);
  const inherited = group.leaf && group.pod ? limitsOf(layout, cpusetOf(group.pod)) : [];
  const used = new Set<Controller>([
    ...NEEDED,
    ...[...limits, ...inherited].map(({ controller }) => controller),
  ]);
  if (!layout.deviceFilter) used.add('devices');
  if (!layout.unified) used.add('freezer');
  const v1 = [...used].filter((name) => layout.controllers.has(name) && !layout.inUnified.has(name));
  const at = (controller: Controller) => `${layout.controllers.get(controller)}/${group.path}`;
  // cpu and cpuacct are often one hierarchy.
  const directories = [...new Set(v1.map(at))];
  const unified = layout.unified && `${layout.unified}/${group.path}`;
  const steps: CgroupPlan['steps'] = [...directories, ...(unified ? [unified] : [])].map((mkdir) => ({
    mkdir,
  }));
  steps.push(...switchOn(layout, group, used));
  if (v1.includes('cpuset')) steps.push(...cpusetParents(layout, group));
  for (const { controller, file, value } of limits) steps.push({ write: `${at(controller)}/${file}`, value });
  if (group.leaf) steps.push(...devices(layout, group));
  const killable = unified ?? at('pids');
  return {
    steps,
    // Not cgroup.procs: moving a whole process locks all forks of the machine, and after an idle spell waits 6 to 22 ms
    // for a grace period of RCU; a thread that moves itself does not (Linux 5.16: cgroup_procs_write_start).
    attach: directories.map((directory) => `${directory}/tasks`),
    ...(unified && { into: unified }),
    kill: [killable],
    remove: [...new Set([...layout.controllers.values(), ...(layout.unified ? [layout.unified] : [])])].map(
      (mount) => `${mount}/${group.path}`,
    ),
    oomFile: `${at('memory')}/${layout.inUnified.has('memory') ? 'memory.events' : 'memory.oom_control'}`,
  };
}

/** From the top down: a controller is available where the parent has it switched on. */
export function switchOn(
  layout: CgroupLayout,
  { path, leaf }: Group,
  used: ReadonlySet<Controller>,
): { write: string; value: string }[] {
  const names = new Set([...used].filter((name) => layout.inUnified.has(name)).map(v2Name));
  if (names.size === 0) return [];
  const value = [...names].map((name) => `+${name}`).join(' ');
  const parts = path.split('/');
  return Array.from({ length: parts.length + (leaf ? 0 : 1) }, (_, depth) => ({
    write: [layout.unified, ...parts.slice(0, depth), 'cgroup.subtree_control'].join('/'),
    value,
  }));
}

/**
 * A new v1 cpuset has no CPU and takes nobody (ENOSPC): all parents get what the machine has, the pod what it asked for,
 * and the group itself what its parent has where it asks for nothing else.
 */
function cpusetParents(layout: CgroupLayout, { path, leaf, pod, resources }: Group): CgroupPlan['steps'] {
  const mount = layout.controllers.get('cpuset')!;
  const parts = path.split('/');
  const steps: CgroupPlan['steps'] = [];
  for (let depth = 1; depth <= parts.length; depth++) {
    const directory = [mount, ...parts.slice(0, depth)].join('/');
    const isPod = leaf ? depth >= parts.length - 1 : depth === parts.length;
    const own = isPod ? (leaf ? pod : resources) : undefined;
    steps.push({ write: `${directory}/cpuset.cpus`, value: own?.cpusetCpus ?? layout.cpus });
    steps.push({ write: `${directory}/cpuset.mems`, value: own?.cpusetMems ?? layout.mems });
  }
  return steps;
}

function cpusetOf({ cpusetCpus, cpusetMems }: Resources): Resources {
  return { ...(cpusetCpus && { cpusetCpus }), ...(cpusetMems && { cpusetMems }) };
}

/** A second wall: what keeps a container from devices first is that no mount of its has any. */
function devices(layout: CgroupLayout, { path, devices: rules = [] }: Group): CgroupPlan['steps'] {
  if (allowsAll(rules)) return [];
  if (layout.deviceFilter) return [{ attach: `${layout.unified}/${path}`, program: deviceProgram(rules) }];
  const mount = layout.controllers.get('devices');
  if (!mount) return [];
  const file = (name: string) => `${mount}/${path}/${name}`;
  return [
    { write: file('devices.deny'), value: 'a' },
    ...deviceList(rules).map((value) => ({ write: file('devices.allow'), value })),
  ];
}

/** TAG_CGROUP as runtime/helper/cgroup.h describes it. */
export function encodeCgroup(plan: CgroupPlan): Payload {
  const payload = new Payload();
  for (const step of plan.steps) {
    if ('mkdir' in step) payload.text(TAG.PATH, step.mkdir);
    else if ('write' in step)
      payload.nest(TAG.WRITE, new Payload().text(TAG.PATH, step.write).text(TAG.VALUE, step.value));
    else
      payload.nest(
        TAG.DEVICE_PROGRAM,
        new Payload().text(TAG.PATH, step.attach).bytes(TAG.DATA, step.program),
      );
  }
  for (const file of plan.attach) payload.text(TAG.SOURCE, file);
  if (plan.into) payload.text(TAG.INTO, plan.into);
  for (const directory of plan.kill) payload.text(TAG.TARGET, directory);
  for (const directory of plan.remove) payload.text(TAG.KEEP, directory);
  return payload.text(TAG.OOM_FILE, plan.oomFile);
}
