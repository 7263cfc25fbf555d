import { existsSync, readFileSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { type MountInfo, parseMountInfo } from '#runtime/native/mountinfo.ts';
import { mustRun, run } from './run.ts';

/** Where a command of the host waits with its namespaces, under cgroup v2, where no group may have both processes and groups. */
const LEAF = 'commands';
const FLAGS = /^(rw|ro|xattr|clone_children|release_agent=.*)$/;
/** Where a host finds its own disk, besides the directory. */
export const DISK = '/srv';
const FILLER = '.filled';
const PAGE_BYTES = 4096;
const MAX_TRIES = 100;

export interface SpaceOptions {
  /** Names its control groups; nobody else's. */
  name: string;
  /** The host's disk: where the machine and the host see it. */
  directory: string;
  diskBytes: number;
}

/** A mounted hierarchy of control groups, as the machine has it. */
export interface Hierarchy {
  target: string;
  type: 'cgroup' | 'cgroup2';
  options: string;
  /** It is the only one: version 2, where a group has either processes or groups. */
  isWhole: boolean;
}

/** What of the mount table is control groups; later mounts of the same place hide earlier ones. */
export function hierarchiesOf(table: readonly MountInfo[]): Hierarchy[] {
  const found = new Map<string, Hierarchy>();
  const ours = table.filter(({ type }) => type === 'cgroup' || type === 'cgroup2');
  for (const { target, type, options } of ours) {
    const isWhole = type === 'cgroup2' && ours.every((one) => one.type === 'cgroup2');
    // Of version 1 only what says which hierarchy it is: the flags are the machine's.
    const which = type === 'cgroup' ? options.filter((one) => !FLAGS.test(one)) : [];
    found.set(target, { target, type: type as 'cgroup' | 'cgroup2', options: which.join(), isWhole });
  }
  return [...found.values()];
}

/**
 * What a host has for itself beside its network: a mount namespace with a /run and a /dev/shm of its own, a disk of limited
 * size, and a cgroup namespace, whose root is a group that only the host's processes are in. Whoever enters sees nothing of
 * the machine's groups, and what is mounted there is seen by nobody else.
 */
export class HostSpace {
  readonly options: SpaceOptions;
  readonly #hierarchies = hierarchiesOf(parseMountInfo(readFileSync('/proc/self/mountinfo', 'utf8')));
  readonly #namespaces: string;

  constructor(options: SpaceOptions) {
    this.options = options;
    this.#namespaces = `${options.directory}.namespaces`;
  }

  /** Makes the disk and the namespaces. */
  async create(): Promise<void> {
    const { directory, diskBytes } = this.options;
    const script = `
      mkdir -p ${directory} ${this.#namespaces}
      mount -t tmpfs -o size=${diskBytes},mode=700 gantry-lab ${directory}
      mount --bind ${this.#namespaces} ${this.#namespaces}
      mount --make-private ${this.#namespaces}
      touch ${this.#namespaces}/mount ${this.#namespaces}/cgroup`;
    await mustRun('sh', ['-ec', script]);
    await this.#open();
  }

  /** After all its processes are gone: everything but the disk is as in a host that starts. */
  async restart(): Promise<void> {
    await this.#close();
    await this.#open();
  }

  /** Removes all of it, made in part or not at all; all its processes are gone. */
  async remove(): Promise<void> {
    const { directory } = this.options;
    await this.#close();
    for (const target of [this.#namespaces, directory])
      if (isMounted(target)) await mustRun('umount', ['--lazy', target]);
    for (const target of [this.#namespaces, directory]) rmSync(target, { recursive: true, force: true });
  }

  /** A command line that runs a command line inside, in the directory of the host's state. */
  inside(command: string, args: readonly string[]): [string, string[]] {
    const { directory } = this.options;
    const move = this.#groups().map(({ entry }) => `echo 0 >${entry}/cgroup.procs`);
    const enter = `exec nsenter --mount=${this.#namespaces}/mount --cgroup=${this.#namespaces}/cgroup -- "$@"`;
    const start = ['sh', '-c', 'cd "$0" && exec "$@"', directory];
    return ['sh', ['-ec', [...move, enter].join('\n'), 'sh', ...start, command, ...args]];
  }

  /** Takes all that is free on the disk, so that whoever writes there is refused. */
  async fill(): Promise<void> {
    const path = join(this.options.directory, FILLER);
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const { bavail, bsize } = statfsSync(this.options.directory);
      if (bavail * bsize < PAGE_BYTES) return;
      // Others write meanwhile: then there was less, and it is tried again.
      const grow = `touch ${path}; fallocate -o "$(stat -c %s ${path})" -l ${bavail * bsize} ${path}`;
      const { code, stderr } = await run('sh', ['-c', grow]);
      if (code !== 0 && !stderr.includes('No space left')) throw new Error(`${path}: ${stderr}`);
    }
    throw new Error(`${this.options.directory} does not fill: somebody frees as fast`);
  }

  /** Ends what `fill` has begun; harmless when there is nothing. */
  free(): void {
    rmSync(join(this.options.directory, FILLER), { force: true });
  }

  /** The host's group in each hierarchy, and where in it its commands start. */
  #groups(): (Hierarchy & { group: string; entry: string })[] {
    return this.#hierarchies.map((hierarchy) => {
      const group = join(hierarchy.target, this.options.name);
      return { ...hierarchy, group, entry: hierarchy.isWhole ? join(group, LEAF) : group };
    });
  }

  async #open(): Promise<void> {
    const { directory } = this.options;
    const groups = this.#groups();
    const make = groups.flatMap(({ target, group, entry, isWhole }) => [
      // What a group may use, it has to be given before somebody comes: v1's cpusets begin empty, v2's controllers are off.
      ...(isWhole
        ? [`sed 's/[^ ]*/+&/g' ${target}/cgroup.controllers >${target}/cgroup.subtree_control`]
        : []),
      `mkdir -p ${entry}`,
      `for file in cpuset.cpus cpuset.mems; do [ ! -e ${target}/$file ] || cat ${target}/$file >${group}/$file; done`,
      `echo 0 >${group}/cgroup.procs`,
    ]);
    // What others have mounted is not this host's, and must not be held by it: disks, namespaces, what tests are at.
    const foreign = `$2 ~ "^(/run/|/tmp/|/var/lib/gantry)" && $2 != "${directory}" { print $2 }`;
    // Who removes a mount point meanwhile takes the mount away here too.
    const unmount = 'umount --lazy $target || if mountpoint -q $target; then exit 1; fi';
    const own = [
      `for target in $(awk '${foreign}' /proc/self/mounts | tac); do ${unmount}; done`,
      ...groups.map(({ target }) => `umount ${target}`),
      ...groups.map(
        ({ target, type, options }) => `mount -t ${type} ${options && `-o ${options}`} cgroup ${target}`,
      ),
      // At the same place on every host, for what is the same on all: volumes of pods.
      `mount --bind ${directory} ${DISK}`,
      'mount -t tmpfs -o mode=755 tmpfs /run',
      'mount -t tmpfs -o mode=1777 tmpfs /dev/shm',
    ];
    const unshare = `unshare --mount=${this.#namespaces}/mount --cgroup=${this.#namespaces}/cgroup --propagation private`;
    const script = [...make, `${unshare} -- sh -ec "$0"`].join('\n');
    await mustRun('sh', ['-ec', script, own.join('\n')]);
  }

  async #close(): Promise<void> {
    const names = ['mount', 'cgroup'].map((name) => join(this.#namespaces, name));
    for (const path of names) if (isMounted(path)) await mustRun('umount', [path]);
    // Deepest first; a group of which the last process has just gone may be busy for a moment.
    for (const { group } of this.#groups())
      if (existsSync(group))
        await mustRun('find', [group, '-depth', '-type', 'd', '-exec', 'rmdir', '{}', ';']);
  }
}

function isMounted(path: string): boolean {
  return parseMountInfo(readFileSync('/proc/self/mountinfo', 'utf8')).some(({ target }) => target === path);
}
