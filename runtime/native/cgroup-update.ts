import { constants } from 'node:fs';
import { access, mkdir, open, readFile, rmdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Resources, RuntimeError } from '../contract.ts';
import { type Group, planCgroup, switchOn } from './cgroup.ts';
import { type CgroupLayout, type Controller, v2Name } from './cgroup-layout.ts';
import { type Limit, limitsOf } from './cgroup-limits.ts';
import { readCgroupStats } from './cgroup-stats.ts';
import { limitRefused } from './sandbox.ts';

/** Changes of groups that are there: in an order the kernel takes, all or nothing. */

/** What the order depends on; Infinity = no limit. */
export interface Current {
  memoryBytes: number;
  /** v1: memory and swap together. */
  memorySwapBytes: number;
  cpuQuotaUs: number;
}

/**
 * The writes of an update in their order. Pure. With v1 the limit of memory may at no time be over that of memory and swap
 * together, and the swap allowed stays what it was unless told otherwise; a burst may not be over the quota.
 */
export function planUpdate(layout: CgroupLayout, resources: Resources, current: Current): Limit[] {
  const limits = limitsOf(layout, keepSwap(layout, resources, current));
  const raises = (now: number | undefined, before: number) =>
    now !== undefined && (now < 0 ? Number.POSITIVE_INFINITY : now) > before;
  if (raises(resources.memoryBytes, current.memoryBytes))
    putBefore(limits, 'memory.memsw.limit_in_bytes', 'memory.limit_in_bytes');
  if (!raises(resources.cpuQuotaUs, current.cpuQuotaUs)) {
    putBefore(limits, 'cpu.max.burst', 'cpu.max');
    putBefore(limits, 'cpu.cfs_burst_us', 'cpu.cfs_quota_us');
  }
  return limits;
}

function keepSwap(layout: CgroupLayout, resources: Resources, current: Current): Resources {
  const { memoryBytes, swapBytes } = resources;
  if (layout.inUnified.has('memory') || (memoryBytes === undefined) === (swapBytes === undefined))
    return resources;
  if (memoryBytes === undefined) return { memoryBytes: orLifted(current.memoryBytes), ...resources };
  if (current.memorySwapBytes === Number.POSITIVE_INFINITY) return resources;
  return { ...resources, swapBytes: current.memorySwapBytes - current.memoryBytes };
}

function orLifted(amount: number): number {
  return amount === Number.POSITIVE_INFINITY ? -1 : amount;
}

function putBefore(limits: Limit[], first: string, second: string): void {
  const from = limits.findIndex(({ file }) => file === first);
  const to = limits.findIndex(({ file }) => file === second);
  if (from > to && to >= 0) limits.splice(to, 0, ...limits.splice(from, 1));
}

/**
 * Sets new limits of the group at `path`. Rejects with RuntimeError: Busy when more memory is in use than is to be
 * allowed (v2 would kill for it), Unsupported, InvalidSpec; then the limits are what they were.
 */
export async function updateGroup(
  layout: CgroupLayout,
  group: Pick<Group, 'path' | 'leaf'>,
  resources: Resources,
): Promise<void> {
  const { path } = group;
  const limits = planUpdate(layout, resources, await currentOf(layout, path));
  await refuseBelowUse(layout, path, resources);
  const used = new Set(limits.map(({ controller }) => controller));
  for (const step of switchOn(layout, { ...group, resources }, used)) await write(step.write, step.value);
  const undo: (() => Promise<void>)[] = [];
  try {
    for (const { controller, file, value } of limits) {
      const target = `${directoryOf(layout, path, controller)}/${file}`;
      await requireGroup(dirname(target), controller);
      const before = await readFile(target, 'utf8').catch(() => undefined);
      await write(target, value);
      if (before !== undefined) undo.unshift(() => write(target, restored(before, file, value)));
    }
  } catch (error) {
    // The old values were in force a moment ago; one that the kernel no longer takes (a limit below use) stays the new one.
    for (const step of undo) await step().catch(() => undefined);
    throw error;
  }
}

