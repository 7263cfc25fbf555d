import { readFile, writeFile } from 'node:fs/promises';
import { type Clock, sleep } from '#machinery/clock.ts';
import { RuntimeError } from '../contract.ts';
import type { CgroupLayout } from './cgroup-layout.ts';

/** Freezing of whole groups, by the core of v2 or the freezer of v1. The kernel holds the state: it outlives agents. */

/** A process in the middle of a call to a disk or a device freezes when that ends. */
const FREEZE_MS = 5_000;
const POLL_MS = 1;
/** How long v1 may stand still before it is tried anew, and how long its processes go on then. */
const STUCK_MS = 50;
const LET_GO_MS = 5;

interface Files {
  control: string;
  /** What to write. */
  frozen: string;
  thawed: string;
  /** Where it says that all have stopped, and how. */
  state: string;
  reached: RegExp;
}

function filesOf({ unified, controllers }: CgroupLayout, path: string): Files {
  if (unified) {
    const control = `${unified}/${path}/cgroup.freeze`;
    return {
      control,
      frozen: '1',
      thawed: '0',
      state: `${unified}/${path}/cgroup.events`,
      reached: /^frozen 1$/m,
    };
  }
  const mount = controllers.get('freezer');
  if (!mount) throw new RuntimeError('Unsupported', "this node's kernel cannot freeze a group: no freezer");
  const control = `${mount}/${path}/freezer.state`;
  return { control, frozen: 'FROZEN', thawed: 'THAWED', state: control, reached: /^FROZEN$/m };
}

/** Resolves when no process of the group runs any more; else it is thawed again, and RuntimeError Busy. */
export async function freeze(layout: CgroupLayout, path: string, clock: Clock): Promise<void> {
  const files = filesOf(layout, path);
  await writeFile(files.control, files.frozen);
  const end = clock.monotonic() + FREEZE_MS;
  let again = clock.monotonic() + STUCK_MS;
  while (!files.reached.test(await readFile(files.state, 'utf8'))) {
    if (clock.monotonic() > end) {
      await writeFile(files.control, files.thawed);
      throw new RuntimeError('Busy', 'its processes do not come to rest', 'freeze');
    }
    // v1 may stay half frozen for good. Source: kernel documentation, "Cgroup Freezer": thaw, and try again.
    if (!layout.unified && clock.monotonic() > again) {
      await writeFile(files.control, files.thawed);
      await sleep(clock, LET_GO_MS);
      await writeFile(files.control, files.frozen);
      again = clock.monotonic() + STUCK_MS;
    }
    await sleep(clock, POLL_MS);
  }
}

/** Harmless when it is not frozen, or gone. */
export async function thaw(layout: CgroupLayout, path: string): Promise<void> {
  const { control, thawed } = filesOf(layout, path);
  try {
    await writeFile(control, thawed, { flag: 'r+' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

/** Whether somebody has frozen the group, before this agent began too. */
export async function isFrozen(layout: CgroupLayout, path: string): Promise<boolean> {
  if (!layout.unified && !layout.controllers.has('freezer')) return false;
  const { control, frozen } = filesOf(layout, path);
  return (await readFile(control, 'utf8').catch(() => '')).trim() === frozen;
}
