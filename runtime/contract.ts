import type { Duplex, Readable, Writable } from 'node:stream';
import type { SeccompProfile } from './seccomp-profile.ts';

/**
 * Run one sandbox (what a pod's containers share) and its containers. Specs are data, fully decided by the caller:
 * the runtime obeys and never looks anything up. Implementations: native/ (kernel), fake/ (memory); both pass
 * conformance.ts.
 *
 * Every call is safe to repeat after a crash of the caller. State survives the death of agent and helper in the state
 * directory (native/README.md); `list` and `watch` say what was lost.
 */

/** A pod UID, or any name of [a-z0-9-], at most 63 characters. */
export type SandboxId = string;

export type NamespaceMode = 'pod' | 'node';

export interface SandboxSpec {
  id: SandboxId;
  /** Who runs its containers, as RuntimeClass.handler names it; left out or empty = this runtime itself. */
  handler?: string;
  hostname: string;
  /** Namespaces shared with the node instead of the pod's own (hostNetwork, hostPID, hostIPC). */
  namespaces: { network: NamespaceMode; pid: NamespaceMode; ipc: NamespaceMode };
  /**
   * A user namespace of the pod's own (hostUsers: false): its ids 0 to `size` - 1 are `hostId` and following on the node,
   * where nobody else may have them; InvalidSpec when another sandbox does. Layers and bind mounts are shown with owners
   * moved alike: what is root's on the disk is the pod's root's. Only with all namespaces the pod's own.
   */
  userNamespace?: IdRange;
  /** All containers of the pod see each other's processes (shareProcessNamespace). */
  sharedPid: boolean;
  /** Kept as is and returned by `list`: pod name, namespace, ... */
  labels: Record<string, string>;
  /** Parent of the pod's cgroup, relative to the instance's root: `kubepods/burstable`. */
  cgroupParent: string;
  /** Limits of the whole pod. */
  resources: Resources;
  sysctls: Record<string, string>;
  /** Directory for container logs; one file per container start. */
  logDirectory: string;
}

/** User and group ids of the node. */
export interface IdRange {
  hostId: number;
  size: number;
}

/**
 * Enforced by cgroups of either version. Left out = no limit; in an update = as it is, and -1 lifts a limit. What this
 * node's kernel cannot do is refused as Unsupported, with the reason.
 */
export interface Resources {
  /** Hard limit: beyond it the kernel reclaims, then kills. */
  memoryBytes?: number;
  /** Never reclaimed; reclaimed last (v1: its soft limit); reclaimed first and slowed down. Min and high: cgroup v2 only. */
  memoryMinBytes?: number;
  memoryLowBytes?: number;
  memoryHighBytes?: number;
  /** Swap beside the memory; 0 = none. With cgroup v1 only together with memoryBytes. */
  swapBytes?: number;
  /** A container that runs out of memory is killed whole, not only its largest process. cgroup v2 only. */
  oomGroup?: boolean;
  /** Relative CPU weight in cgroup v1 units (2-262144); 1024 = one core's share. */
  cpuShares?: number;
  cpuQuotaUs?: number;
  cpuPeriodUs?: number;
  /** Quota left over from earlier periods that may be used at once; at most cpuQuotaUs. */
  cpuBurstUs?: number;
  /** CPUs and memory nodes as cpuset(7) lists them: `0-2,7`. */
  cpusetCpus?: string;
  cpusetMems?: string;
  pids?: number;
  /** Relative weight of block I/O in cgroup v1 units, 10-1000. */
  ioWeight?: number;
  ioLimits?: IoLimit[];
  /** Huge pages by their size. */
  hugepages?: { pageBytes: number; bytes: number }[];
}

/** Per second, of one block device; left out or -1 = no limit. */
export interface IoLimit {
  major: number;
  minor: number;
  readBytes?: number;
  writeBytes?: number;
  readOperations?: number;
  writeOperations?: number;
}

/** Devices a container may use. Source: OCI runtime-spec, "Allowed Device list". */
export interface DeviceRule {
  type: 'char' | 'block';
  /** Left out = all. */
  major?: number;
  minor?: number;
  /** Some of r, w and m (mknod). */
  access: string;
}

export interface Mount {
  /** overlay: `options` hold lowerdir, upperdir, workdir. bind: `source` is a path on the node. */
  type: 'overlay' | 'bind' | 'tmpfs' | 'proc' | 'sysfs' | 'devpts' | 'mqueue' | 'cgroup';
  source: string;
  /** Absolute path in the container; resolved inside its root and never through a link out of it. */
  target: string;
  /**
   * As mount(8) has them. Of a bind: `nolinks`, a symbolic link anywhere in `source` fails the start (no container can put
   * one there); `rro`, read-only with all that is mounted below (`ro` alone: only the top); `rslave`, what the node mounts
   * below later is seen; `rshared`, and what the container mounts there is seen by the node. Both need a mount of the node
   * that is shared: Unsupported where it is not.
   */
  options: string[];
}

