import { readFileSync, unlinkSync } from 'node:fs';
import { readdir, readFile, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { CgroupLayout } from './cgroup.ts';
import { parseMountInfo, readMountInfo } from './mountinfo.ts';

/**
 * Finds what an instance has made and no sandbox accounts for: what a crash left between two steps. It looks at what is
 * there, not at what was once planned, so it mends whatever went wrong, and it takes nothing for its own by its name alone: a
 * monitor must run our sealed program over this very run directory, a group must lie below the instance's root.
 */

export interface SweepPlaces {
  cgroups: CgroupLayout;
  cgroupRoot: string;
  runDirectory: string;
  /** Empty directories on which nothing may be mounted in our own mount namespace. */
  mountPoints: string[];
}

export interface Orphans {
  /** Pids. */
  monitors: number[];
  /** Ids of sandboxes that have groups, by the parent of the group. */
  cgroups: { id: string; cgroupParent: string }[];
  /** Names in the run directory. */
  sockets: string[];
  /** Where something is mounted. */
  mounts: string[];
}

const SOCKET = /^[0-9a-f]{16}\.sock$/;
const PROGRAM = '/memfd:gantry-monitor (deleted)';
const POD = /^pod([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)$/;
/** A parent of pods lies this deep at most: `kubepods/burstable`. */
const PARENT_DEPTH = 8;

/** What the runtime knows and does for the sweep. */
export interface Sweeper {
  /** Sockets that are accounted for, at this very moment. */
  sockets(): ReadonlySet<string>;
  /** Kills what is in a pod's groups and removes them; false when they are accounted for. */
  removeCgroup(group: Orphans['cgroups'][number]): Promise<boolean>;
  unmount(path: string): Promise<void>;
}

/** Removes what is not accounted for, and says what that was. */
export async function sweep(places: SweepPlaces, sweeper: Sweeper): Promise<Orphans> {
  const { runDirectory } = places;
  const [monitors, cgroups, names, mountinfo] = await Promise.all([
    findMonitors(runDirectory),
    findCgroups(places),
    readdir(runDirectory),
    readMountInfo(),
  ]);
  const removed: Orphans = { monitors: [], cgroups: [], sockets: [], mounts: [] };
  // Without a pause up to the next await: nobody can begin to want one of them meanwhile.
  const accounted = sweeper.sockets();
  for (const { pid, socket } of monitors)
    if (!accounted.has(socket) && unlessGone(() => process.kill(pid, 'SIGKILL'))) removed.monitors.push(pid);
  for (const name of names)
    if (SOCKET.test(name) && !accounted.has(name) && unlessGone(() => unlinkSync(join(runDirectory, name))))
      removed.sockets.push(name);
  for (const group of cgroups) if (await sweeper.removeCgroup(group)) removed.cgroups.push(group);
  const targets = new Set(parseMountInfo(mountinfo).map(({ target }) => target));
  for (const path of places.mountPoints) {
    if (!targets.has(path)) continue;
    await sweeper.unmount(path);
    removed.mounts.push(path);
  }
  return removed;
}

/** False when what is acted on has gone by itself. */
export function unlessGone(act: () => void): boolean {
  try {
    act();
    return true;
  } catch (error) {
    if (isGone(error)) return false;
    throw error;
  }
}

/** Monitors that have a sandbox: spares end with their helper. */
async function findMonitors(runDirectory: string): Promise<{ pid: number; socket: string }[]> {
  const here = await stat(runDirectory);
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && isNamedAsOurs(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      try {
        const [name, directory, socket] = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0');
        if (name !== 'gantry-monitor' || directory !== runDirectory || !SOCKET.test(socket ?? '')) return [];
        if ((await readlink(`/proc/${pid}/exe`)) !== PROGRAM) return [];
        // The same path may be another directory there: a node in a container.
        const there = await stat(`/proc/${pid}/root${runDirectory}`);
        return there.dev === here.dev && there.ino === here.ino
          ? [{ pid: Number(pid), socket: socket! }]
          : [];
      } catch (error) {
        if (isGone(error)) return [];
        throw error;
      }
    }),
  );
  return found.flat();
}

/**
 * What a process calls itself can be read at once; for its command line the kernel waits for the process, so that a thread has to. On a
 * machine with two hundred processes that was most of what a sweep took.
 */
function isNamedAsOurs(pid: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('gantry-');
  } catch (error) {
    if (isGone(error)) return false;
    throw error;
  }
}

async function findCgroups({ cgroups, cgroupRoot }: SweepPlaces): Promise<Orphans['cgroups']> {
  const found = new Map<string, { id: string; cgroupParent: string }>();
  const walk = async (mount: string, parent: string): Promise<void> => {
    const path = join(mount, cgroupRoot, parent);
    const entries = await readdir(path, { withFileTypes: true }).catch((error) => {
      if (isGone(error)) return [];
      throw error;
    });
    for (const entry of entries) {
      if (!entry.isDirectory()) continue;
      const id = POD.exec(entry.name)?.[1];
      if (id !== undefined) found.set(join(parent, entry.name), { id, cgroupParent: parent });
      else if (parent.split('/').length < PARENT_DEPTH) await walk(mount, join(parent, entry.name));
    }
  };
  for (const mount of new Set(cgroups.controllers.values())) await walk(mount, '');
  return [...found.values()];
}

function isGone(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ESRCH';
}
