import type { PodSpec } from '#api/objects.ts';
import { SAFE_SYSCTLS } from '#api/semantics/sysctls.ts';
import type { Rejection } from './rejection.ts';

/**
 * Whether the pod asks for a sysctl that is neither safe nor among `allowedUnsafe`: names, or prefixes that end in `*`. In
 * the words of the kubelet.
 */
export function forbiddenSysctl(spec: PodSpec, allowedUnsafe: readonly string[]): Rejection | undefined {
  for (const sysctl of spec.securityContext?.sysctls ?? []) {
    const name = sysctl.name.replaceAll('/', '.');
    const why = whyNot(name, spec, allowedUnsafe);
    if (why)
      return {
        reason: 'SysctlForbidden',
        message: `forbidden sysctl: ${JSON.stringify(name)} not ${why}`,
      };
  }
  return undefined;
}

function whyNot(name: string, spec: PodSpec, allowedUnsafe: readonly string[]): string | undefined {
  if (!SAFE_SYSCTLS.has(name) && !allowedUnsafe.some((pattern) => matches(pattern, name)))
    return 'allowlisted';
  if (name.startsWith('net.')) return spec.hostNetwork ? 'allowed with host net enabled' : undefined;
  return spec.hostIPC ? 'allowed with host ipc enabled' : undefined;
}

function matches(pattern: string, name: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}