export interface ContainerSpec {
  /** Unique in the sandbox: `<container name>.<attempt>`. */
  id: string;
  labels: Record<string, string>;
  /** What becomes `/`: mounts from the snapshot room. */
  root: Mount;
  readOnlyRoot: boolean;
  /** In order, after the root, /proc, /dev and /sys. */
  mounts: Mount[];
  /** argv[0] is looked up in the container's PATH, inside its root. */
  args: string[];
  env: string[];
  cwd: string;
  uid: number;
  gid: number;
  additionalGids: number[];
  /**
   * Names as CAP_CHOWN; bounding, permitted and effective sets. Inheritable and ambient stay empty, as in Docker and
   * Kubernetes: a program of another user than root gains them only through file capabilities or set-user-id.
   */
  capabilities: string[];
  noNewPrivileges: boolean;
  /** Compiled seccomp filter (struct sock_filter[], little endian); undefined = unconfined. */
  seccomp?: Uint8Array;
  /** The same before it was compiled: OCI runtimes compile it themselves, and refuse a container that has only the filter. */
  seccompProfile?: SeccompProfile;
  /** A profile that is loaded on the node (Unsupported when it is not); undefined = unconfined. Execs are under it too. */
  appArmorProfile?: string;
  maskedPaths: string[];
  readOnlyPaths: string[];
  /** RLIMIT_*; -1 = unlimited. What is not named is the node's. */
  rlimits: { type: string; soft: number; hard: number }[];
  oomScoreAdj: number;
  resources: Resources;
  /** Devices besides the standard ones (default: none), or all of the node's (a privileged container). */
  devices?: DeviceRule[] | 'all';
  /** A terminal instead of pipes. */
  tty: boolean;
  /**
   * Process 1 is the runtime's own init (named gantry-init), which starts the program, hands signals on to it, reaps what is
   * orphaned and ends as it ends. Left out: the program itself is process 1.
   */
  init?: boolean;
  /** Keep stdin open for attach; `once` closes it when the first client leaves. */
  stdin: 'none' | 'open' | 'once';
  /** Log file, absolute: CRI lines `<RFC3339Nano> stdout|stderr F|P <text>`. */
  logPath: string;
}

export type ExitReason = 'Completed' | 'Error' | 'OOMKilled' | 'ContainerCannotRun' | 'Lost';

export interface ExitStatus {
  /** 0-255; 128 + n when killed by signal n. */
  code: number;
  signal?: number;
  reason: ExitReason;
  /** For people: why it could not run, what was lost. */
  message?: string;
  finishedAtMs: number;
}

export interface ContainerState {
  id: string;
  labels: Record<string, string>;
  state: 'running' | 'exited';
  /** Pid on the node; 0 when it never ran. */
  pid: number;
  startedAtMs: number;
  exit?: ExitStatus;
  /** It runs, but is frozen: `resume` lets it go on. */
  paused?: true;
}

export interface SandboxState {
  id: SandboxId;
  labels: Record<string, string>;
  /** `lost`: its monitor is gone, and with it the containers; remove it. */
  state: 'ready' | 'lost';
  /** Path of its network namespace for the network room, `/proc/<pid>/ns/net`; empty on the node's network. */
  networkNamespace: string;
  createdAtMs: number;
  /** As in its spec. */
  userNamespace?: IdRange;
  containers: ContainerState[];
}

export type RuntimeEvent =
  | { type: 'exited'; sandbox: SandboxId; container: string; exit: ExitStatus }
  | { type: 'lost'; sandbox: SandboxId; message: string }
  | {
      /** The kernel killed a process for want of memory. Told where its log can be read. */
      type: 'oom';
      /** Of which container it was; left out = none of ours. */
      sandbox?: SandboxId;
      container?: string;
      process: string;
      /** On the node. */
      pid: number;
      /** The whole node had none left, not a limit was reached. */
      wholeNode: boolean;
    };

export interface ExecSpec {
  args: string[];
  env?: string[];
  cwd?: string;
  tty: boolean;
  stdin: boolean;
  /** First size of the terminal. */
  size?: TerminalSize;
  /** Somebody else than the container's user; all three come together, the groups being no others than these. */
  user?: { uid: number; gid: number; additionalGids: number[] };
  /** Instead of the container's: bounding, permitted and effective set. */
  capabilities?: string[];
  /** Instead of the container's. */
  noNewPrivileges?: boolean;
}

export interface TerminalSize {
  columns: number;
  rows: number;
}

/** A process's streams. With a tty all output is on stdout. `stdout` and `stderr` end when the process has gone. */
export interface ProcessStreams {
  stdin: Writable | undefined;
  stdout: Readable;
  stderr: Readable;
  resize(size: TerminalSize): void;
  /** Sends the process itself a signal; harmless when it has ended. */
  signal(signal: number): void;
  /** Resolves when the process ended (exec) or the container exited (attach). */
  exit: Promise<ExitStatus>;
  /** Lets go of the streams; an exec'd process is killed, an attached container is left alone. */
  close(): void;
}

export interface ContainerStats {
  cpuNs: number;
  memoryBytes: number;
  /** Without reclaimable page cache, as kubectl top counts. */
  memoryWorkingSetBytes: number;
  pids: number;
  /** Processes the kernel killed for want of memory, the first one or any other. */
  oomKills: number;
  /** Where the kernel tells (cgroup2 is mounted, PSI is on). */
  pressure?: Pressure;
}

