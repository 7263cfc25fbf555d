import {
  type ContainerSpec,
  type ExecSpec,
  type Mount,
  RuntimeError,
  type SandboxSpec,
} from '../contract.ts';
import type { OciConfig, OciDeviceRule, OciMount, OciProcess, OciSeccomp } from './config.ts';

/** A container's spec as the bundle of an OCI runtime. Pure: programs.ts of runtime/native writes it and runs them. */

export interface BundleInput {
  sandbox: Pick<SandboxSpec, 'namespaces' | 'sharedPid'>;
  spec: ContainerSpec;
  /** Directory of the bundle, absolute. */
  directory: string;
  /** Processes of the pod: its monitor, which is in its namespaces, and the first one of its shared pid namespace. */
  monitorPid: number;
  initPid: number;
  /** From the top of each hierarchy: `/gantry-1234/kubepods/...`. */
  cgroupPath: string;
  /** With cgroup v1: the container's group in the hierarchies it shall see, `[name below /sys/fs/cgroup, path on the node]`. */
  cgroupDirectories: readonly [string, string][];
  /** The pod's /dev/shm, where it hangs in the monitor's mount namespace. */
  sharedMemory: string;
  /** The lowest oom_score_adj that the node lets us set. */
  leastOomScoreAdj: number;
  /** Capabilities that the node itself holds: others it cannot give. */
  heldCapabilities: readonly string[];
  /** Whether the OCI runtime knows `rro`. */
  recursiveReadOnlyMounts: boolean;
}

export interface Bundle {
  config: OciConfig;
  /**
   * Mounted by us before, each where `target` says: sources in which a container may have put links, which an OCI runtime
   * would follow.
   */
  staged: Mount[];
}

/** Where the root is mounted, in the bundle. */
export const ROOT_DIRECTORY = 'rootfs';

const OCI_VERSION = '1.0.2';
const UMASK = 0o022;
const DEV_BYTES = 64 * 1024;
/** The group `tty` of every distribution. */
const TTY_GID = 5;
const UNLIMITED = 2n ** 64n - 1n;

/**
 * Throws RuntimeError InvalidSpec for what cannot be, Unsupported for what an OCI runtime is not asked to do: nothing is left
 * out in silence.
 */
export function bundleOf(input: BundleInput): Bundle {
  const { spec, directory } = input;
  refuseUnsupported(input);
  const staged: Mount[] = [];
  const mounts = spec.mounts.map((mount) => {
    if (!mount.options.includes('nolinks')) return ociMount(mount);
    const target = `${directory}/volumes/${staged.length}`;
    staged.push({ ...mount, target });
    return ociMount({ ...mount, source: target, options: mount.options.filter((one) => one !== 'nolinks') });
  });
  return {
    staged,
    config: {
      ociVersion: OCI_VERSION,
      process: ociProcess(input),
      root: { path: `${directory}/${ROOT_DIRECTORY}`, readonly: spec.readOnlyRoot },
      mounts: [...standardMounts(input), ...mounts],
      linux: {
        namespaces: namespacesOf(input),
        cgroupsPath: input.cgroupPath,
        // What the node mounts later reaches volumes that ask for it (HostToContainer).
        rootfsPropagation: 'rslave',
        maskedPaths: spec.maskedPaths,
        readonlyPaths: spec.readOnlyPaths,
        resources: resourcesOf(spec),
        ...(spec.seccomp && spec.seccompProfile && { seccomp: seccompOf(spec.seccompProfile) }),
      },
    },
  };
}

/** As FIELDS below, of the sandbox. */
const SANDBOX_FIELDS: Record<keyof SandboxSpec, 'taken' | ((spec: SandboxSpec) => string | undefined)> = {
  id: 'taken',
  handler: 'taken',
  hostname: 'taken',
  namespaces: 'taken',
  userNamespace: ({ userNamespace }) => (userNamespace ? 'a user namespace' : undefined),
  sharedPid: 'taken',
  labels: 'taken',
  cgroupParent: 'taken',
  resources: 'taken',
  sysctls: 'taken',
  logDirectory: 'taken',
};

/** Throws RuntimeError Unsupported for a sandbox whose containers an OCI runtime is not asked to make so. */
export function refuseSandbox(spec: SandboxSpec): void {
  for (const field of Object.values(SANDBOX_FIELDS)) {
    const what = typeof field === 'function' ? field(spec) : undefined;
    if (what) throw new RuntimeError('Unsupported', `an OCI runtime is not asked for ${what}`);
  }
}