/** What a new group needs before it can take limits. */
const PREPARES = /\/(cgroup\.subtree_control|cpuset\.cpus|cpuset\.mems)$/;

/** Makes a group without processes of its own, or changes the one that is there. When a limit is refused, a new one goes again. */
export async function ensureGroup(layout: CgroupLayout, path: string, resources: Resources): Promise<void> {
  const { steps } = planCgroup(layout, { path, resources, leaf: false });
  const made: string[] = [];
  try {
    for (const step of steps) {
      if ('mkdir' in step && (await mkdir(step.mkdir, { recursive: true }))) made.push(step.mkdir);
      else if ('write' in step && made.length > 0 && PREPARES.test(step.write))
        await write(step.write, step.value);
    }
    await updateGroup(layout, { path, leaf: false }, resources);
  } catch (error) {
    // Nobody is in it yet; where somebody was quicker it is theirs.
    for (const directory of made) await rmdir(directory).catch(() => undefined);
    throw error;
  }
}

function directoryOf(layout: CgroupLayout, path: string, controller: Controller): string {
  return `${layout.controllers.get(controller)}/${path}`;
}

/** With v1 a process is in the groups it was started in: one of another hierarchy cannot be had later. */
async function requireGroup(directory: string, controller: Controller): Promise<void> {
  await access(directory).catch(() => {
    const why = `it was started without limits of ${v2Name(controller)}, and gets them only by a restart`;
    throw new RuntimeError('Unsupported', why, 'set cgroup limit');
  });
}

async function write(path: string, value: string): Promise<void> {
  try {
    // Not writeFile, which would create: a file that is not there is a limit the kernel does not have.
    const handle = await open(path, constants.O_WRONLY);
    try {
      await handle.write(value);
    } finally {
      await handle.close();
    }
  } catch (error) {
    const { errno } = error as NodeJS.ErrnoException;
    throw errno === undefined ? error : limitRefused(-errno, path);
  }
}

/** What to write so that the file says again what it said. Files of devices hold a line for each. */
function restored(before: string, file: string, value: string): string {
  if (!/^\d+:\d+ /.test(value)) return before.trim() || '\n';
  const device = value.slice(0, value.indexOf(' ') + 1);
  const line = before.split('\n').find((one) => one.startsWith(device));
  return line ?? device + (file === 'io.max' ? 'rbps=max wbps=max riops=max wiops=max' : '0');
}

async function currentOf(layout: CgroupLayout, path: string): Promise<Current> {
  const read = async (controller: Controller, file: string) => {
    const text = await readFile(`${directoryOf(layout, path, controller)}/${file}`, 'utf8').catch(() => '');
    const amount = Number.parseInt(text, 10);
    // v1 says no limit by -1 or by the largest multiple of a page.
    return Number.isNaN(amount) || amount < 0 || amount > Number.MAX_SAFE_INTEGER
      ? Number.POSITIVE_INFINITY
      : amount;
  };
  const v2 = (controller: Controller) => layout.inUnified.has(controller);
  const [memoryBytes, memorySwapBytes, cpuQuotaUs] = await Promise.all([
    read('memory', v2('memory') ? 'memory.max' : 'memory.limit_in_bytes'),
    v2('memory') ? Number.POSITIVE_INFINITY : read('memory', 'memory.memsw.limit_in_bytes'),
    read('cpu', v2('cpu') ? 'cpu.max' : 'cpu.cfs_quota_us'),
  ]);
  return { memoryBytes, memorySwapBytes, cpuQuotaUs };
}

/** What can be given back at once (inactive page cache) does not count. */
async function refuseBelowUse(layout: CgroupLayout, path: string, { memoryBytes }: Resources): Promise<void> {
  if (memoryBytes === undefined || memoryBytes < 0) return;
  const { memoryWorkingSetBytes } = await readCgroupStats(layout, path);
  if (memoryWorkingSetBytes <= memoryBytes) return;
  const message = `attempting to set memory limit (${Math.trunc(memoryBytes)}) below current usage (${memoryWorkingSetBytes})`;
  throw new RuntimeError('Busy', message, 'set cgroup limit');
}
