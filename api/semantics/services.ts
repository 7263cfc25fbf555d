/** What kinds of services there are, and which numbers each needs from the cluster's pools. */
import type { AllocationRequest } from '../kind.ts';
import type { Service } from '../objects.ts';

/** Which address of the Service range the cluster's DNS server has: the tenth, as every Kubernetes installer has it. */
export const DNS_ADDRESS_INDEX = 10;

type Spec = NonNullable<Service['spec']>;

/** A service without a virtual address: DNS gives the addresses of its pods. */
export function isHeadless(spec: Spec): boolean {
  return spec.clusterIP === 'None' || spec.clusterIPs?.[0] === 'None';
}

/** Whether the type goes with an address of its own (which may be None). */
export function needsClusterIP(spec: Spec): boolean {
  return spec.type !== 'ExternalName';
}

/** Whether each port is also open on every node. */
export function needsNodePorts(spec: Spec): boolean {
  return (
    spec.type === 'NodePort' || (spec.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts !== false)
  );
}

/** Whether traffic from outside the cluster can reach it. */
export function isExternallyAccessible(spec: Spec): boolean {
  return (
    spec.type === 'NodePort' ||
    spec.type === 'LoadBalancer' ||
    (spec.type === 'ClusterIP' && (spec.externalIPs ?? []).length > 0)
  );
}

/** Whether load balancers ask a node port whether the node has endpoints. */
export function needsHealthCheckPort(spec: Spec): boolean {
  return spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local';
}

/** Addresses and ports that a write of a service takes from the pools and gives back. */
export function serviceAllocations(
  service: Service | undefined,
  old: Service | undefined,
): AllocationRequest[] {
  const held = heldBy(old?.spec);
  const requests = service?.spec
    ? [...addressClaims(service.spec, held), ...portClaims(service.spec, held)]
    : [];
  const kept = heldBy(service?.spec);
  for (const pool of ['clusterIP', 'nodePort'] as const) {
    for (const value of held[pool])
      if (!kept[pool].has(value)) requests.push({ type: 'release', pool, value });
  }
  return requests;
}

interface Held {
  clusterIP: Set<string>;
  nodePort: Set<string>;
}

function heldBy(spec: Spec | undefined): Held {
  const held: Held = { clusterIP: new Set(), nodePort: new Set() };
  if (!spec) return held;
  if (needsClusterIP(spec) && !isHeadless(spec))
    for (const ip of spec.clusterIPs ?? []) held.clusterIP.add(ip);
  // A port that the type does not need was never claimed.
  if (needsNodePorts(spec)) {
    for (const { nodePort } of spec.ports ?? []) if (nodePort) held.nodePort.add(String(nodePort));
  }
  if (needsHealthCheckPort(spec) && spec.healthCheckNodePort)
    held.nodePort.add(String(spec.healthCheckNodePort));
  return held;
}

function addressClaims(spec: Spec, held: Held): AllocationRequest[] {
  if (!needsClusterIP(spec) || isHeadless(spec)) return [];
  const field = 'spec.clusterIPs';
  const wanted = spec.clusterIPs ?? [];
  if (wanted.length === 0) {
    return [{ type: 'claim', pool: 'clusterIP', field, assign: (ip) => assignAddress(spec, ip) }];
  }
  return wanted
    .filter((ip) => !held.clusterIP.has(ip))
    .map((ip) => ({ type: 'claim', pool: 'clusterIP', wanted: ip, field, assign: () => {} }));
}

function assignAddress(spec: Spec, ip: string): void {
  spec.clusterIP = ip;
  spec.clusterIPs = [ip];
  spec.ipFamilies = [ip.includes(':') ? 'IPv6' : 'IPv4'];
  spec.ipFamilyPolicy ??= 'SingleStack';
}

function portClaims(spec: Spec, held: Held): AllocationRequest[] {
  const claims: AllocationRequest[] = [];
  const wanted = new Set(held.nodePort);
  const ports = needsNodePorts(spec) ? (spec.ports ?? []) : [];
  for (const [index, port] of ports.entries()) {
    const field = `spec.ports[${index}].nodePort`;
    if (port.nodePort) {
      const value = String(port.nodePort);
      // TCP and UDP of one service may share a number: one claim.
      if (!wanted.has(value))
        claims.push({ type: 'claim', pool: 'nodePort', wanted: value, field, assign: () => {} });
      wanted.add(value);
      continue;
    }
    const twin = ports
      .slice(0, index)
      .find((other) => other.port === port.port && other.protocol !== port.protocol);
    if (twin?.nodePort) {
      port.nodePort = twin.nodePort;
      continue;
    }
    if (twin) continue;
    const twins = ports.filter((other) => other.port === port.port && !other.nodePort);
    const assign = (value: string) => {
      for (const each of twins) each.nodePort = Number(value);
    };
    claims.push({ type: 'claim', pool: 'nodePort', field, assign });
  }
  if (needsHealthCheckPort(spec)) {
    const field = 'spec.healthCheckNodePort';
    const value = spec.healthCheckNodePort ? String(spec.healthCheckNodePort) : undefined;
    const assign = (given: string) => {
      spec.healthCheckNodePort = Number(given);
    };
    if (value === undefined || !wanted.has(value)) {
      claims.push({ type: 'claim', pool: 'nodePort', ...(value && { wanted: value }), field, assign });
    }
  }
  return claims;
}
