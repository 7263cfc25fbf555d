import type { Pod } from '#api/objects.ts';
import type { ResolvConf } from '#network/dns/resolv-conf.ts';

export function formatResolvConf(conf: ResolvConf): string {
  const lines = [
    ...(conf.searches.length ? [`search ${conf.searches.join(' ')}`] : []),
    ...conf.nameservers.map((server) => `nameserver ${server}`),
    ...(conf.options.length ? [`options ${conf.options.join(' ')}`] : []),
  ];
  return `${lines.join('\n')}\n`;
}

/** Limits of Kubernetes, MaxDNSNameservers and MaxDNSSearchPaths. */
const MAX_NAMESERVERS = 3;
const MAX_SEARCHES = 32;

/**
 * What a pod resolves names with, by dnsPolicy and dnsConfig. Source: Kubernetes documentation, "DNS for Services and
 * Pods", pod's DNS policy.
 */
export function podResolvConf(
  pod: Pod,
  cluster: { dnsAddress: string; domain: string },
  node: ResolvConf,
): ResolvConf {
  const spec = pod.spec!;
  const policy = spec.dnsPolicy ?? 'ClusterFirst';
  const clusterFirst =
    policy === 'ClusterFirstWithHostNet' || (policy === 'ClusterFirst' && !spec.hostNetwork);
  const base: ResolvConf =
    policy === 'None'
      ? { nameservers: [], searches: [], options: [] }
      : clusterFirst
        ? {
            nameservers: [cluster.dnsAddress],
            searches: [
              `${pod.metadata.namespace}.svc.${cluster.domain}`,
              `svc.${cluster.domain}`,
              cluster.domain,
              ...node.searches,
            ],
            options: ['ndots:5'],
          }
        : node;
  const own = spec.dnsConfig;
  return {
    nameservers: unique([...base.nameservers, ...(own?.nameservers ?? [])]).slice(0, MAX_NAMESERVERS),
    searches: unique([...base.searches, ...(own?.searches ?? [])]).slice(0, MAX_SEARCHES),
    options: mergeOptions(base.options, own?.options ?? []),
  };
}

function unique(values: string[]): string[] {
  return [...new Set(values)];
}

/** An option of the pod replaces the one of the same name. */
function mergeOptions(base: string[], own: { name?: string; value?: string }[]): string[] {
  const options = new Map(base.map((option) => [option.split(':')[0]!, option]));
  for (const { name, value } of own) {
    if (name) options.set(name, value === undefined || value === '' ? name : `${name}:${value}`);
  }
  return [...options.values()];
}
