/** What load balancers say of themselves. Source: Kubernetes API reference, LoadBalancerStatus, LoadBalancerIngress. */
import { parseAddress } from '#machinery/values/cidr.ts';
import type { Service } from '../objects.ts';
import type { Faults } from './faults.ts';
import { dnsSubdomainFaults } from './names.ts';
import { checkIp } from './pod-spec.ts';

const IP_MODES = ['Proxy', 'VIP'];

/** Where a balancer lets traffic in to a service; the mode of each address has a default. */
export function checkServiceStatus({ spec, status }: Service, faults: Faults): void {
  const field = 'status.loadBalancer.ingress';
  const points = status?.loadBalancer?.ingress ?? [];
  if (points.length > 0 && spec?.type !== 'LoadBalancer') {
    faults.forbidden(field, "may only be used when `spec.type` is 'LoadBalancer'");
    return;
  }
  for (const [index, { ip, ipMode, hostname }] of points.entries()) {
    const at = `${field}[${index}]`;
    if (ip) checkIp(ip, `${at}.ip`, faults);
    if (ipMode !== undefined && !ip)
      faults.forbidden(`${at}.ipMode`, 'may not be specified when `ip` is not set');
    else if (ipMode !== undefined && !IP_MODES.includes(ipMode))
      faults.notSupported(`${at}.ipMode`, ipMode, IP_MODES);
    if (hostname) checkBalancerName(hostname, `${at}.hostname`, faults);
  }
}

/** A name, and no address in the place of one. */
export function checkBalancerName(name: string, field: string, faults: Faults): void {
  faults.invalidFor(field, name, dnsSubdomainFaults(name));
  if (parseAddress(name)) faults.invalid(field, name, 'must be a DNS name, not an IP address');
}
