/** Users, groups and privileges. Source: Kubernetes API reference, SecurityContext, PodSecurityContext. */
import type { Container, PodSpec } from '../objects.ts';
import type { Faults } from './faults.ts';
import { checkDescendingPath } from './volumes.ts';

type ContainerContext = NonNullable<Container['securityContext']>;
type AppArmor = NonNullable<ContainerContext['appArmorProfile']>;
type Seccomp = NonNullable<ContainerContext['seccompProfile']>;

const ID_RULE = 'must be between 0 and 2147483647, inclusive';
const ID_MAX = 2 ** 31 - 1;
const SYSCTL = /^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$/;
const GROUP_POLICIES = {
  supplementalGroupsPolicy: ['Merge', 'Strict'],
  seLinuxChangePolicy: ['MountOption', 'Recursive'],
};
const APP_ARMOR_NAME_MAX = 4095;
const SECCOMP_TYPES = ['Localhost', 'RuntimeDefault', 'Unconfined'];

export function checkSecurityContext(
  context: ContainerContext | undefined,
  field: string,
  faults: Faults,
): void {
  if (!context) return;
  checkId(context.runAsUser, `${field}.runAsUser`, faults);
  checkId(context.runAsGroup, `${field}.runAsGroup`, faults);
  if (context.procMount !== undefined)
    faults.oneOf(`${field}.procMount`, context.procMount, ['Default', 'Unmasked']);
  checkSeccomp(context.seccompProfile, `${field}.seccompProfile`, faults);
  checkAppArmor(context.appArmorProfile, `${field}.appArmorProfile`, faults);
  if (context.allowPrivilegeEscalation !== false) return;
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
  checkId(context.runAsUser, `${field}.runAsUser`, faults);
  checkId(context.runAsGroup, `${field}.runAsGroup`, faults);
  checkId(context.fsGroup, `${field}.fsGroup`, faults);
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
  if (context.fsGroupChangePolicy !== undefined) {
    const policies = ['Always', 'OnRootMismatch'];
    if (!policies.includes(context.fsGroupChangePolicy)) {
      faults.notSupported(`${field}.fsGroupChangePolicy`, context.fsGroupChangePolicy, policies);
    }
  }
  for (const [name, supported] of Object.entries(GROUP_POLICIES)) {
    const policy = context[name as keyof typeof GROUP_POLICIES];
    if (policy !== undefined && !supported.includes(policy))
      faults.notSupported(`${field}.${name}`, policy, supported);
  }
  checkSeccomp(context.seccompProfile, `${field}.seccompProfile`, faults);
  checkAppArmor(context.appArmorProfile, `${field}.appArmorProfile`, faults);
  const seen = new Set<string>();
  for (const [index, { name }] of (context.sysctls ?? []).entries()) {
    const at = `${field}.sysctls[${index}].name`;
    if (!name) faults.required(at);
    else if (name.length > 253 || !SYSCTL.test(name)) {
      faults.invalid(at, name, `must have at most 253 characters and match regex ${SYSCTL.source}`);
    } else if (seen.has(name)) faults.duplicate(at, name);
    seen.add(name);
  }
}

function checkId(id: number | undefined, field: string, faults: Faults): void {
  if (id !== undefined && (id < 0 || id > ID_MAX)) faults.invalid(field, id, ID_RULE);
}

function checkSeccomp(profile: Seccomp | undefined, field: string, faults: Faults): void {
  if (!profile) return;
  const { type, localhostProfile } = profile;
  if (!type) faults.required(`${field}.type`, 'type is required when seccompProfile is set');
  else if (!SECCOMP_TYPES.includes(type)) faults.notSupported(`${field}.type`, type, SECCOMP_TYPES);
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
  else if (!SECCOMP_TYPES.includes(type)) faults.notSupported(`${field}.type`, type, SECCOMP_TYPES);
  else if (type !== 'Localhost') {
    if (localhostProfile !== undefined)
      faults.invalid(at, localhostProfile, 'can only be set when AppArmor type is Localhost');
  } else if (!localhostProfile?.trim()) faults.required(at, 'must be set when AppArmor type is Localhost');
  else if (localhostProfile.trim() !== localhostProfile)
    faults.invalid(at, localhostProfile, 'must not be padded with whitespace');
  else if (Buffer.byteLength(localhostProfile) > APP_ARMOR_NAME_MAX) faults.tooLong(at, APP_ARMOR_NAME_MAX);
}