/** How long work waited for a resource. Source: kernel documentation, "PSI - Pressure Stall Information". */
export interface Pressure {
  cpu: { some: PressureLine; full: PressureLine };
  memory: { some: PressureLine; full: PressureLine };
  io: { some: PressureLine; full: PressureLine };
}

/** `some` = at least one task waited, `full` = all that were not idle; shares in percent of the last 10, 60, 300 s. */
export interface PressureLine {
  avg10: number;
  avg60: number;
  avg300: number;
  totalUs: number;
}

/** A way to run pods. Source: Kubernetes API, Node status.runtimeHandlers. */
export interface RuntimeHandler {
  /** As RuntimeClass.handler names it; empty = this runtime itself. */
  name: string;
  features: { recursiveReadOnlyMounts: boolean; userNamespaces: boolean };
}

/** What the node's kernel can do; reported on the Node. */
export interface RuntimeInfo {
  version: string;
  cgroup: 'v1' | 'v2' | 'hybrid';
  features: Record<string, boolean>;
  handlers: RuntimeHandler[];
}

export interface Runtime {
  info(): Promise<RuntimeInfo>;
  /**
   * Makes namespaces, cgroup and monitor. The network is the caller's to attach. Existing one: its state. Unsupported when
   * the node does not have the handler.
   */
  createSandbox(spec: SandboxSpec): Promise<SandboxState>;
  /** Kills what runs and removes every trace. Harmless when it is gone. */
  removeSandbox(id: SandboxId): Promise<void>;
  /** Creates and starts. Resolves when the program was executed; rejects with RuntimeError when it could not. */
  startContainer(sandbox: SandboxId, spec: ContainerSpec): Promise<ContainerState>;
  /** SIGTERM (or `signal`), then SIGKILL of its whole cgroup after `graceMs`. Resolves when it has exited. */
  stopContainer(sandbox: SandboxId, container: string, graceMs: number, signal?: number): Promise<ExitStatus>;
  /** Forgets an exited container (kills a running one). */
  removeContainer(sandbox: SandboxId, container: string): Promise<void>;
  /**
   * Goes on in a new file at the container's logPath, after the caller has moved the old one away: no output is lost or
   * written twice. NotFound when it does not run.
   */
  reopenLog(sandbox: SandboxId, container: string): Promise<void>;
  /**
   * Changes limits of a running container, or of the whole pod, while it runs: all that are given, or none. Busy when more
   * memory is in use than is to be allowed. A parent's limits are raised before, and lowered after, its children's.
   */
  updateResources(sandbox: SandboxId, container: string | undefined, resources: Resources): Promise<void>;
  /** The same for a parent of sandboxes (`kubepods/burstable`), which is made when it is missing. */
  updateParent(cgroupParent: string, resources: Resources): Promise<void>;
  /** Freezes all processes of a running container. Until `resume` no exec begins (Busy); a stop or removal lets it run on first. */
  pause(sandbox: SandboxId, container: string): Promise<void>;
  /** Harmless when it is not paused. */
  resume(sandbox: SandboxId, container: string): Promise<void>;
  exec(sandbox: SandboxId, container: string, spec: ExecSpec): Promise<ProcessStreams>;
  attach(sandbox: SandboxId, container: string): Promise<ProcessStreams>;
  /** A TCP connection to a port on the sandbox's loopback. */
  dial(sandbox: SandboxId, port: number): Promise<Duplex>;
  /** Of one container, or of the whole pod. */
  stats(sandbox: SandboxId, container?: string): Promise<ContainerStats>;
  list(): Promise<SandboxState[]>;
  /** Exits and losses from now on; together with a `list` made after it began, nothing is missed. */
  watch(signal: AbortSignal): AsyncIterable<RuntimeEvent>;
  /** Lets go of helper and monitors; containers run on. */
  close(): Promise<void>;
}

export type RuntimeErrorCode =
  | 'NotFound'
  | 'InvalidSpec'
  /** The program does not exist or cannot be executed: exit code 127 or 126, reason ContainerCannotRun. */
  | 'CannotRun'
  /** The kernel refused a step, or the OCI runtime that was to do it; `step` names it. */
  | 'Kernel'
  /** The node's kernel cannot do it; the message says what it lacks. */
  | 'Unsupported'
  /** Not now: more is in use than a new limit allows, or the container is paused. Harmless to try again. */
  | 'Busy'
  | 'Unavailable';

/** A refused or failed call; everything it had made is undone. */
export class RuntimeError extends Error {
  override readonly name = 'RuntimeError';
  readonly code: RuntimeErrorCode;
  readonly step: string | undefined;
  /** CannotRun: 127 = not found, 126 = found but not executable. */
  readonly exitCode: 126 | 127 | undefined;
  constructor(code: RuntimeErrorCode, message: string, step?: string, exitCode?: 126 | 127) {
    super(message);
    this.code = code;
    this.step = step;
    this.exitCode = exitCode;
  }
}
