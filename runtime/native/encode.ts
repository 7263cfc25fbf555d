import { dirname } from 'node:path';
import type {
  ContainerSpec,
  ContainerState,
  ExecSpec,
  ExitReason,
  ExitStatus,
  SandboxSpec,
  TerminalSize,
} from '../contract.ts';
import { RuntimeError } from '../contract.ts';
import type { SeccompProfile } from '../seccomp-profile.ts';
import { sysctlPath } from '../validate.ts';
import { capabilityMask } from './capabilities.ts';
import { type CgroupLayout, encodeCgroup, planCgroup } from './cgroup.ts';
import { mapOwners } from './idmap.ts';
import { encodeMount, encodeRoot, encodeStandardMounts, sharedMemoryOptions } from './mounts.ts';
import { removedEverywhere } from './oci-cgroups.ts';
import { type Fields, Payload, TAG } from './protocol.ts';
import { flagBits } from './seccomp/flags.ts';

/** Specs as helper and monitor take them. Pure: all decisions are here, the C side obeys. */

const CLONE_NEWNS = 0x00020000;
const CLONE_NEWCGROUP = 0x02000000;
const CLONE_NEWUTS = 0x04000000;
const CLONE_NEWIPC = 0x08000000;
const CLONE_NEWPID = 0x20000000;
const CLONE_NEWNET = 0x40000000;

const OCI_VERSION = '1.0.2';
const SHARED_PID = 1;
/** Monitors that wait with their namespaces made for the next pods of the kind last asked for. */
const SPARES = 1;
const READ_ONLY_ROOT = 1;
export const STDIN: Record<ContainerSpec['stdin'], number> = { none: 0, open: 1, once: 2 };

/** Numbers of setrlimit(2) on x86_64. */
const RLIMITS: Record<string, number> = {
  RLIMIT_CPU: 0,
  RLIMIT_FSIZE: 1,
  RLIMIT_DATA: 2,
  RLIMIT_STACK: 3,
  RLIMIT_CORE: 4,
  RLIMIT_RSS: 5,
  RLIMIT_NPROC: 6,
  RLIMIT_NOFILE: 7,
  RLIMIT_MEMLOCK: 8,
  RLIMIT_AS: 9,
  RLIMIT_LOCKS: 10,
  RLIMIT_SIGPENDING: 11,
  RLIMIT_MSGQUEUE: 12,
  RLIMIT_NICE: 13,
  RLIMIT_RTPRIO: 14,
  RLIMIT_RTTIME: 15,
};

/** What the node and this instance decide for all containers. */
export interface NodeFacts {
  cgroups: CgroupLayout;
  /** Those of sandboxes with a handler: oci-cgroups.ts. */
  ociCgroups: CgroupLayout;
  /** Mount points of all hierarchies: OCI runtimes make groups also where we make none. */
  hierarchies: readonly string[];
  /** Name of the instance's root in every hierarchy. */
  cgroupRoot: string;
  /** An empty directory where each container hangs its root, in its own mount namespace. */
  anchor: string;
  /** An empty directory where each monitor hangs its pod's /dev/shm, in its own mount namespace. */
  sharedMemory: string;
  /** An empty directory where the monitor of a pod with shared pids hangs its /proc, in its own mount namespace. */
  sharedProc: string;
  /** The lowest oom_score_adj we may set (without CAP_SYS_RESOURCE it cannot be lowered). */
  leastOomScoreAdj: number;
  /** Overlayfs takes its layers one by one; before Linux 6.5 only as one string, by mount(2). */
  overlayLayersByFsconfig: boolean;
  /** Where a process says under which AppArmor profile it goes on after its next execve; undefined: there is no AppArmor. */
  appArmorFile: string | undefined;
}

export function sandboxCgroup(facts: NodeFacts, sandbox: { id: string; cgroupParent: string }): string {
  return [facts.cgroupRoot, sandbox.cgroupParent, `pod${sandbox.id}`].filter((part) => part !== '').join('/');
}

export function containerCgroup(
  facts: NodeFacts,
  sandbox: { id: string; cgroupParent: string },
  id: string,
): string {
  return `${sandboxCgroup(facts, sandbox)}/${id}`;
}

/** The pod's TAG_CGROUP alone: to adopt its monitor, or to clean up behind a lost one. */
export function encodeSandboxCgroup(
  facts: NodeFacts,
  sandbox: { id: string; cgroupParent: string; handler?: string },
): Payload {
  const group = { path: sandboxCgroup(facts, sandbox), resources: {}, leaf: false };
  const plan = planCgroup(layoutOf(facts, sandbox), group);
  return encodeCgroup(sandbox.handler ? removedEverywhere(facts, plan, group.path) : plan);
}

/** The hierarchies in which the groups of a sandbox are. */
export function layoutOf(facts: NodeFacts, { handler }: { handler?: string }): CgroupLayout {
  return handler ? facts.ociCgroups : facts.cgroups;
}

