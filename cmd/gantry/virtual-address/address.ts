import type { NetworkInterfaceInfo } from 'node:os';
import { InvalidArgumentError, Option } from 'commander';
import {
  type Address,
  canonicalAddress,
  cidrContains,
  formatAddress,
  formatCidr,
  parseAddress,
  parseCidr,
} from '#machinery/values/cidr.ts';
import type { Settings } from '../options.ts';

/** An address that one server at a time has, on the link of its subnet. */
export interface VirtualAddress {
  address: string;
  /** The interface, when the first on whose subnet it is will not do. */
  link?: string;
}

/** What no subnet of machines holds: this network, loopback, link-local, multicast and reserved. */
const NEVER = [
  '0.0.0.0/8',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '224.0.0.0/3',
  '::/127',
  'fe80::/10',
  'ff00::/8',
];

/** `192.0.2.100` or `192.0.2.100%eth0`; undefined: it is none. */
export function parseVirtualAddress(text: string): VirtualAddress | undefined {
  const [, address = '', link] = /^([^%]+)(?:%([^%/\s]{1,15}))?$/.exec(text) ?? [];
  const parsed = parseAddress(address);
  if (!parsed || NEVER.some((cidr) => cidrContains(parseCidr(cidr)!, parsed))) return undefined;
  return { address: formatAddress(parsed), ...(link && { link }) };
}

export function virtualAddressOption(): Option {
  return new Option(
    '--virtual-address <ip[%interface]>',
    'an address that one server at a time has, on the interface of its subnet: one address for all of them (repeatable)',
  )
    .argParser((text, before: VirtualAddress[]) => {
      const found = parseVirtualAddress(text);
      if (!found)
        throw new InvalidArgumentError('write it as 192.0.2.100, 2001:db8::100 or 192.0.2.100%eth0.');
      return [...before, found];
    })
    .default([], 'none');
}

/** The flags again as arguments. */
export function virtualAddressArguments(addresses: readonly VirtualAddress[]): string[][] {
  return addresses.map(({ address, link }) => ['--virtual-address', link ? `${address}%${link}` : address]);
}

/** Those of the cluster as this machine says them: it may name another interface, and more addresses. */
export function mergeVirtualAddresses(
  ofCluster: readonly VirtualAddress[],
  own: readonly VirtualAddress[],
): VirtualAddress[] {
  const named = new Set(own.map(({ address }) => address));
  return [...ofCluster.filter(({ address }) => !named.has(address)), ...own];
}

/** Why these settings cannot be, whatever machine it is; undefined when they can. */
export function clusterFault(
  settings: Pick<Settings, 'virtualAddress' | 'podCidr' | 'serviceCidr' | 'advertiseAddress'>,
): string | undefined {
  const { podCidr, serviceCidr, advertiseAddress } = settings;
  for (const { address } of settings.virtualAddress) {
    const parsed = parseAddress(address)!;
    for (const [cidr, whose] of [
      [podCidr, 'pods'],
      [serviceCidr, 'Services'],
    ] as const)
      if (cidrContains(parseCidr(cidr)!, parsed))
        return `the virtual address ${address} is among those of ${whose} (${cidr})`;
    if (canonicalAddress(advertiseAddress) === address)
      return `the virtual address ${address} is this machine's own: take one that no machine has`;
  }
  return undefined;
}

/** Interfaces and what they have, as node:os tells it. */
export type Interfaces = NodeJS.Dict<Pick<NetworkInterfaceInfo, 'address' | 'cidr' | 'internal'>[]>;

/**
 * The interface where the address belongs: one with a subnet that contains it, and the smallest of those. `ownPrefix`: of the names of
 * bridges and devices of pods.
 */
export function linkOf(
  { address, link }: VirtualAddress,
  interfaces: Interfaces,
  ownPrefix: string,
): { link: string } | { why: string } {
  const parsed = parseAddress(address)!;
  let best: { link: string; prefix: number } | undefined;
  for (const [name, each] of Object.entries(interfaces)) {
    if (name.startsWith(ownPrefix) || (link !== undefined && name !== link)) continue;
    for (const one of each ?? []) {
      const subnet = one.internal ? undefined : parseCidr(one.cidr ?? '');
      if (!subnet || !cidrContains(subnet, parsed) || isHost(subnet)) continue;
      if (canonicalAddress(one.address) === address) return { why: `${address} is this machine's own` };
      if (isEdge(formatCidr(subnet), parsed))
        return { why: `${address} is the first or last of ${one.cidr}` };
      if (!best || subnet.prefix > best.prefix) best = { link: name, prefix: subnet.prefix };
    }
  }
  if (best) return { link: best.link };
  const where = link === undefined ? 'no interface of this machine' : `the interface ${link} of this machine`;
  return { why: `${where} has a subnet that contains ${address}` };
}

function isHost({ family, prefix }: { family: 4 | 6; prefix: number }): boolean {
  return prefix === (family === 4 ? 32 : 128);
}

/** The network itself, or all that are in it. */
function isEdge(subnet: string, { family, value }: Address): boolean {
  const { base, prefix } = parseCidr(subnet)!;
  const size = 1n << BigInt((family === 4 ? 32 : 128) - prefix);
  if (size <= 2n) return false;
  return value === base || (family === 4 && value === base + size - 1n);
}
