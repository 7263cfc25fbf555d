/** Services. Source: Kubernetes API reference, ServiceSpec. */
import { parseAddress, parseCidr } from '#machinery/values/cidr.ts';
import type { Service, ServicePort } from '../objects.ts';
import {
  isExternallyAccessible,
  isHeadless,
  needsClusterIP,
  needsHealthCheckPort,
} from '../semantics/services.ts';
import { PROTOCOLS } from './container.ts';
import type { Faults } from './faults.ts';
import { dnsLabelFaults, dnsSubdomainFaults, portNumberFaults, qualifiedNameFaults } from './names.ts';
import { checkLabels } from './object-meta.ts';
import { checkIp } from './pod-spec.ts';
import { checkPort } from './probe.ts';
import { specialAddressFaults } from './special-address.ts';

type Spec = NonNullable<Service['spec']>;

const TYPES = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'];
const AFFINITIES = ['ClientIP', 'None'];
const POLICIES = ['Cluster', 'Local'];
const DISTRIBUTIONS = ['PreferClose', 'PreferSameNode', 'PreferSameZone'];
const FAMILIES = ['IPv4', 'IPv6'];
const FAMILY_POLICIES = ['PreferDualStack', 'RequireDualStack', 'SingleStack'];
/** One day. */
const AFFINITY_SECONDS_MAX = 86_400;

export function checkService(service: Service, faults: Faults): void {
  const spec = service.spec ?? {};
  const ports = spec.ports ?? [];
  if (ports.length === 0 && !isHeadless(spec) && needsClusterIP(spec)) faults.required('spec.ports');
  if ((spec.type === 'LoadBalancer' || spec.type === 'NodePort') && isHeadless(spec)) {
    faults.invalid('spec.clusterIPs[0]', 'None', `may not be set to 'None' for ${spec.type} services`);
  }
  if (spec.type === 'ExternalName') checkExternalName(spec, faults);
  const names = new Set<string>();
  for (const [index, port] of ports.entries())
    checkServicePort(port, ports.length > 1, names, `spec.ports[${index}]`, faults);
  checkLabels(spec.selector, 'spec.selector', faults);
  faults.oneOf('spec.sessionAffinity', spec.sessionAffinity, AFFINITIES);
  checkAffinityConfig(spec, faults);
  checkClusterIPs(spec, faults);
  for (const [index, ip] of (spec.externalIPs ?? []).entries())
    checkExternalIp(ip, `spec.externalIPs[${index}]`, faults);
  faults.oneOf('spec.type', spec.type, TYPES);
  checkUniquePorts(spec, ports, faults);
  checkLoadBalancer(spec, faults);
  checkPolicies(spec, faults);
}

function checkExternalName(spec: Spec, faults: Faults): void {
  for (const part of ['clusterIPs', 'ipFamilies', 'ipFamilyPolicy'] as const) {
    if (spec[part]?.length) faults.forbidden(`spec.${part}`, 'may not be set for ExternalName services');
  }
  const name = (spec.externalName ?? '').replace(/\.$/, '');
  if (!name) faults.required('spec.externalName');
  else faults.invalidFor('spec.externalName', name, dnsSubdomainFaults(name));
}

function checkServicePort(
  port: ServicePort,
  named: boolean,
  names: Set<string>,
  at: string,
  faults: Faults,
): void {
  if (port.name) {
    faults.invalidFor(`${at}.name`, port.name, dnsLabelFaults(port.name));
    if (names.has(port.name)) faults.duplicate(`${at}.name`, port.name);
    names.add(port.name);
  } else if (named) faults.required(`${at}.name`);
  faults.invalidFor(`${at}.port`, port.port ?? 0, portNumberFaults(port.port ?? 0));
  faults.oneOf(`${at}.protocol`, port.protocol, PROTOCOLS);
  checkPort(port.targetPort, `${at}.targetPort`, faults);
  if (port.appProtocol !== undefined) {
    faults.invalidFor(`${at}.appProtocol`, port.appProtocol, qualifiedNameFaults(port.appProtocol));
  }
}

