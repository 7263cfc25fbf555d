import type { EndpointSlice, Service, ServicePort } from '#api/objects.ts';
import { parseAddress } from '#machinery/values/cidr.ts';
import type { ServicePortRule } from '../contract.ts';

/**
 * From Services and EndpointSlices to the rules of one node: pure. Sources: the Service and EndpointSlice API, and
 * KEP-1669 (endpoints that terminate take traffic when no others are ready).
 */

/** A Service with this label is left to another proxy. */
const PROXY_NAME_LABEL = 'service.kubernetes.io/service-proxy-name';
export const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';
/** ClientIP affinity without a timeout of its own: three hours. */
const DEFAULT_AFFINITY_SECONDS = 10_800;

type Endpoint = ServicePortRule['endpoints'][number];

/** Rules of all services, in the order given. Slices belong to services by label and namespace. */
export function servicePortRules(
  services: readonly Service[],
  slices: readonly EndpointSlice[],
  nodeName: string,
): ServicePortRule[] {
  const bySource = new Map<string, EndpointSlice[]>();
  for (const slice of slices) {
    const name = slice.metadata.labels?.[SERVICE_NAME_LABEL];
    if (!name) continue;
    const key = `${slice.metadata.namespace}/${name}`;
    const known = bySource.get(key);
    if (known) known.push(slice);
    else bySource.set(key, [slice]);
  }
  return services.flatMap((service) =>
    rulesOfService(
      service,
      bySource.get(`${service.metadata.namespace}/${service.metadata.name}`) ?? [],
      nodeName,
    ),
  );
}

/** Rules of one service and its own slices: none for ExternalName and headless services. */
function rulesOfService(
  service: Service,
  slices: readonly EndpointSlice[],
  nodeName: string,
): ServicePortRule[] {
  const { spec, metadata } = service;
  if (!spec || spec.type === 'ExternalName' || metadata.labels?.[PROXY_NAME_LABEL] !== undefined) return [];
  const clusterIps = (spec.clusterIPs ?? [spec.clusterIP ?? '']).filter((ip) => parseAddress(ip));
  if (clusterIps.length === 0) return [];
  const addresses = [...clusterIps, ...(spec.externalIPs ?? []), ...loadBalancerIps(service)];
  const affinity = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? DEFAULT_AFFINITY_SECONDS;
  return (spec.ports ?? []).flatMap((port): ServicePortRule[] => {
    const protocol = port.protocol ?? 'TCP';
    if (protocol !== 'TCP' && protocol !== 'UDP') return [];
    return [
      {
        name: `${metadata.namespace}/${metadata.name}${port.name ? `:${port.name}` : ''}`,
        protocol,
        addresses: [...new Set(addresses)],
        port: port.port,
        ...(port.nodePort && spec.type !== 'ClusterIP' && { nodePort: port.nodePort }),
        endpoints: endpointsOf(port, slices, nodeName),
        sessionAffinitySeconds: spec.sessionAffinity === 'ClientIP' ? affinity : 0,
        externalTrafficPolicyLocal: spec.externalTrafficPolicy === 'Local',
        internalTrafficPolicyLocal: spec.internalTrafficPolicy === 'Local',
      },
    ];
  });
}

function loadBalancerIps(service: Service): string[] {
  return (service.status?.loadBalancer?.ingress ?? []).flatMap(({ ip, ipMode }) =>
    ip && ipMode !== 'Proxy' ? [ip] : [],
  );
}

/** Ready endpoints, or, when there is none, those that still serve while they terminate. Sorted, each once. */
function endpointsOf(port: ServicePort, slices: readonly EndpointSlice[], nodeName: string): Endpoint[] {
  const ready = new Map<string, Endpoint>();
  const leaving = new Map<string, Endpoint>();
  for (const slice of slices) {
    if (slice.addressType === 'FQDN') continue;
    const target = (slice.ports ?? []).find(
      (each) =>
        (each.name ?? '') === (port.name ?? '') && (each.protocol ?? 'TCP') === (port.protocol ?? 'TCP'),
    );
    if (!target?.port) continue;
    for (const { addresses, conditions, nodeName: at } of slice.endpoints ?? []) {
      // The addresses of one endpoint are fungible: the first stands for it.
      const address = addresses[0];
      if (!address || !parseAddress(address)) continue;
      const isReady = conditions?.ready !== false;
      const isLeaving = !isReady && conditions?.terminating === true && conditions.serving === true;
      if (!isReady && !isLeaving) continue;
      const endpoint = { address, port: target.port, local: at !== undefined && at === nodeName };
      (isReady ? ready : leaving).set(`${address} ${target.port}`, endpoint);
    }
  }
  const chosen = ready.size > 0 ? ready : leaving;
  return [...chosen.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, endpoint]) => endpoint);
}
