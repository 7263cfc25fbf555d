import { type Mount, RuntimeError } from '../contract.ts';
import { type CgroupLayout, NEEDED } from './cgroup-layout.ts';
import { Payload, TAG } from './protocol.ts';

/** Mount attributes of mount_setattr(2). */
const ATTR = { ro: 1n, nosuid: 2n, nodev: 4n, noexec: 8n, noatime: 0x10n, nodiratime: 0x80n } as const;
/** Beside the kernel's: runtime/helper/detached.h. */
const RECURSIVE = 1n << 40n;
const NO_SYMLINKS = 1n << 41n;
const REAL_SOURCE = 1n << 42n;
const READ_ONLY_BELOW = 1n << 43n;
/** MOUNT_ATTR_IDMAP of mount_setattr(2), by the pod's user namespace. */
const IDMAP = 0x100000n;
const IN_PROC = 1n << 44n;
const ONE_STRING = 1n << 45n;

/**
 * What may be mounted over in /proc: files that tell of the machine, which some tell in the container's terms (lxcfs). Anything
 * else there is refused: the kernel's own word about the process must not be the image's. Source: runc's list.
 */
const COVERABLE: ReadonlySet<string> = new Set(
  'cpuinfo diskstats loadavg meminfo slabinfo stat swaps uptime net/dev sys/kernel/ns_last_pid'
    .split(' ')
    .map((name) => `/proc/${name}`),
);

const MS_PRIVATE = 1 << 18;
const MS_SLAVE = 1 << 19;
const MS_SHARED = 1 << 20;

/** Options that are no attribute and mean the default. */
const NEUTRAL = new Set(['rw', 'suid', 'dev', 'exec', 'relatime', 'bind', 'async', 'defaults']);

const PROPAGATION: Record<string, number> = {
  private: MS_PRIVATE,
  rprivate: MS_PRIVATE,
  slave: MS_SLAVE,
  rslave: MS_SLAVE,
  shared: MS_SHARED,
  rshared: MS_SHARED,
};

/** Standard device nodes. Source: OCI runtime-spec, "Default Devices". */
const DEVICES: readonly [string, number, number][] = [
  ['null', 1, 3],
  ['zero', 1, 5],
  ['full', 1, 7],
  ['random', 1, 8],
  ['urandom', 1, 9],
  ['tty', 5, 0],
];

const SYMLINKS: readonly [string, string][] = [
  ['dev/fd', '/proc/self/fd'],
  ['dev/stdin', '/proc/self/fd/0'],
  ['dev/stdout', '/proc/self/fd/1'],
  ['dev/stderr', '/proc/self/fd/2'],
  ['dev/ptmx', 'pts/ptmx'],
];

const DEV_BYTES = 64 * 1024;
/** As container engines have it. */
const SHM_BYTES = 64 * 1024 * 1024;
/** The group `tty` of every distribution. */
const TTY_GID = 5;

/** Adds one mount as runtime/helper/mounts.c takes it; throws RuntimeError InvalidSpec for contradictory options. */
export function encodeMount(mount: Omit<Mount, 'type'> & { type: string }, own = 0n): Payload {
  const payload = new Payload().text(TAG.TYPE, mount.type).text(TAG.TARGET, mount.target);
  let flags = own;
  let propagation = MS_PRIVATE;
  for (const option of mount.options) {
    const attribute = ATTR[option as keyof typeof ATTR];
    if (attribute !== undefined) flags |= attribute;
    else if (option === 'rbind') flags |= RECURSIVE;
    else if (option === 'idmap') flags |= IDMAP;
    else if (option === 'rro') flags |= ATTR.ro | READ_ONLY_BELOW;
    else if (option === 'nolinks' && mount.type === 'bind') flags |= REAL_SOURCE;
    else if (PROPAGATION[option] !== undefined) propagation = PROPAGATION[option];
    else if (NEUTRAL.has(option)) continue;
    else if (mount.type === 'bind')
      throw new RuntimeError('InvalidSpec', `a bind mount has no option ${option}`);
    else payload.text(TAG.OPTION, option);
  }
  if (COVERABLE.has(mount.target)) flags |= IN_PROC;
  // Device nodes work only where the runtime makes them: see make_device in runtime/helper/mounts.c.
  if (mount.type !== 'devpts') flags |= ATTR.nodev;
  return payload.text(TAG.SOURCE, mount.source).number(TAG.FLAGS, flags).number(TAG.PROPAGATION, propagation);
}

/** What becomes a container's root. `layersOneByOne`: the node's overlayfs takes each layer by fsconfig(2). */
export function encodeRoot(root: Mount, layersOneByOne: boolean): Payload {
  return encodeMount(root, root.type === 'overlay' && !layersOneByOne ? ONE_STRING : 0n);
}

/** The tmpfs that is /dev/shm of a pod; `hostId`: its root's on the node. */
export function sharedMemoryOptions(hostId: number): string {
  return `mode=1777,size=${SHM_BYTES},uid=${hostId},gid=${hostId}`;
}

/**
 * Puts /proc, /dev and /sys as every container has them. `memory`: what becomes /dev/shm, one for all containers of the
 * pod (share_memory in runtime/helper/sandbox.c), or the node's. `proc`: the /proc of a pid namespace that containers join.
 * `hostId`: the pod's root on the node.
 */
export function encodeStandardMounts(
  payload: Payload,
  layout: CgroupLayout,
  shared: { memory: string; proc: string | undefined },
  hostId = 0,
): void {
  const add = (type: string, target: string, options: string[], source = type) => {
    payload.nest(TAG.MOUNT, encodeMount({ type, source, target, options }, NO_SYMLINKS));
  };
  const safe = ['nosuid', 'noexec'];
  const sys = [...safe, 'ro'];
  if (shared.proc) add('bind', '/proc', safe, shared.proc);
  else add('proc', '/proc', safe);
  add('tmpfs', '/dev', ['nosuid', 'mode=755', `size=${DEV_BYTES}`]);
  for (const [name, major, minor] of DEVICES) {
    const number = (BigInt(major) << 32n) | BigInt(minor);
    payload.nest(
      TAG.DEVICE,
      new Payload().text(TAG.TARGET, `dev/${name}`).number(TAG.MODE, 0o666).number(TAG.VALUE, number),
    );
  }
  for (const [target, source] of SYMLINKS) {
    payload.nest(TAG.SYMLINK, new Payload().text(TAG.TARGET, target).text(TAG.SOURCE, source));
  }
  const tty = ['newinstance', 'ptmxmode=0666', 'mode=0620', `gid=${hostId + TTY_GID}`];
  add('devpts', '/dev/pts', [...safe, ...tty]);
  add('bind', '/dev/shm', safe, shared.memory);
  add('mqueue', '/dev/mqueue', safe);
  add('sysfs', '/sys', sys);
  encodeCgroupMounts(add, layout, sys);
}

function encodeCgroupMounts(
  add: (type: string, target: string, options: string[], source?: string) => void,
  layout: CgroupLayout,
  options: string[],
): void {
  if (layout.mode === 'v2') {
    add('cgroup2', '/sys/fs/cgroup', options);
    return;
  }
  add('tmpfs', '/sys/fs/cgroup', ['nosuid', 'noexec', 'mode=755', `size=${DEV_BYTES}`]);
  for (const names of Map.groupBy(NEEDED, (name) => layout.controllers.get(name)).values()) {
    add('cgroup', `/sys/fs/cgroup/${names.join(',')}`, [...options, ...names]);
  }
}