function checkAffinityConfig(spec: Spec, faults: Faults): void {
  if (spec.sessionAffinity !== 'ClientIP') return;
  const seconds = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? 0;
  if (seconds > 0 && seconds <= AFFINITY_SECONDS_MAX) return;
  const detail = `must be greater than 0 and less than ${AFFINITY_SECONDS_MAX}`;
  faults.invalid('spec.sessionAffinityConfig.clientIP.timeoutSeconds', seconds, detail);
}

function checkClusterIPs(spec: Spec, faults: Faults): void {
  if (!needsClusterIP(spec)) return;
  const ips = spec.clusterIPs ?? [];
  if (ips.length > 0 && spec.clusterIP !== ips[0]) {
    faults.invalid('spec.clusterIPs', ips, 'first value must match `clusterIP`');
  }
  checkFamilies(spec, faults);
  const before = faults.list.length;
  for (const [index, ip] of ips.entries()) {
    if (index > 0 || ip !== 'None') checkIp(ip, `spec.clusterIPs[${index}]`, faults);
    else if (ips.length > 1)
      faults.invalid('spec.clusterIPs', ips, "'None' must be the first and only value");
  }
  const areSound = faults.list.length === before;
  if (ips.length > 2) faults.invalid('spec.clusterIPs', ips, 'may only hold up to 2 values');
  if (!areSound || isHeadless(spec)) return;
  // Service addresses come from one range, of one family, so far.
  if (spec.ipFamilyPolicy === 'RequireDualStack') {
    const detail = 'this cluster is not configured for dual-stack services';
    faults.invalid('spec.ipFamilyPolicy', spec.ipFamilyPolicy, detail);
  }
  if (ips.length > 1 && new Set(ips.map((ip) => ip.includes(':'))).size < 2)
    faults.invalid('spec.clusterIPs', ips, 'may specify no more than one IP for each IP family');
  checkFamilyOfEach(ips, spec.ipFamilies ?? [], faults);
}

function checkFamilies({ ipFamilies = [], ipFamilyPolicy }: Spec, faults: Faults): void {
  for (const [index, family] of ipFamilies.entries()) {
    if (!FAMILIES.includes(family)) faults.notSupported(`spec.ipFamilies[${index}]`, family, FAMILIES);
    if (ipFamilies.indexOf(family) < index) faults.duplicate(`spec.ipFamilies[${index}]`, family);
  }
  if (ipFamilyPolicy !== undefined && !FAMILY_POLICIES.includes(ipFamilyPolicy)) {
    faults.notSupported('spec.ipFamilyPolicy', ipFamilyPolicy, FAMILY_POLICIES);
  }
}

function checkFamilyOfEach(ips: string[], families: string[], faults: Faults): void {
  for (const [index, ip] of ips.entries()) {
    const family = families[index] ?? '';
    if (!FAMILIES.includes(family) || (family === 'IPv6') === ip.includes(':')) continue;
    const detail = `expected an ${family} value as indicated by \`ipFamilies[${index}]\``;
    faults.invalid(`spec.clusterIPs[${index}]`, ip, detail);
  }
}

/** Addresses that mean this host or no host lead nowhere. */
function checkExternalIp(ip: string, field: string, faults: Faults): void {
  if (!parseAddress(ip)) {
    checkIp(ip, field, faults);
    return;
  }
  faults.invalidFor(field, ip, specialAddressFaults(ip));
}

function checkUniquePorts(spec: Spec, ports: ServicePort[], faults: Faults): void {
  const at = (index: number) => `spec.ports[${index}]`;
  if (spec.type === 'ClusterIP')
    for (const [index, { nodePort }] of ports.entries())
      if (nodePort) faults.forbidden(`${at(index)}.nodePort`, "may not be used when `type` is 'ClusterIP'");
  const nodePorts = new Set<string>();
  for (const [index, { nodePort, protocol }] of ports.entries()) {
    if (!nodePort) continue;
    const pair = `${protocol}/${nodePort}`;
    if (nodePorts.has(pair)) faults.duplicate(`${at(index)}.nodePort`, nodePort);
    nodePorts.add(pair);
  }
  const seen = new Set<string>();
  for (const [index, { port, protocol }] of ports.entries()) {
    if (seen.has(`${protocol}/${port}`)) faults.duplicate(at(index), { protocol, port });
    seen.add(`${protocol}/${port}`);
  }
}