/** OP_SANDBOX. `socket`: name in the run directory. */
export function encodeSandbox(facts: NodeFacts, spec: SandboxSpec, socket: string): Payload {
  const { network, ipc, pid } = spec.namespaces;
  const namespaces =
    (network === 'pod' ? CLONE_NEWNET | CLONE_NEWUTS : 0) | (ipc === 'pod' ? CLONE_NEWIPC : 0);
  const group = { path: sandboxCgroup(facts, spec), resources: spec.resources, leaf: false };
  const plan = planCgroup(layoutOf(facts, spec), group);
  const payload = new Payload()
    .text(TAG.ID, spec.id)
    .text(TAG.SOURCE, socket)
    .text(TAG.HOSTNAME, spec.hostname)
    .text(TAG.PATH, facts.sharedMemory)
    .text(TAG.SHARED_PROC, facts.sharedProc)
    .text(TAG.OPTION, sharedMemoryOptions(spec.userNamespace?.hostId ?? 0))
    .number(TAG.NAMESPACES, namespaces)
    .number(TAG.SPARES, SPARES)
    .number(TAG.FLAGS, spec.sharedPid && pid === 'pod' ? SHARED_PID : 0)
    .nest(TAG.CGROUP, encodeCgroup(spec.handler ? removedEverywhere(facts, plan, group.path) : plan));
  if (spec.userNamespace) {
    const { hostId, size } = spec.userNamespace;
    payload.text(TAG.USER_MAP, `0 ${hostId} ${size}`);
  }
  for (const [name, value] of Object.entries(spec.sysctls)) {
    payload.nest(
      TAG.SYSCTL,
      new Payload().text(TAG.PATH, `/proc/sys/${sysctlPath(name)}`).text(TAG.VALUE, value),
    );
  }
  return payload;
}

/** OP_START. `record`: where the monitor writes down the exit. */
export function encodeStart(
  facts: NodeFacts,
  sandbox: SandboxSpec,
  spec: ContainerSpec,
  record: string,
): Payload {
  const ownPids = sandbox.namespaces.pid === 'pod' && !sandbox.sharedPid;
  const { resources, devices } = spec;
  const path = containerCgroup(facts, sandbox, spec.id);
  const group = { path, resources, leaf: true, pod: sandbox.resources, ...(devices && { devices }) };
  const payload = new Payload()
    .text(TAG.ID, spec.id)
    .text(TAG.LABELS, JSON.stringify(spec.labels))
    .number(TAG.NAMESPACES, CLONE_NEWNS | CLONE_NEWCGROUP | (ownPids ? CLONE_NEWPID : 0))
    .number(TAG.FLAGS, spec.readOnlyRoot ? READ_ONLY_ROOT : 0)
    .nest(TAG.CGROUP, encodeCgroup(planCgroup(facts.cgroups, group)))
    .text(TAG.PATH, facts.anchor)
    .text(TAG.LOG, spec.logPath)
    .text(TAG.RECORD, record)
    .number(TAG.TTY, spec.tty ? 1 : 0)
    .number(TAG.INIT, spec.init ? 1 : 0)
    .number(TAG.STDIN, STDIN[spec.stdin]);
  const hostId = sandbox.userNamespace?.hostId ?? 0;
  if (hostId !== 0) payload.number(TAG.HOST_ID, hostId);
  const { root, layers, mounts } = hostId === 0 ? { ...spec, layers: [] } : mapOwners(spec, facts.anchor);
  payload.nest(TAG.ROOT, encodeRoot(root, facts.overlayLayersByFsconfig));
  for (const layer of layers) payload.nest(TAG.LAYER, encodeMount(layer));
  const sharedMemory = sandbox.namespaces.ipc === 'pod' ? facts.sharedMemory : '/dev/shm';
  // In a user namespace containers mount it themselves: see reap_forever in runtime/helper/sandbox.c.
  const sharesProc = sandbox.sharedPid && sandbox.namespaces.pid === 'pod' && hostId === 0;
  const proc = sharesProc ? facts.sharedProc : undefined;
  encodeStandardMounts(payload, facts.cgroups, { memory: sharedMemory, proc }, hostId);
  for (const mount of mounts) payload.nest(TAG.MOUNT, encodeMount(mount));
  for (const path of spec.maskedPaths) payload.text(TAG.MASKED, path);
  for (const path of spec.readOnlyPaths) payload.text(TAG.READ_ONLY, path);
  encodeProcess(payload, spec.args, spec.env, spec.cwd);
  encodeIdentity(payload, facts, spec);
  if (spec.seccomp && spec.seccompProfile?.flags)
    payload.number(TAG.SECCOMP_FLAGS, flagBits(spec.seccompProfile.flags));
  if (spec.seccomp && spec.seccompProfile?.listenerPath)
    payload.nest(TAG.LISTENER, encodeListener(sandbox, spec, spec.seccompProfile, dirname(record)));
  return payload;
}

/**
 * Where the filter's descriptor goes, and what with it, in the parts between which the monitor writes: the process's pid, that
 * of the container's first process. Source: OCI runtime-spec, "Container Process State".
 */