/** Total over the spec: a new field does not compile until it is in the bundle, or refused with what it is. */
const FIELDS: Record<keyof ContainerSpec, 'taken' | ((input: BundleInput) => string | undefined)> = {
  id: 'taken',
  labels: 'taken',
  root: 'taken',
  readOnlyRoot: 'taken',
  mounts: unsupportedMounts,
  args: 'taken',
  env: 'taken',
  cwd: 'taken',
  uid: 'taken',
  gid: 'taken',
  additionalGids: 'taken',
  capabilities: 'taken',
  noNewPrivileges: 'taken',
  seccomp: ({ spec }) => (spec.seccomp && !spec.seccompProfile ? 'a filter without its profile' : undefined),
  seccompProfile: 'taken',
  appArmorProfile: 'taken',
  maskedPaths: 'taken',
  readOnlyPaths: 'taken',
  rlimits: 'taken',
  oomScoreAdj: 'taken',
  resources: 'taken',
  devices: 'taken',
  tty: 'taken',
  init: ({ spec }) => (spec.init ? 'an init' : undefined),
  stdin: 'taken',
  logPath: 'taken',
};

function unsupportedMounts({ spec, recursiveReadOnlyMounts }: BundleInput): string | undefined {
  const options = new Set(spec.mounts.flatMap((mount) => mount.options));
  if (options.has('shared') || options.has('rshared')) return 'bidirectional mount propagation';
  return options.has('rro') && !recursiveReadOnlyMounts ? 'recursive read-only mounts' : undefined;
}

function refuseUnsupported(input: BundleInput): void {
  for (const field of Object.values(FIELDS)) {
    const what = typeof field === 'function' ? field(input) : undefined;
    if (what) throw new RuntimeError('Unsupported', `an OCI runtime is not asked for ${what}`);
  }
}

function ociProcess({ spec, leastOomScoreAdj, heldCapabilities }: BundleInput): OciProcess {
  const held = spec.capabilities.filter((name) => heldCapabilities.includes(name));
  const limit = (value: number) => (value < 0 ? UNLIMITED : value);
  return {
    terminal: spec.tty,
    user: { uid: spec.uid, gid: spec.gid, additionalGids: spec.additionalGids, umask: UMASK },
    args: spec.args,
    env: keepLast(spec.env),
    cwd: spec.cwd,
    capabilities: { bounding: held, effective: held, permitted: held, inheritable: [], ambient: [] },
    rlimits: spec.rlimits.map(({ type, soft, hard }) => ({ type, soft: limit(soft), hard: limit(hard) })),
    noNewPrivileges: spec.noNewPrivileges,
    ...(spec.appArmorProfile !== undefined && { apparmorProfile: spec.appArmorProfile }),
    oomScoreAdj: Math.max(spec.oomScoreAdj, leastOomScoreAdj),
  };
}

/** Of several values of one variable the last counts. */
function keepLast(env: readonly string[]): string[] {
  return [...new Map(env.map((entry) => [entry.slice(0, entry.indexOf('=')), entry])).values()];
}

/** A process added to a container whose own is `first`. */
export function execProcess(first: OciProcess, spec: ExecSpec): OciProcess {
  // stdin is the monitor's.
  const { args, env = [], cwd = first.cwd, tty, stdin: _, size, ...others } = spec;
  const { user = first.user, capabilities, noNewPrivileges = first.noNewPrivileges, ...rest } = others;
  if (capabilities)
    throw new RuntimeError('Unsupported', 'an OCI runtime is not asked for other capabilities in an exec');
  // A new field does not compile until it is in the process or refused.
  rest satisfies Record<string, never>;
  return {
    ...first,
    terminal: tty,
    ...(size && { consoleSize: { height: size.rows, width: size.columns } }),
    args,
    env: keepLast([...first.env, ...env]),
    cwd,
    user: { ...user, umask: first.user.umask },
    noNewPrivileges,
  };
}

/** Those of the pod by their path, the container's own without one; the node's are not named. */
function namespacesOf({ sandbox, monitorPid, initPid }: BundleInput): OciConfig['linux']['namespaces'] {
  const { network, ipc, pid } = sandbox.namespaces;
  const ofPod = (type: string, name: string) => ({ type, path: `/proc/${monitorPid}/ns/${name}` });
  return [
    { type: 'mount' },
    { type: 'cgroup' },
    ...(network === 'pod' ? [ofPod('network', 'net'), ofPod('uts', 'uts')] : []),
    ...(ipc === 'pod' ? [ofPod('ipc', 'ipc')] : []),
    ...(pid === 'node'
      ? []
      : sandbox.sharedPid
        ? [{ type: 'pid', path: `/proc/${initPid}/ns/pid` }]
        : [{ type: 'pid' }]),
  ];
}

