import {
  type ContainerSpec,
  type ExecSpec,
  type IdRange,
  type Resources,
  RuntimeError,
  type RuntimeHandler,
  type SandboxSpec,
} from './contract.ts';

const SANDBOX_ID = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
/** `<container name>.<attempt>`: also the name of a file and of a cgroup. */
const CONTAINER_ID = /^[a-z0-9]([a-z0-9.-]{0,126}[a-z0-9])?$/;
const MAX_ID = 2 ** 31 - 1;
/** runtime/helper/identity.c. */
const MAX_GROUPS = 1024;
const UNLIMITED = -1;
/** With what goes before it, less than the page that the kernel takes at once. */
const MAX_PROFILE_NAME = 4080;

function refuse(what: string): never {
  throw new RuntimeError('InvalidSpec', what);
}

/** Throws RuntimeError Unsupported in the words of Kubernetes' container runtimes. */
export function requireHandler({ handler = '' }: SandboxSpec, handlers: readonly RuntimeHandler[]): void {
  if (handlers.some(({ name }) => name === handler)) return;
  const why = `failed to get sandbox runtime: no runtime for ${JSON.stringify(handler)} is configured`;
  throw new RuntimeError('Unsupported', why);
}

/** Refuses what could name something outside of the sandbox; throws RuntimeError InvalidSpec. */
export function validateSandbox(spec: SandboxSpec): void {
  if (!SANDBOX_ID.test(spec.id)) refuse(`sandbox id ${JSON.stringify(spec.id)} is not [a-z0-9-]{1,63}`);
  validateParent(spec.cgroupParent);
  validateResources(spec.resources);
  if (Buffer.byteLength(spec.hostname) > 64) refuse(`hostname ${spec.hostname} is longer than 64 bytes`);
  for (const [name, value] of Object.entries(spec.sysctls)) validateSysctl(name, value, spec.namespaces);
}

/** Parameters that an IPC namespace has for itself; the rest of kernel/ is the node's. */
const IPC_SYSCTL =
  /^(kernel\/(msgmax|msgmnb|msgmni|sem|shmall|shmmax|shmmni|shm_rmid_forced)|fs\/mqueue\/\w+)$/;
const NETWORK_SYSCTL = /^net(\/[A-Za-z0-9_-][A-Za-z0-9_.-]*)+$/;

/** What a sysctl is called below /proc/sys. */
export function sysctlPath(name: string): string {
  return name.includes('/') ? name : name.replaceAll('.', '/');
}

/**
 * Only what belongs to a namespace of the pod's own: any other parameter is the whole node's, and some (kernel.core_pattern)
 * name a program to be run on it. Source: OCI runtime-spec, "sysctl", and Kubernetes, "Using sysctls".
 */
function validateSysctl(name: string, value: string, namespaces: SandboxSpec['namespaces']): void {
  const path = sysctlPath(name);
  const [own, kind] = NETWORK_SYSCTL.test(path)
    ? [namespaces.network === 'pod', 'network']
    : [IPC_SYSCTL.test(path) && namespaces.ipc === 'pod', 'IPC'];
  if (!own)
    refuse(
      `sysctl ${JSON.stringify(name)} is not one that a pod has for itself in its own ${kind} namespace`,
    );
  if (/[\n\0]/.test(value)) refuse(`the value of sysctl ${name} has more than one line`);
}

/** Throws RuntimeError InvalidSpec. */
export function validateParent(cgroupParent: string): void {
  if (cgroupParent.split('/').some((part) => part === '..' || part === '.'))
    refuse(`cgroup parent ${cgroupParent} leads out of the instance's root`);
}

/** Amounts of which -1 lifts the limit; the rest have no such value. */
const LIFTABLE = ['memoryBytes', 'memoryHighBytes', 'swapBytes', 'cpuQuotaUs', 'pids'] as const;
const AMOUNTS = ['memoryMinBytes', 'memoryLowBytes', 'cpuShares', 'cpuPeriodUs', 'cpuBurstUs'] as const;
const CPU_LIST = /^\d{1,5}(-\d{1,5})?(,\d{1,5}(-\d{1,5})?)*$/;

/** Throws RuntimeError InvalidSpec for what no kernel would take. */
export function validateResources(resources: Resources): void {
  const { cpusetCpus, cpusetMems, ioWeight, ioLimits = [], hugepages = [] } = resources;
  for (const name of LIFTABLE) checkAmount(name, resources[name], -1);
  for (const name of AMOUNTS) checkAmount(name, resources[name], 0);
  for (const [name, list] of Object.entries({ cpusetCpus, cpusetMems })) {
    if (list !== undefined && !CPU_LIST.test(list))
      refuse(`${name} ${JSON.stringify(list)} is not like 0-2,7`);
  }
  if (ioWeight !== undefined && !(Number.isInteger(ioWeight) && ioWeight >= 10 && ioWeight <= 1000))
    refuse(`ioWeight ${ioWeight} is not in 10-1000`);
  for (const { major, minor, ...amounts } of ioLimits) {
    checkAmount('a device number', major, 0);
    checkAmount('a device number', minor, 0);
    for (const [name, amount] of Object.entries(amounts)) checkAmount(name, amount, -1);
  }
  for (const { pageBytes, bytes } of hugepages) {
    if (!Number.isInteger(Math.log2(pageBytes))) refuse(`there are no huge pages of ${pageBytes} bytes`);
    checkAmount('the limit of huge pages', bytes, 0);
  }
}

