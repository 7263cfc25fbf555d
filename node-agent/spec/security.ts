import type { Container, PodSpec } from '#api/objects.ts';
import type { ContainerSpec } from '#runtime/contract.ts';
import { ConfigFault } from './fault.ts';

/** What the runtime knows of capabilities and system calls; it compiles, the agent chooses. */
export interface SecurityProfiles {
  /** CAP_* names a container has unless told otherwise. */
  defaultCapabilities: readonly string[];
  /** All CAP_* names of this kernel. */
  allCapabilities: readonly string[];
  /** What of /proc and /sys a container does not see, and what it cannot write. */
  maskedPaths: readonly string[];
  readOnlyPaths: readonly string[];
  /** The default filter for a container with these capabilities: struct sock_filter[]. */
  seccomp(capabilities: readonly string[]): Uint8Array | undefined;
  /** The same before it was compiled, for OCI runtimes. */
  seccompProfile(capabilities: readonly string[]): ContainerSpec['seccompProfile'];
  /** A profile among the node's files, where it has any; throws with the reason why it cannot be used. */
  localSeccomp?(
    name: string,
    capabilities: readonly string[],
  ): Required<Pick<ContainerSpec, 'seccomp' | 'seccompProfile'>>;
  /** Where the kernel enforces AppArmor: the default profile that is loaded, or why none is. */
  appArmor?: { defaultProfile?: string; why?: string };
  /** The kernel enforces SELinux. */
  selinux?: boolean;
}

export interface ContainerSecurity {
  capabilities: string[];
  noNewPrivileges: boolean;
  seccomp?: Uint8Array;
  seccompProfile?: ContainerSpec['seccompProfile'];
  appArmorProfile?: string;
  maskedPaths: string[];
  readOnlyPaths: string[];
  readOnlyRoot: boolean;
  /** All of the node's, where the container is privileged. */
  devices?: 'all';
}

/**
 * The security settings of one container. A pod that names no seccomp profile gets the default one, not none. Privileged
 * means all capabilities, no filter and nothing masked; the node's devices are not added.
 */
export function containerSecurity(
  spec: PodSpec,
  container: Container,
  profiles: SecurityProfiles,
): ContainerSecurity {
  const own = container.securityContext;
  const privileged = own?.privileged ?? false;
  const capabilities = privileged
    ? [...profiles.allCapabilities]
    : capabilitiesOf(own?.capabilities, profiles);
  const unmasked = privileged || own?.procMount === 'Unmasked';
  const profile = own?.seccompProfile ?? spec.securityContext?.seccompProfile;
  return {
    capabilities,
    noNewPrivileges: own?.allowPrivilegeEscalation === false,
    ...(privileged && { devices: 'all' as const }),
    ...(!privileged && seccompOf(profile, capabilities, profiles)),
    ...(!privileged && appArmorOf(spec, container, profiles)),
    maskedPaths: unmasked ? [] : [...profiles.maskedPaths],
    readOnlyPaths: unmasked ? [] : [...profiles.readOnlyPaths],
    readOnlyRoot: own?.readOnlyRootFilesystem ?? false,
  };
}

function seccompOf(
  profile: { type?: string; localhostProfile?: string } | undefined,
  capabilities: readonly string[],
  profiles: SecurityProfiles,
): Pick<ContainerSecurity, 'seccomp' | 'seccompProfile'> {
  if (profile?.type === 'Unconfined') return {};
  if (profile?.type === 'Localhost')
    return localSeccompOf(profile.localhostProfile ?? '', capabilities, profiles);
  const seccomp = profiles.seccomp(capabilities);
  return seccomp ? { seccomp, seccompProfile: profiles.seccompProfile(capabilities) } : {};
}

/** A node without AppArmor has no pod to which it matters: spec/labels.ts. */
function appArmorOf(
  spec: PodSpec,
  container: Container,
  { appArmor }: SecurityProfiles,
): Pick<ContainerSecurity, 'appArmorProfile'> {
  const own = container.securityContext?.appArmorProfile ?? spec.securityContext?.appArmorProfile;
  if (!appArmor || own?.type === 'Unconfined') return {};
  const appArmorProfile = own?.type === 'Localhost' ? own.localhostProfile : appArmor.defaultProfile;
  return appArmorProfile === undefined ? {} : { appArmorProfile };
}

function localSeccompOf(
  name: string,
  capabilities: readonly string[],
  profiles: SecurityProfiles,
): Pick<ContainerSecurity, 'seccomp' | 'seccompProfile'> {
  if (!profiles.localSeccomp)
    throw new ConfigFault(`cannot load seccomp profile ${JSON.stringify(name)}: this node has no profiles`);
  try {
    return profiles.localSeccomp(name, capabilities);
  } catch (error) {
    throw new ConfigFault((error as Error).message, 'CreateContainerError');
  }
}

function capabilitiesOf(
  change: { add?: string[]; drop?: string[] } | undefined,
  profiles: SecurityProfiles,
): string[] {
  const name = (text: string) => {
    const upper = text.toUpperCase();
    return upper === 'ALL' || upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
  };
  const added = (change?.add ?? []).map(name);
  const dropped = (change?.drop ?? []).map(name);
  const known = new Set(profiles.allCapabilities);
  for (const capability of [...added, ...dropped]) {
    if (capability !== 'ALL' && !known.has(capability)) {
      throw new ConfigFault(`unknown capability ${JSON.stringify(capability)}`, 'CreateContainerError');
    }
  }
  // As container engines do: ALL first, then the single ones, so that "drop ALL, add X" leaves X.
  const set = new Set(added.includes('ALL') ? profiles.allCapabilities : profiles.defaultCapabilities);
  if (dropped.includes('ALL')) {
    set.clear();
    if (added.includes('ALL')) for (const capability of profiles.allCapabilities) set.add(capability);
  }
  for (const capability of added) if (capability !== 'ALL') set.add(capability);
  for (const capability of dropped) set.delete(capability);
  return profiles.allCapabilities.filter((capability) => set.has(capability));
}