/** As runtime/native/mounts.ts has them; devices and links in /dev are the OCI runtime's to make. */
function standardMounts({ sandbox, sharedMemory, cgroupDirectories }: BundleInput): OciMount[] {
  const safe = ['nosuid', 'noexec', 'nodev'];
  const mount = (destination: string, type: string, options: string[], source = type) => ({
    ...{ destination, type, source, options },
  });
  const memory = sandbox.namespaces.ipc === 'pod' ? sharedMemory : '/dev/shm';
  return [
    mount('/proc', 'proc', safe),
    mount('/dev', 'tmpfs', ['nosuid', 'mode=755', `size=${DEV_BYTES}`]),
    mount('/dev/pts', 'devpts', [
      'nosuid',
      'noexec',
      'newinstance',
      'ptmxmode=0666',
      'mode=0620',
      `gid=${TTY_GID}`,
    ]),
    mount('/dev/shm', 'bind', ['bind', ...safe], memory),
    mount('/dev/mqueue', 'mqueue', safe),
    mount('/sys', 'sysfs', [...safe, 'ro']),
    ...cgroupMounts(cgroupDirectories),
  ];
}

/** Not the OCI runtimes' own mounts of v1: crun's fail when the kernel has a hierarchy that is not mounted on the node. */
function cgroupMounts(directories: BundleInput['cgroupDirectories']): OciMount[] {
  const options = ['nosuid', 'noexec', 'nodev', 'ro'];
  const destination = '/sys/fs/cgroup';
  if (directories.length === 0) return [{ destination, type: 'cgroup', source: 'cgroup', options }];
  const tmpfs = ['nosuid', 'noexec', 'nodev', 'mode=755', `size=${DEV_BYTES}`];
  return [
    { destination, type: 'tmpfs', source: 'tmpfs', options: tmpfs },
    ...directories.map(([name, source]) => ({
      ...{ destination: `${destination}/${name}`, type: 'bind', source, options: ['bind', ...options] },
    })),
  ];
}

function ociMount({ type, source, target, options }: Mount): OciMount {
  const has = (pattern: RegExp) => options.some((option) => pattern.test(option));
  const all = [...options];
  if (type === 'bind' && !has(/^r?bind$/)) all.unshift('bind');
  // Else it would be as the root is, which is a slave.
  if (type === 'bind' && !has(/^r?(private|slave|shared)$/)) all.push('rprivate');
  // Device nodes work only where the runtime makes them.
  if (type !== 'devpts') all.push('nodev');
  return { destination: target, type, source, options: all };
}

/** The common limits; all of them have been written to the container's group before, and stay. */
function resourcesOf({ resources, devices }: ContainerSpec): OciConfig['linux']['resources'] {
  const { memoryBytes, cpuShares, cpuQuotaUs, cpuPeriodUs, cpusetCpus, cpusetMems, pids } = resources;
  const cpu = {
    ...(cpuShares !== undefined && { shares: cpuShares }),
    ...(cpuQuotaUs !== undefined && { quota: Math.trunc(cpuQuotaUs) }),
    ...(cpuPeriodUs !== undefined && { period: cpuPeriodUs }),
    ...(cpusetCpus !== undefined && { cpus: cpusetCpus }),
    ...(cpusetMems !== undefined && { mems: cpusetMems }),
  };
  return {
    devices: deviceRules(devices),
    ...(memoryBytes !== undefined && { memory: { limit: Math.trunc(memoryBytes) } }),
    ...(Object.keys(cpu).length > 0 && { cpu }),
    ...(pids !== undefined && { pids: { limit: pids } }),
  };
}

/** To these every OCI runtime adds the standard devices. Nodes may be made, but then open nothing. */
function deviceRules(devices: ContainerSpec['devices'] = []): OciDeviceRule[] {
  if (devices === 'all') return [{ allow: true, access: 'rwm' }];
  const types = { char: 'c', block: 'b' } as const;
  const rules = devices.map(({ type, ...rule }) => ({ allow: true, type: types[type], ...rule }));
  const nodes = (['c', 'b'] as const).map((type) => ({ allow: true, type, access: 'm' }));
  return [{ allow: false, access: 'rwm' }, ...nodes, ...rules];
}

function seccompOf(profile: NonNullable<ContainerSpec['seccompProfile']>): OciSeccomp {
  return { ...profile, architectures: [...new Set(['SCMP_ARCH_X86_64', ...(profile.architectures ?? [])])] };
}