const LOAD_BALANCER_ONLY = "may only be used when `type` is 'LoadBalancer'";

function checkLoadBalancer(spec: Spec, faults: Faults): void {
  const balanced = spec.type === 'LoadBalancer';
  // Kubernetes spells this path with a capital letter.
  const field = 'spec.LoadBalancerSourceRanges';
  const ranges = spec.loadBalancerSourceRanges ?? [];
  if (ranges.length > 0 && !balanced) faults.forbidden(field, LOAD_BALANCER_ONLY);
  for (const [index, range] of ranges.entries()) {
    if (parseCidr(range.trim())) continue;
    const detail = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)';
    faults.invalid(`${field}[${index}]`, range, detail);
  }
  if (spec.allocateLoadBalancerNodePorts !== undefined && !balanced) {
    faults.forbidden('spec.allocateLoadBalancerNodePorts', LOAD_BALANCER_ONLY);
  }
  const name = spec.loadBalancerClass;
  if (name === undefined) return;
  if (balanced) faults.invalidFor('spec.loadBalancerClass', name, qualifiedNameFaults(name));
  else faults.forbidden('spec.loadBalancerClass', LOAD_BALANCER_ONLY);
}

function checkPolicies(spec: Spec, faults: Faults): void {
  const field = 'spec.externalTrafficPolicy';
  if (isExternallyAccessible(spec)) faults.oneOf(field, spec.externalTrafficPolicy, POLICIES);
  else if (spec.externalTrafficPolicy) {
    faults.invalid(field, spec.externalTrafficPolicy, 'may only be set for externally-accessible services');
  }
  checkHealthPort(spec, faults);
  const { internalTrafficPolicy: internal, trafficDistribution: distribution } = spec;
  if (internal !== undefined && !POLICIES.includes(internal))
    faults.notSupported('spec.internalTrafficPolicy', internal, POLICIES);
  if (distribution !== undefined && !DISTRIBUTIONS.includes(distribution))
    faults.notSupported('spec.trafficDistribution', distribution, DISTRIBUTIONS);
}

/** One is given to each service that needs it. */
function checkHealthPort(spec: Spec, faults: Faults): void {
  const field = 'spec.healthCheckNodePort';
  const port = spec.healthCheckNodePort;
  if (!port) return;
  if (needsHealthCheckPort(spec)) faults.invalidFor(field, port, portNumberFaults(port));
  else {
    const detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
    faults.invalid(field, port, detail);
  }
}

const ONCE = 'may not change once set';

/** An address, once given, stays until the type has no use for one. */
export function checkServiceUpdate(service: Service, old: Service, faults: Faults): void {
  const spec = service.spec ?? {};
  const before = old.spec ?? {};
  if (needsClusterIP(spec) && needsClusterIP(before)) checkAddressesUpdate(spec, before, faults);
  if (spec.type === 'LoadBalancer' && before.type === 'LoadBalancer')
    faults.immutable('spec.loadBalancerClass', spec.loadBalancerClass, before.loadBalancerClass, ONCE);
  const needsPort = needsHealthCheckPort(spec) && needsHealthCheckPort(before);
  if (needsPort && spec.healthCheckNodePort !== before.healthCheckNodePort)
    faults.forbidden('spec.healthCheckNodePort', 'field is immutable');
}

function checkAddressesUpdate(spec: Spec, before: Spec, faults: Faults): void {
  if (isHeadless(spec) && isHeadless(before)) return;
  const { clusterIPs = [], ipFamilies = [] } = spec;
  for (const [index, ip] of (before.clusterIPs ?? []).entries())
    if (index < clusterIPs.length && clusterIPs[index] !== ip)
      faults.invalid(`spec.clusterIPs[${index}]`, clusterIPs, ONCE);
  if (isHeadless(spec) !== isHeadless(before)) return;
  for (const [index, family] of (before.ipFamilies ?? []).entries())
    if (index < ipFamilies.length && ipFamilies[index] !== family)
      faults.invalid('spec.ipFamilies[0]', ipFamilies, ONCE);
}
