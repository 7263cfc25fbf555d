import type { PodSpec } from '#api/objects.ts';

/** Why a node takes no pod that asks for it. */
export interface Rejection {
  reason: 'SysctlForbidden';
  message: string;
}

/**
 * Parameters of a pod's own namespaces that cannot harm its neighbours. Source: Kubernetes documentation, "Using sysctls in a
 * Kubernetes cluster", safe and unsafe sysctls.
 */
const SAFE: ReadonlySet<string> = new Set([
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.ping_group_range',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_wmem',
]);

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
  if (!SAFE.has(name) && !allowedUnsafe.some((pattern) => matches(pattern, name))) return 'allowlisted';
  if (name.startsWith('net.')) return spec.hostNetwork ? 'allowed with host net enabled' : undefined;
  return spec.hostIPC ? 'allowed with host ipc enabled' : undefined;
}

function matches(pattern: string, name: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}
