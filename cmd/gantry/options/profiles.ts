import { existsSync } from 'node:fs';
import type { Logger } from '#machinery/log.ts';
import type { SecurityProfiles } from '#node-agent/spec/security.ts';
import { prepareAppArmor } from '#runtime/native/apparmor.ts';
import { CAPABILITIES, DEFAULT_CAPABILITIES } from '#runtime/native/capabilities.ts';
import { DEFAULT_MASKED_PATHS, DEFAULT_READ_ONLY_PATHS } from '#runtime/native/default-paths.ts';
import { defaultProfile, defaultSeccomp } from '#runtime/native/seccomp/index.ts';
import { localSeccomp } from '#runtime/native/seccomp/local-profile.ts';

/** There once SELinux's policy is loaded. Source: selinux(8), selinuxfs. */
const SELINUX = '/sys/fs/selinux/enforce';

/**
 * What this node can confine containers with, of which pods choose; `directory` holds its own seccomp profiles. Loads the
 * default profile of AppArmor where there is AppArmor.
 */
export async function securityProfiles(directory: string, log: Logger): Promise<SecurityProfiles> {
  const appArmor = await prepareAppArmor();
  if (appArmor?.why) log.warn('Containers run without AppArmor', { error: appArmor.why });
  return {
    defaultCapabilities: DEFAULT_CAPABILITIES,
    allCapabilities: CAPABILITIES,
    maskedPaths: DEFAULT_MASKED_PATHS,
    readOnlyPaths: DEFAULT_READ_ONLY_PATHS,
    seccomp: defaultSeccomp,
    seccompProfile: defaultProfile,
    localSeccomp: (name, capabilities) => localSeccomp(directory, name, capabilities),
    ...(appArmor && { appArmor }),
    selinux: existsSync(SELINUX),
  };
}
