import type { Pod } from '#api/objects.ts';

/** Longest host name Linux takes (HOST_NAME_MAX is 64 with its end). */
const MAX_HOSTNAME = 63;

/** `hostname` in the pod, and its name in the cluster's DNS when it has a subdomain. */
export function podHostname(pod: Pod, clusterDomain: string): { hostname: string; fqdn?: string } {
  const spec = pod.spec!;
  const short = (spec.hostname || pod.metadata.name).slice(0, MAX_HOSTNAME).replace(/[-.]+$/, '');
  if (!spec.subdomain) return { hostname: short };
  const fqdn = `${short}.${spec.subdomain}.${pod.metadata.namespace}.svc.${clusterDomain}`;
  return { hostname: spec.setHostnameAsFQDN && fqdn.length <= MAX_HOSTNAME ? fqdn : short, fqdn };
}

const LOOPBACK = `127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
fe00::\tip6-mcastprefix
fe00::1\tip6-allnodes
fe00::2\tip6-allrouters
`;

/**
 * /etc/hosts of a pod. On the node's network it is the node's own file with the aliases added.
 * Source: Kubernetes documentation, "Adding entries to Pod /etc/hosts with HostAliases".
 */
export function hostsFile(
  pod: Pod,
  podIPs: readonly string[],
  names: { hostname: string; fqdn?: string },
  nodeHosts: string,
): string {
  const aliases = pod.spec?.hostAliases ?? [];
  const own = podIPs
    .map((ip) => `${ip}\t${[names.fqdn, names.hostname].filter(Boolean).join('\t')}\n`)
    .join('');
  const start = pod.spec?.hostNetwork
    ? `# Kubernetes-managed hosts file (host network).\n${nodeHosts}`
    : `# Kubernetes-managed hosts file.\n${LOOPBACK}${own}`;
  if (aliases.length === 0) return start;
  const added = aliases.map(({ ip, hostnames }) => `${ip}\t${(hostnames ?? []).join('\t')}\n`).join('');
  return `${start}\n# Entries added by HostAliases.\n${added}`;
}
