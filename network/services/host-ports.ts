import type { Pod } from '#api/objects.ts';
import { parseAddress } from '#machinery/values/cidr.ts';
import type { ServicePortRule } from '../contract.ts';

/**
 * The hostPorts of a pod of this node as rules, to be synced together with those of the Services: pure. A port on all
 * addresses is like a node port with one endpoint; one with a hostIP is like a virtual address. Pods on the node's own
 * network have none: they listen there themselves. A hostIP of the loopback range is left out, as it cannot be
 * translated without route_localnet.
 */
export function hostPortRules(pod: Pod): ServicePortRule[] {
  const { spec, status, metadata } = pod;
  const addresses = (status?.podIPs ?? []).flatMap(({ ip }) => ip ?? []);
  const finished = status?.phase === 'Succeeded' || status?.phase === 'Failed';
  if (!spec || spec.hostNetwork || finished || addresses.length === 0) return [];
  const sidecars = (spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  return [...sidecars, ...spec.containers].flatMap((container) =>
    (container.ports ?? []).flatMap(({ containerPort, hostPort, hostIP, protocol = 'TCP' }) => {
      if (!hostPort || (protocol !== 'TCP' && protocol !== 'UDP')) return [];
      const everywhere = !hostIP || hostIP === '0.0.0.0' || hostIP === '::';
      if (!everywhere && (!parseAddress(hostIP) || hostIP.startsWith('127.') || hostIP === '::1')) return [];
      const rule: ServicePortRule = {
        name: `${metadata.namespace}/${metadata.name}:hostPort ${hostIP ?? ''}:${hostPort}`,
        protocol,
        addresses: everywhere ? [] : [hostIP],
        port: hostPort,
        ...(everywhere && { nodePort: hostPort }),
        endpoints: addresses.map((address) => ({ address, port: containerPort, local: true })),
        sessionAffinitySeconds: 0,
        externalTrafficPolicyLocal: true,
        internalTrafficPolicyLocal: false,
      };
      return [rule];
    }),
  );
}
