import {
  type Address,
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

/** To one block (`family`) of the peer's pods. */
export function wayTo(config: NodeNetworkConfig, peer: NodePeer, family: Family, state: NodeState): Way {
  const addresses = peer.addresses.flatMap((text) => usable(config, text, state) ?? []);
  for (const address of addresses) {
    if (address.family !== family) continue;
    const link = linkTo(config, address, state);
    if (link) return { kind: 'direct', gateway: formatAddress(address), link: link.name, mtu: mtuOf(link) };
  }
  const own = ownAddress(config);
  if (!own) return { kind: 'none', why: 'this node has no address of its own' };
  const to = addresses.find((address) => address.family === own.family);
  if (!to) return { kind: 'none', why: `it has no IPv${own.family} address that can be used` };
  const link = state.links.find(({ index }) => index === routeTo(to, state)?.index);
  const room = (link ? mtuOf(link) : uplinkMtu(config, state)) - OVERHEAD[own.family];
  return { kind: 'vxlan', to: formatAddress(to), mtu: Math.max(room, smallestMtu(config)) };
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
 * An address that another node can have. What nodes say of themselves is not believed where it would lead packets in circles (an
 * address of this node, of a pod or a Service) or to many.
 */
function usable(config: NodeNetworkConfig, text: string, state: NodeState): Address | undefined {
  const address = parseAddress(text);
  if (!address) return undefined;
  const ours = [...config.clusterCidrs, ...config.serviceCidrs].flatMap((cidr) => parseCidr(cidr) ?? []);
  if ([...NO_NODES, ...ours].some((cidr) => cidrContains(cidr, address))) return undefined;
  const own = [
    ...(config.addresses ?? []).map(canonicalAddress),
    ...state.addresses.map((each) => each.address),
  ];
  return own.includes(formatAddress(address)) ? undefined : address;
}

/** The link on whose subnet the address is. */
function linkTo({ instance }: NodeNetworkConfig, address: Address, state: NodeState): Link | undefined {
  const best = routeTo(address, state);
  const link = state.links.find(({ index }) => index === best?.index);
  // The whole world is no subnet, whatever a point-to-point link says.
  const isSubnet = best && best.gateway === undefined && !best.destination.endsWith('/0');
  return link?.up && isSubnet && !link.name.startsWith(`g${instance}`) ? link : undefined;
}

/** Of the main table, as the kernel chooses: the longest prefix, then the lowest metric. */
function routeTo(address: Address, { routes }: NodeState): Route | undefined {
  let best: { route: Route; prefix: number } | undefined;
  for (const route of routes) {
    const cidr = parseCidr(route.destination);
    if (route.kind !== 'unicast' || !cidr || !cidrContains(cidr, address)) continue;
    const isBetter =
      !best || cidr.prefix > best.prefix || (cidr.prefix === best.prefix && route.metric < best.route.metric);
    if (isBetter) best = { route, prefix: cidr.prefix };
  }
  return best?.route;
}
