import {
  type Address,
  type Cidr,
  canonicalAddress,
  cidrContains,
  type Family,
  formatAddress,
  parseAddress,
  parseCidr,
} from '#machinery/values/cidr.ts';
import type { NodeState } from '../audit.ts';
import type { NodeNetworkConfig, NodePeer } from '../contract.ts';
import type { Link, Route } from '../netlink/route.ts';

/** How another node is reached, by the routes that the kernel has now: pure. */
export type Way =
  /** It is on the subnet of `link`. `mtu`: bytes of a packet that goes through as it is. */
  | { kind: 'direct'; gateway: string; link: string; mtu: number }
  | { kind: 'vxlan'; to: string; mtu: number }
  | { kind: 'none'; why: string };

/** Of an outer IP header (20 or 40), UDP (8), VXLAN (8) and the inner Ethernet header (14). */
const OVERHEAD: Record<Family, number> = { 4: 50, 6: 70 };
/** When no uplink says otherwise: Ethernet's. */
const DEFAULT_MTU = 1500;
/** Loopback has 65536; Ethernet frames do not get that large. */
const MAX_MTU = 9216;
/** Below it a link has no IPv6 (RFC 8200), and IPv4 no sense (RFC 791). */
const MIN_MTU: Record<Family, number> = { 4: 576, 6: 1280 };

/** Finds the way to the blocks of one family of a peer's pods. What holds for all peers is worked out once. */
export function waysOf(config: NodeNetworkConfig, state: NodeState): (peer: NodePeer, family: Family) => Way {
  const { instance } = config;
  const own = ownAddress(config);
  const table = routeTable(config, state);
  const isUsable = usability(config, state);
  const links = new Map(state.links.map((link) => [link.index, link]));
  const smallest = smallestMtu(config);
  /** The link on whose subnet the address is. */
  const linkTo = (address: Address): Link | undefined => {
    const best = routeTo(address, table);
    const link = best && links.get(best.index);
    // The whole world is no subnet, whatever a point-to-point link says.
    const isSubnet = best && best.gateway === undefined && !best.destination.endsWith('/0');
    return link?.up && isSubnet && !link.name.startsWith(`g${instance}`) ? link : undefined;
  };
  return (peer, family) => {
    const addresses = peer.addresses.flatMap((text) => parseAddress(text) ?? []).filter(isUsable);
    for (const address of addresses) {
      const link = address.family === family ? linkTo(address) : undefined;
      if (link) return { kind: 'direct', gateway: formatAddress(address), link: link.name, mtu: mtuOf(link) };
    }
    if (!own) return { kind: 'none', why: 'this node has no address of its own' };
    const to = addresses.find((address) => address.family === own.family);
    if (!to) return { kind: 'none', why: `it has no IPv${own.family} address that can be used` };
    const link = links.get(routeTo(to, table)?.index ?? 0);
    const room = (link ? mtuOf(link) : uplinkMtu(config, state)) - OVERHEAD[own.family];
    return { kind: 'vxlan', to: formatAddress(to), mtu: Math.max(room, smallest) };
  };
}

/** The address that VXLAN packets come from: the node's first. */
export function ownAddress({ addresses = [] }: NodeNetworkConfig): Address | undefined {
  return parseAddress(addresses[0] ?? '');
}

/** Of the link that has the node's own address, else of the one that the default route leaves by. */
export function uplinkMtu({ addresses = [] }: NodeNetworkConfig, state: NodeState): number {
  const own = state.addresses.find(({ address }) => address === canonicalAddress(addresses[0] ?? ''));
  const route = state.routes.find(
    ({ destination, kind }) => kind === 'unicast' && destination.endsWith('/0'),
  );
  const link = state.links.find(({ index }) => index === (own ?? route)?.index);
  return link ? mtuOf(link) : DEFAULT_MTU;
}

function mtuOf(link: Link): number {
  return Math.min(link.mtu || DEFAULT_MTU, MAX_MTU);
}

function smallestMtu({ podCidrs }: NodeNetworkConfig): number {
  return podCidrs.some((cidr) => parseCidr(cidr)?.family === 6) ? MIN_MTU[6] : MIN_MTU[4];
}

const NO_NODES = ['0.0.0.0/8', '127.0.0.0/8', '224.0.0.0/3', '::/127', 'ff00::/8', 'fe80::/10'].map(
  (text) => parseCidr(text)!,
);

/**
 * Which addresses another node can have. What nodes say of themselves is not believed where it would lead packets in circles (an
 * address of this node, of a pod or a Service) or to many.
 */
function usability(config: NodeNetworkConfig, state: NodeState): (address: Address) => boolean {
  const ours = [...config.clusterCidrs, ...config.serviceCidrs].flatMap((cidr) => parseCidr(cidr) ?? []);
  const never = [...NO_NODES, ...ours];
  const own = new Set([
    ...(config.addresses ?? []).map(canonicalAddress),
    ...state.addresses.map((each) => each.address),
  ]);
  return (address) => !own.has(formatAddress(address)) && !never.some((cidr) => cidrContains(cidr, address));
}

interface ParsedRoute {
  route: Route;
  cidr: Cidr;
}

/** The best first, as the kernel chooses in the main table. Those to pods lead to no node, and are many. */
function routeTable({ clusterCidrs }: NodeNetworkConfig, { routes }: NodeState): ParsedRoute[] {
  const pods = clusterCidrs.flatMap((cidr) => parseCidr(cidr) ?? []);
  return routes
    .flatMap((route): ParsedRoute[] => {
      const cidr = route.kind === 'unicast' ? parseCidr(route.destination) : undefined;
      return cidr && !pods.some((whole) => cidrContains(whole, cidr)) ? [{ route, cidr }] : [];
    })
    .sort((a, b) => b.cidr.prefix - a.cidr.prefix || a.route.metric - b.route.metric);
}

function routeTo(address: Address, table: readonly ParsedRoute[]): Route | undefined {
  return table.find(({ cidr }) => cidrContains(cidr, address))?.route;
}
