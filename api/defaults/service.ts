/** Defaults of services and what an update takes over. Source: Kubernetes API reference, ServiceSpec. */
import type { Service, ServicePort } from '../objects.ts';
import {
  isExternallyAccessible,
  isHeadless,
  needsClusterIP,
  needsHealthCheckPort,
  needsNodePorts,
} from '../semantics/services.ts';

/** Three hours: how long a client keeps its endpoint with session affinity. */
const AFFINITY_SECONDS = 10_800;

type Spec = NonNullable<Service['spec']>;

export function defaultService(service: Service): void {
  service.spec ??= {};
  service.status ??= { loadBalancer: {} };
  service.status.loadBalancer ??= {};
  const { spec } = service;
  spec.type ||= 'ClusterIP';
  spec.sessionAffinity ||= 'None';
  if (spec.sessionAffinity === 'None') delete spec.sessionAffinityConfig;
  if (spec.sessionAffinity === 'ClientIP') {
    spec.sessionAffinityConfig ??= {};
    spec.sessionAffinityConfig.clientIP ??= {};
    spec.sessionAffinityConfig.clientIP.timeoutSeconds ??= AFFINITY_SECONDS;
  }
  for (const port of spec.ports ?? []) {
    port.protocol ||= 'TCP';
    port.targetPort ||= port.port;
  }
  if (needsClusterIP(spec)) spec.internalTrafficPolicy ??= 'Cluster';
  if (isExternallyAccessible(spec)) spec.externalTrafficPolicy ||= 'Cluster';
  if (spec.type === 'LoadBalancer') {
    spec.allocateLoadBalancerNodePorts ??= true;
    for (const point of service.status.loadBalancer.ingress ?? []) if (point.ip) point.ipMode ??= 'VIP';
  }
  pairAddresses(spec);
}

/** Before the first write. */
export function prepareServiceForCreate(service: Service): void {
  service.status = { loadBalancer: {} };
  fillFamilies(service.spec!);
}

/** What was allocated stays when an update does not mention it, and goes when the type no longer has a use for it. */
export function prepareServiceForUpdate(service: Service, old: Service): void {
  const spec = service.spec!;
  const before = old.spec ?? {};
  if (needsClusterIP(spec) && needsClusterIP(before)) {
    if (!spec.clusterIP) spec.clusterIP = before.clusterIP;
    // Of the two forms the one that was changed counts.
    if (spec.clusterIP !== spec.clusterIPs?.[0] || !spec.clusterIPs?.length) {
      spec.clusterIPs =
        spec.clusterIP === before.clusterIP
          ? before.clusterIPs
          : spec.clusterIP
            ? [spec.clusterIP]
            : undefined;
    }
    spec.ipFamilies ??= before.ipFamilies;
    spec.ipFamilyPolicy ??= before.ipFamilyPolicy;
  } else if (!needsClusterIP(spec) && spec.clusterIP === before.clusterIP) dropAddresses(spec);
  if (needsNodePorts(spec) && needsNodePorts(before)) keepNodePorts(spec.ports ?? [], before.ports ?? []);
  else if (!needsNodePorts(spec) && needsNodePorts(before))
    dropNodePorts(spec.ports ?? [], before.ports ?? []);
  if (needsHealthCheckPort(before)) keepHealthCheckPort(spec, before);
  if (spec.type !== 'LoadBalancer' && before.type === 'LoadBalancer') {
    delete spec.allocateLoadBalancerNodePorts;
    delete spec.loadBalancerClass;
  }
  if (!isExternallyAccessible(spec) && spec.externalTrafficPolicy === before.externalTrafficPolicy) {
    delete spec.externalTrafficPolicy;
  }
  fillFamilies(spec);
}

/** Sets the address families from the addresses; the server does so again when it has allocated one. */
function fillFamilies(spec: Spec): void {
  if (!needsClusterIP(spec)) return;
  if (isHeadless(spec)) {
    // Without a selector nobody knows the family of the endpoints to come.
    const open = !spec.selector || Object.keys(spec.selector).length === 0;
    spec.ipFamilyPolicy ??= open ? 'RequireDualStack' : 'SingleStack';
    spec.ipFamilies ??= spec.ipFamilyPolicy === 'RequireDualStack' ? ['IPv4', 'IPv6'] : ['IPv4'];
    return;
  }
  if (!spec.clusterIPs?.length) return;
  spec.ipFamilies ??= spec.clusterIPs.map((ip) => (ip.includes(':') ? 'IPv6' : 'IPv4'));
  spec.ipFamilyPolicy ??= spec.clusterIPs.length > 1 ? 'RequireDualStack' : 'SingleStack';
}

function pairAddresses(spec: Spec): void {
  if (spec.clusterIP && !spec.clusterIPs?.length) spec.clusterIPs = [spec.clusterIP];
  else if (!spec.clusterIP && spec.clusterIPs?.length) spec.clusterIP = spec.clusterIPs[0];
}

function dropAddresses(spec: Spec): void {
  delete spec.clusterIP;
  delete spec.clusterIPs;
  delete spec.ipFamilies;
  delete spec.ipFamilyPolicy;
}

function keepNodePorts(ports: ServicePort[], before: ServicePort[]): void {
  const taken = new Set(ports.map((port) => port.nodePort).filter(Boolean));
  for (const port of ports) {
    if (port.nodePort) continue;
    const known = before.find((other) => (other.name ?? '') === (port.name ?? ''))?.nodePort;
    if (known && !taken.has(known)) port.nodePort = known;
  }
}

function keepHealthCheckPort(spec: Spec, before: Spec): void {
  if (needsHealthCheckPort(spec)) spec.healthCheckNodePort ||= before.healthCheckNodePort;
  else if (spec.healthCheckNodePort === before.healthCheckNodePort) delete spec.healthCheckNodePort;
}

function dropNodePorts(ports: ServicePort[], before: ServicePort[]): void {
  const known = new Set(before.map((port) => port.nodePort));
  for (const port of ports) if (known.has(port.nodePort)) delete port.nodePort;
}