function checkAmount(name: string, amount: number | undefined, least: number): void {
  if (amount !== undefined && !(Number.isSafeInteger(Math.trunc(amount)) && amount >= least))
    refuse(`${name} ${amount} is not a number from ${least} on`);
}

function validateDevices(devices: ContainerSpec['devices']): void {
  if (devices === undefined || devices === 'all') return;
  for (const { major, minor, access } of devices) {
    checkAmount('a device number', major, 0);
    checkAmount('a device number', minor, 0);
    if (!/^[rwm]{1,3}$/.test(access)) refuse(`device access ${JSON.stringify(access)} is not of r, w and m`);
  }
}

/** The kernel takes more than names here: no confinement at all, several profiles at once, those of another namespace. */
function validateAppArmor(profile: string | undefined): void {
  if (profile === undefined) return;
  const special = /^[:&]|\/\/&|[\0\n]|^\s|\s$/.test(profile) || profile === 'unconfined';
  if (profile === '' || special || Buffer.byteLength(profile) > MAX_PROFILE_NAME)
    refuse(`${JSON.stringify(profile)} is not the name of an AppArmor profile`);
}

/** Ids of the node that two sandboxes may not share. Throws RuntimeError InvalidSpec. */
export function validateUserNamespace(spec: SandboxSpec, others: Iterable<SandboxSpec>): void {
  const range = spec.userNamespace;
  if (!range) return;
  const { hostId, size } = range;
  if (
    !Number.isInteger(hostId) ||
    !Number.isInteger(size) ||
    hostId < 1 ||
    size < 1 ||
    hostId + size > MAX_ID
  )
    refuse(`user namespace of ${size} ids from ${hostId} is not within 1-${MAX_ID}`);
  if (Object.values(spec.namespaces).includes('node'))
    refuse('a user namespace of its own cannot be had with namespaces of the node');
  for (const other of others) {
    const taken = other.userNamespace;
    if (!taken || other.id === spec.id) continue;
    if (hostId < taken.hostId + taken.size && taken.hostId < hostId + size)
      refuse(`ids ${hostId}-${hostId + size - 1} are those of sandbox ${other.id}`);
  }
}

/** Throws RuntimeError InvalidSpec. */
export function validateContainer(spec: ContainerSpec, userNamespace?: IdRange): void {
  if (!CONTAINER_ID.test(spec.id)) refuse(`container id ${JSON.stringify(spec.id)} is not [a-z0-9.-]{1,128}`);
  validateProcess(spec.args, spec.env, spec.cwd);
  validateUser(spec, userNamespace);
  validateRlimits(spec.rlimits);
  validateResources(spec.resources);
  validateDevices(spec.devices);
  validateAppArmor(spec.appArmorProfile);
  for (const mount of spec.mounts) {
    if (!mount.target.startsWith('/')) refuse(`mount target ${JSON.stringify(mount.target)} is not absolute`);
  }
}

/** Throws RuntimeError InvalidSpec. */
export function validateExec(spec: ExecSpec, { userNamespace }: SandboxSpec): void {
  validateProcess(spec.args, spec.env ?? [], spec.cwd);
  if (spec.user) validateUser(spec.user, userNamespace);
}

function validateProcess(args: string[], env: string[], cwd: string | undefined): void {
  if (args.length === 0 || args[0] === '')
    refuse('no command to run: neither the image nor the spec names one');
  for (const text of [...args, ...env, cwd ?? '']) {
    if (text.includes('\0')) refuse('a zero byte in an argument, variable or working directory');
  }
  for (const variable of env) {
    if (!variable.includes('=')) refuse(`environment entry ${JSON.stringify(variable)} is not NAME=VALUE`);
  }
  if (cwd !== undefined && !cwd.startsWith('/'))
    refuse(`working directory ${JSON.stringify(cwd)} is not absolute`);
}

function validateUser(user: NonNullable<ExecSpec['user']>, userNamespace: IdRange | undefined): void {
  for (const id of [user.uid, user.gid, ...user.additionalGids]) {
    if (!Number.isInteger(id) || id < 0 || id > MAX_ID)
      refuse(`user or group id ${id} is not in 0-${MAX_ID}`);
    if (userNamespace && id >= userNamespace.size)
      refuse(`user or group id ${id} is not in the pod's user namespace, 0-${userNamespace.size - 1}`);
  }
  if (user.additionalGids.length > MAX_GROUPS)
    refuse(`${user.additionalGids.length} additional groups are over the limit of ${MAX_GROUPS}`);
}

function validateRlimits(rlimits: ContainerSpec['rlimits']): void {
  const seen = new Set<string>();
  for (const { type, soft, hard } of rlimits) {
    if (seen.has(type)) refuse(`resource limit ${type} is given twice`);
    seen.add(type);
    for (const value of [soft, hard]) {
      if (!Number.isSafeInteger(value) || value < UNLIMITED)
        refuse(`resource limit ${type}: ${value} is neither a whole number nor ${UNLIMITED} for unlimited`);
    }
    if (hard !== UNLIMITED && (soft === UNLIMITED || soft > hard))
      refuse(`resource limit ${type}: the soft limit ${soft} is over the hard limit ${hard}`);
  }
}
