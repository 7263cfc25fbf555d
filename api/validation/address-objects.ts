/** Addresses and ranges of services as objects. Source: Kubernetes API reference, IPAddress, ServiceCIDR. */
import {
  type Address,
  canonicalAddress,
  cidrContains,
  formatAddress,
  parseAddress,
  parseCidr,
} from '#machinery/values/cidr.ts';
import type { IPAddress, ServiceCIDR } from '../objects.ts';
import type { Faults } from './faults.ts';
import { dnsSubdomainFaults, type NameRule, pathSegmentFaults } from './names.ts';
import { CIDR_RULE } from './network-policy.ts';
import { IP_RULE } from './pod-spec.ts';
import { checkPathPart } from './references.ts';

/** ::ffff:a.b.c.d, which some programs take for a.b.c.d. */
const MAPPED = parseCidr('::ffff:0:0/96')!;

function isMapped(address: Address): boolean {
  return cidrContains(MAPPED, address);
}

/** `010.0.0.1`: decimal for some programs, octal for others. */
function hasLeadingZeros(text: string): boolean {
  const plain = text.replaceAll(/(?<![0-9a-fA-F:.])0+(?=[0-9])|(?<=\.)0+(?=[0-9])/g, '');
  return plain !== text && parseAddress(plain) !== undefined;
}

/** The name of an IPAddress is the address, written in the one way that all programs write it. */
export const isAddressName: NameRule = (name) => {
  const address = parseAddress(name);
  if (!address) return [hasLeadingZeros(name) ? 'must not have leading 0s' : IP_RULE];
  if (isMapped(address)) return ['must not be an IPv4-mapped IPv6 address'];
  const canonical = formatAddress(address);
  return name === canonical ? [] : [canonicalRule(canonical)];
};

function canonicalRule(canonical: string): string {
  return `must be in canonical form (${JSON.stringify(canonical)})`;
}

export function checkIpAddress({ spec }: IPAddress, faults: Faults): void {
  const parent = spec?.parentRef;
  if (!parent) {
    faults.required('spec.parentRef');
    return;
  }
  const at = 'spec.parentRef';
  const { group, resource, namespace, name } = parent;
  if (group) faults.invalidFor(`${at}.group`, group, dnsSubdomainFaults(group));
  checkPathPart(resource, `${at}.resource`, faults);
  checkPathPart(name, `${at}.name`, faults);
  if (namespace) faults.invalidFor(`${at}.namespace`, namespace, pathSegmentFaults(namespace));
}

const CIDRS = 'spec.cidrs';

export function checkServiceCidr({ spec }: ServiceCIDR, faults: Faults): void {
  const cidrs = spec?.cidrs ?? [];
  if (cidrs.length === 0) {
    faults.required(CIDRS, 'at least one CIDR required');
    return;
  }
  if (cidrs.length > 2) {
    faults.invalid(CIDRS, spec, 'may only hold up to 2 values');
    return;
  }
  for (const [index, cidr] of cidrs.entries())
    faults.invalidFor(`${CIDRS}[${index}]`, cidr, cidrFaults(cidr));
  const [first, second] = cidrs.map((cidr) => parseCidr(cidr)?.family);
  if (cidrs.length === 2 && first !== undefined && first === second) {
    const detail = 'may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64';
    faults.invalid(CIDRS, cidrs, detail);
  }
}

function cidrFaults(text: string): readonly string[] {
  const [base = '', prefix = ''] = text.split('/');
  const cidr = parseCidr(text);
  if (!cidr) {
    const plain = prefix.replace(/^0+(?=[0-9])/, '');
    const isReadable = parseAddress(base) !== undefined || hasLeadingZeros(base);
    const zeros = isReadable && parseCidr(`${parseAddress(base) ? base : '0.0.0.0'}/${plain}`) !== undefined;
    return [zeros ? 'must not have leading 0s in IP or prefix length' : CIDR_RULE];
  }
  const address = parseAddress(base)!;
  if (isMapped(address)) return ['must not have an IPv4-mapped IPv6 address'];
  if (address.value !== cidr.base) return ['must not have bits set beyond the prefix length'];
  const canonical = `${canonicalAddress(base)}/${cidr.prefix}`;
  return text === canonical ? [] : [canonicalRule(canonical)];
}

/** A range stays; one of the other family may be added to a single one. */
export function checkServiceCidrUpdate({ spec }: ServiceCIDR, old: ServiceCIDR, faults: Faults): void {
  const now = spec?.cidrs ?? [];
  const before = old.spec?.cidrs ?? [];
  const isAddition = before.length === 1 && now.length === 2;
  if (now.length !== before.length && !isAddition) {
    faults.immutable(CIDRS, now, before);
    return;
  }
  for (const [index, cidr] of before.entries()) faults.immutable(`${CIDRS}[${index}]`, now[index], cidr);
}