function encodeListener(
  sandbox: SandboxSpec,
  spec: ContainerSpec,
  { listenerPath, listenerMetadata }: SeccompProfile,
  bundle: string,
): Payload {
  const { id, labels: annotations } = spec;
  const state = {
    ociVersion: OCI_VERSION,
    id: `${sandbox.id}.${id}`,
    status: 'creating',
    bundle,
    annotations,
  };
  const metadata = listenerMetadata === undefined ? '' : `,"metadata":${JSON.stringify(listenerMetadata)}`;
  return new Payload()
    .text(TAG.PATH, listenerPath!)
    .text(TAG.VALUE, `{"ociVersion":"${OCI_VERSION}","fds":["seccompFd"]${metadata},"pid":`)
    .text(TAG.VALUE, `,"state":{"pid":`)
    .text(TAG.VALUE, `,${JSON.stringify(state).slice(1)}}`);
}

/** OP_EXEC. */
export function encodeExec(container: string, spec: ExecSpec): Payload {
  const payload = new Payload()
    .text(TAG.ID, container)
    .number(TAG.TTY, spec.tty ? 1 : 0)
    .number(TAG.STDIN, spec.stdin ? 1 : 0);
  encodeProcess(payload, spec.args, spec.env ?? [], spec.cwd);
  if (spec.size) encodeSize(payload, spec.size);
  if (spec.user) encodeUser(payload, spec.user);
  if (spec.capabilities) payload.number(TAG.CAPABILITIES, capabilityMask(spec.capabilities));
  if (spec.noNewPrivileges !== undefined) payload.number(TAG.NO_NEW_PRIVILEGES, spec.noNewPrivileges ? 1 : 0);
  return payload;
}

export function encodeSize(payload: Payload, size: TerminalSize): Payload {
  return payload.number(TAG.COLUMNS, size.columns).number(TAG.ROWS, size.rows);
}

function encodeProcess(payload: Payload, args: string[], env: string[], cwd: string | undefined): void {
  for (const arg of args) payload.text(TAG.ARG, arg);
  for (const variable of env) payload.text(TAG.ENV, variable);
  if (cwd !== undefined) payload.text(TAG.CWD, cwd);
}

function encodeUser(payload: Payload, user: NonNullable<ExecSpec['user']>): Payload {
  payload.number(TAG.UID, user.uid).number(TAG.GID, user.gid);
  for (const group of user.additionalGids) payload.number(TAG.GROUP, group);
  return payload;
}

function encodeIdentity(payload: Payload, facts: NodeFacts, spec: ContainerSpec): void {
  encodeUser(payload, spec)
    .number(TAG.CAPABILITIES, capabilityMask(spec.capabilities))
    .number(TAG.NO_NEW_PRIVILEGES, spec.noNewPrivileges ? 1 : 0)
    .number(TAG.OOM_SCORE, Math.max(spec.oomScoreAdj, facts.leastOomScoreAdj));
  if (spec.seccomp) payload.bytes(TAG.SECCOMP, spec.seccomp);
  if (spec.appArmorProfile !== undefined)
    payload.nest(TAG.LABEL, encodeLabel(facts.appArmorFile, spec.appArmorProfile));
  for (const { type, soft, hard } of spec.rlimits) {
    const resource = RLIMITS[type];
    if (resource === undefined) throw new RuntimeError('InvalidSpec', `there is no resource limit ${type}`);
    const values = Buffer.alloc(24);
    for (const [index, value] of [resource, soft, hard].entries()) {
      values.writeBigUInt64LE(value < 0 ? 2n ** 64n - 1n : BigInt(value), index * 8);
    }
    payload.bytes(TAG.RLIMIT, values);
  }
}

/** Taken on by the next execve, also of processes forked until then. */
function encodeLabel(file: string | undefined, profile: string): Payload {
  if (!file) throw new RuntimeError('Unsupported', 'AppArmor is not enabled on the host');
  return new Payload().text(TAG.PATH, file).text(TAG.VALUE, `exec ${profile}`);
}

const EXIT_REASONS: readonly ExitReason[] = ['Completed', 'Error', 'OOMKilled', 'ContainerCannotRun', 'Lost'];

/** What the monitor says of an exit. */
export function decodeExit(fields: Fields): ExitStatus {
  const code = fields.number(TAG.CODE);
  const signal = fields.number(TAG.SIGNAL);
  const told = EXIT_REASONS.find((reason) => reason === fields.text(TAG.REASON));
  return {
    code,
    ...(signal !== 0 && { signal }),
    reason: told ?? (code === 0 ? 'Completed' : 'Error'),
    finishedAtMs: fields.number(TAG.FINISHED_MS),
  };
}

/** A container as the monitor describes it. */
export function decodeContainer(fields: Fields): ContainerState {
  const exited = fields.has(TAG.FINISHED_MS);
  return {
    id: fields.text(TAG.ID),
    labels: JSON.parse(fields.text(TAG.LABELS) || '{}'),
    state: exited ? 'exited' : 'running',
    pid: fields.number(TAG.PID),
    startedAtMs: fields.number(TAG.STARTED_MS),
    ...(exited && { exit: decodeExit(fields) }),
  };
}
