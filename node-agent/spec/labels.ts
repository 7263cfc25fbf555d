import type { PodSpec } from '#api/objects.ts';
import type { Rejection } from './rejection.ts';
import type { SecurityProfiles } from './security.ts';

/** Whether the pod asks to be confined in a way that this node cannot enforce: it must not run without. */
export function unenforceableLabel(spec: PodSpec, profiles: SecurityProfiles): Rejection | undefined {
  const why = whyNoAppArmor(spec, profiles);
  if (why) return { reason: 'AppArmor', message: `Cannot enforce AppArmor: ${why}` };
  // Where the kernel has no SELinux the options mean nothing, as Kubernetes says of them.
  if (profiles.selinux && contexts(spec).some((context) => context?.seLinuxOptions))
    return { reason: 'SELinux', message: 'Cannot enforce SELinux: this runtime sets no SELinux labels' };
  return undefined;
}

function whyNoAppArmor(spec: PodSpec, { appArmor }: SecurityProfiles): string | undefined {
  const types = contexts(spec).map((context) => context?.appArmorProfile?.type);
  const wanted = types.filter((type) => type !== undefined && type !== 'Unconfined');
  if (wanted.length === 0) return undefined;
  if (!appArmor) return 'AppArmor is not enabled on the host';
  if (!appArmor.defaultProfile && wanted.includes('RuntimeDefault'))
    return `the default profile could not be loaded: ${appArmor.why}`;
  return undefined;
}

function contexts(spec: PodSpec) {
  const { initContainers = [], containers, ephemeralContainers = [] } = spec;
  const all = [...initContainers, ...containers, ...ephemeralContainers];
  return [spec.securityContext, ...all.map(({ securityContext }) => securityContext)];
}
