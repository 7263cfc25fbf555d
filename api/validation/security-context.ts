/** Users, groups and privileges. Source: Kubernetes API reference, SecurityContext, PodSecurityContext. */
import type { Container, PodSpec } from '../objects.ts';
import type { Faults } from './faults.ts';
import { checkDescendingPath } from './volumes.ts';

type ContainerContext = NonNullable<Container['securityContext']>;
type PodContext = NonNullable<PodSpec['securityContext']>;
type AppArmor = NonNullable<ContainerContext['appArmorProfile']>;
type Seccomp = NonNullable<ContainerContext['seccompProfile']>;

const ID_RULE = 'must be between 0 and 2147483647, inclusive';
const ID_MAX = 2 ** 31 - 1;
/** As the message shows it, with a backslash that no regular expression needs. */
const SYSCTL = '^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$';
const IS_SYSCTL = new RegExp(SYSCTL);
const SYSCTL_MAX = 253;
const POLICIES = {
  fsGroupChangePolicy: ['Always', 'OnRootMismatch'],
  supplementalGroupsPolicy: ['Merge', 'Strict'],
  seLinuxChangePolicy: ['MountOption', 'Recursive'],
};
const APP_ARMOR_NAME_MAX = 4095;
const PROC_MOUNTS = ['Default', 'Unmasked'];
/** Of seccomp and of AppArmor. */
const PROFILE_TYPES = ['Localhost', 'RuntimeDefault', 'Unconfined'];

export function checkSecurityContext(
  context: ContainerContext | undefined,
  spec: PodSpec,
  field: string,
  faults: Faults,
): void {
  if (!context) return;
  checkId(context.runAsUser, `${field}.runAsUser`, faults);
  checkId(context.runAsGroup, `${field}.runAsGroup`, faults);
  checkProcMount(context.procMount, spec.hostUsers !== false, `${field}.procMount`, faults);
  checkSeccomp(context.seccompProfile, `${field}.seccompProfile`, faults);
  if (context.allowPrivilegeEscalation === false) checkNoEscalation(context, field, faults);
  checkAppArmor(context.appArmorProfile, `${field}.appArmorProfile`, faults);
}

function checkProcMount(mount: string | undefined, hostUsers: boolean, field: string, faults: Faults): void {
  if (mount === undefined) return;
  if (!PROC_MOUNTS.includes(mount)) faults.notSupported(field, mount, PROC_MOUNTS);
  if (hostUsers && mount === 'Unmasked')
    faults.invalid(field, mount, '`hostUsers` must be false to use `Unmasked`');
}

function checkNoEscalation(context: ContainerContext, field: string, faults: Faults): void {
  if (context.privileged) {
    faults.invalid(field, context, 'cannot set `allowPrivilegeEscalation` to false and `privileged` to true');
  }
  if (context.capabilities?.add?.includes('CAP_SYS_ADMIN')) {
    const detail = 'cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN';
    faults.invalid(field, context, detail);
  }
}

export function checkPodSecurityContext(spec: PodSpec, field: string, faults: Faults): void {
  const context = spec.securityContext ?? {};
  checkId(context.fsGroup, `${field}.fsGroup`, faults);
  checkId(context.runAsUser, `${field}.runAsUser`, faults);
  checkId(context.runAsGroup, `${field}.runAsGroup`, faults);
  for (const [index, group] of (context.supplementalGroups ?? []).entries()) {
    checkId(group, `${field}.supplementalGroups[${index}]`, faults);
  }
  if (spec.shareProcessNamespace && spec.hostPID) {
    faults.invalid(
      `${field}.shareProcessNamespace`,
      true,
      'ShareProcessNamespace and HostPID cannot both be enabled',
    );
  }
  checkSysctls(spec, `${field}.sysctls`, faults);
  checkPolicy('fsGroupChangePolicy', context, field, faults);
  checkSeccomp(context.seccompProfile, `${field}.seccompProfile`, faults);
  checkAppArmor(context.appArmorProfile, `${field}.appArmorProfile`, faults);
  checkPolicy('supplementalGroupsPolicy', context, field, faults);
  checkPolicy('seLinuxChangePolicy', context, field, faults);
}

function checkPolicy(name: keyof typeof POLICIES, context: PodContext, field: string, faults: Faults): void {
  const policy = context[name];
  if (policy !== undefined && !POLICIES[name].includes(policy))
    faults.notSupported(`${field}.${name}`, policy, POLICIES[name]);
}

function checkSysctls(spec: PodSpec, field: string, faults: Faults): void {
  const seen = new Set<string>();
  for (const [index, { name }] of (spec.securityContext?.sysctls ?? []).entries()) {
    const at = `${field}[${index}].name`;
    if (!name) faults.required(at);
    else if (name.length > SYSCTL_MAX || !IS_SYSCTL.test(name)) {
      faults.invalid(at, name, `must have at most ${SYSCTL_MAX} characters and match regex ${SYSCTL}`);
    } else if (seen.has(name)) faults.duplicate(at, name);
    seen.add(name);
    if (spec.hostNetwork && NETWORK_SYSCTL.test(name))
      faults.invalid(at, name, "may not be specified when 'hostNetwork' is true");
    if (spec.hostIPC && IPC_SYSCTL.test(name))
      faults.invalid(at, name, "may not be specified when 'hostIPC' is true");
  }
}

/** Parameters that each network namespace has for itself, with either separator. */
const NETWORK_SYSCTL = /^net[./]/;
/** The same for System V IPC and POSIX message queues. */
const IPC_SYSCTL =
  /^(kernel[./](sem|shm|shmall|shmmax|shmmni|shm_rmid_forced|msg|msgmax|msgmnb|msgmni)$|fs[./]mqueue[./])/;

function checkId(id: number | undefined, field: string, faults: Faults): void {
  if (id !== undefined && (id < 0 || id > ID_MAX)) faults.invalid(field, id, ID_RULE);
}

function checkSeccomp(profile: Seccomp | undefined, field: string, faults: Faults): void {
  if (!profile) return;
  const { type, localhostProfile } = profile;
  if (!type) faults.required(`${field}.type`, 'type is required when seccompProfile is set');
  else if (!PROFILE_TYPES.includes(type)) faults.notSupported(`${field}.type`, type, PROFILE_TYPES);
  const at = `${field}.localhostProfile`;
  if (type === 'Localhost') {
    if (localhostProfile === undefined) faults.required(at, 'must be set when seccomp type is Localhost');
    else checkDescendingPath(localhostProfile, at, faults);
  } else if (localhostProfile !== undefined) {
    faults.invalid(at, profile, 'can only be set when seccomp type is Localhost');
  }
}

function checkAppArmor(profile: AppArmor | undefined, field: string, faults: Faults): void {
  if (!profile) return;
  const { type, localhostProfile } = profile;
  const at = `${field}.localhostProfile`;
  if (!type) faults.required(`${field}.type`, 'type is required when appArmorProfile is set');
  else if (!PROFILE_TYPES.includes(type)) faults.notSupported(`${field}.type`, type, PROFILE_TYPES);
  else if (type !== 'Localhost') {
    if (localhostProfile !== undefined)
      faults.invalid(at, localhostProfile, 'can only be set when AppArmor type is Localhost');
  } else if (!localhostProfile) faults.required(at, 'must be set when AppArmor type is Localhost');
  else {
    if (localhostProfile.trim() !== localhostProfile)
      faults.invalid(at, localhostProfile, 'must not be padded with whitespace');
    if (Buffer.byteLength(localhostProfile) > APP_ARMOR_NAME_MAX) faults.tooLong(at, APP_ARMOR_NAME_MAX);
  }
}
