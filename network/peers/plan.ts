import { createHash } from 'node:crypto';
import {
  type Address,
  addressBytes,
  canonicalCidr,
  cidrContains,
  formatAddress,
  parseAddress,
  parseCidr,
} from '#machinery/values/cidr.ts';
import type { NodeState } from '../audit.ts';
import type { NodeNetworkConfig, NodePeer } from '../contract.ts';
import { gatewayOf } from '../ipam/addresses.ts';
import { parseVxlan, type Vxlan } from '../netlink/overlay.ts';
import type { Step } from '../steps.ts';

/**
 * The ways to the pods of other nodes: pure. A node on a subnet of ours is the gateway to its pods; any other is reached through
 * VXLAN, where nothing has to be learned or exchanged: addresses and MACs of both ends follow from what the API says of nodes.
 */

/** As flannel has it, so that firewalls which let that through need no change. */
const PORT = 8472;
const ID = 1;
/** Of an outer IP header (20 or 40), UDP (8), VXLAN (8) and the inner Ethernet header (14). */
const OVERHEAD = { 4: 50, 6: 70 } as const;
/** Tells our routes from those of others, and is worse than theirs. */
export const PEER_METRIC = 1025;
const HIGHEST_SMALLEST_MTU = 1280;

/** The VXLAN device of an instance; at most 15 characters. */
export function vxlanName(instance: string): string {
  return `g${instance}v`;
}

/** How a node is reached; `none`: it has no address that we could send to. */
export type Way =
  | { kind: 'direct'; gateway: string; link: string }
  | { kind: 'vxlan'; to: string }
  | { kind: 'none' };

/** `cidr`: one block of the peer's pods. */
export function wayTo(config: NodeNetworkConfig, peer: NodePeer, cidr: string, state: NodeState): Way {
  const family = parseCidr(cidr)?.family;
  for (const text of peer.addresses) {
    const address = parseAddress(text);
    if (!address || address.family !== family) continue;
    const link = linkTo(config, address, state);
    if (link) return { kind: 'direct', gateway: formatAddress(address), link };
  }
  const own = ownAddress(config);
  const to = peer.addresses.map(parseAddress).find((address) => address && address.family === own?.family);
  return to ? { kind: 'vxlan', to: formatAddress(to) } : { kind: 'none' };
}

function ownAddress({ addresses = [] }: NodeNetworkConfig): Address | undefined {
  return parseAddress(addresses[0] ?? '');
}

/** The link on whose subnet the address is. */
function linkTo(
  { instance }: NodeNetworkConfig,
  address: Address,
  { links, routes }: NodeState,
): string | undefined {
  const matching = routes
    .map((route) => ({ route, cidr: parseCidr(route.destination) }))
    .filter(({ route, cidr }) => route.kind === 'unicast' && cidr && cidrContains(cidr, address))
    .sort((a, b) => b.cidr!.prefix - a.cidr!.prefix || a.route.metric - b.route.metric);
  const best = matching[0]?.route;
  const link = links.find(({ index }) => index === best?.index);
  // The whole world is no subnet, whatever a point-to-point link says.
  const isSubnet = best && best.gateway === undefined && !best.destination.endsWith('/0');
  return link && isSubnet && !link.name.startsWith(`g${instance}`) ? link.name : undefined;
}

/** Locally administered, and the same whichever node works it out. */
export function vtepMac(address: string): string {
  const parsed = parseAddress(address)!;
  const bytes = addressBytes(parsed);
  const tail = parsed.family === 4 ? bytes : createHash('sha256').update(bytes).digest().subarray(0, 4);
  return ['0a', '59', ...[...tail].map((byte) => byte.toString(16).padStart(2, '0'))].join(':');
}

/** What packets may measure that go to other nodes by VXLAN, where the uplink takes `uplinkMtu`. */
export function vxlanMtu({ addresses = [] }: NodeNetworkConfig, uplinkMtu: number): number {
  const family = parseAddress(addresses[0] ?? '')?.family ?? 4;
  return Math.max(uplinkMtu - OVERHEAD[family], HIGHEST_SMALLEST_MTU);
}

export interface PeersPlan {
  steps: Step[];
  /** Whether some node is reached by VXLAN. */
  overlay: boolean;
  /** Names of nodes to whose pods there is no way. */
  unreachable: string[];
}

export function peersPlan(
  config: NodeNetworkConfig,
  peers: readonly NodePeer[],
  state: NodeState,
  uplinkMtu: number,
): PeersPlan {
  const link = vxlanName(config.instance);
  const steps: Step[] = [];
  const unreachable: string[] = [];
  let overlay = false;
  for (const peer of peers)
    for (const text of peer.podCidrs) {
      const destination = canonicalCidr(text);
      const way = destination ? wayTo(config, peer, destination, state) : ({ kind: 'none' } as const);
      if (!destination || way.kind === 'none') {
        unreachable.push(peer.name);
      } else if (way.kind === 'direct') {
        steps.push({ op: 'route', destination, link: way.link, gateway: way.gateway, metric: PEER_METRIC });
      } else {
        overlay = true;
        steps.push(...tunnelSteps(config, link, destination, way.to));
      }
    }
  const own = overlay ? [vxlanStep(config, link, uplinkMtu)] : [];
  return { steps: [...own, ...steps], overlay, unreachable: [...new Set(unreachable)] };
}

function vxlanStep(config: NodeNetworkConfig, name: string, uplinkMtu: number): Step {
  const local = formatAddress(ownAddress(config)!);
  const vxlan: Vxlan = { id: ID, port: PORT, local };
  return { op: 'vxlan', name, mac: vtepMac(local), mtu: vxlanMtu(config, uplinkMtu), vxlan };
}

/** The first address of a block is nobody's: it stands for the node that has the block. */
function tunnelSteps(config: NodeNetworkConfig, link: string, destination: string, to: string): Step[] {
  const gateway = destination.slice(0, destination.indexOf('/'));
  const mac = vtepMac(to);
  const family = parseCidr(destination)!.family;
  const own = config.podCidrs.find((cidr) => parseCidr(cidr)?.family === family);
  // What this node sends itself comes from an address that the other one has a way back to.
  const source = own && gatewayOf(own);
  return [
    { op: 'forward', link, mac, to },
    { op: 'neighbour', link, address: gateway, mac },
    { op: 'route', destination, link, gateway, ...(source && { source }), metric: PEER_METRIC },
  ];
}

/** What is left of nodes that have gone, and a device that is not as it has to be: to be taken away before the plan is done. */
export function peersLeft(config: NodeNetworkConfig, plan: PeersPlan, state: NodeState): Step[] {
  const name = vxlanName(config.instance);
  const device = state.links.find((link) => link.name === name);
  const wanted = plan.steps.find((step) => step.op === 'vxlan');
  const routes = staleRoutes(config, plan, state);
  if (!device) return routes;
  if (!wanted || !isAsWanted(device.data, wanted.vxlan))
    return [...routes, { op: 'delete-link', link: name }];
  const has = (op: 'forward' | 'neighbour', key: string) =>
    plan.steps.some((step) => step.op === op && keyOf(step) === key);
  const entries: Step[] = [
    ...state.forwards
      .filter(({ index, mac, to }) => index === device.index && !has('forward', `${mac} ${to}`))
      .map(({ mac, to }): Step => ({ op: 'delete-forward', link: name, mac, to })),
    ...state.neighbours
      .filter(({ index, mac, address }) => index === device.index && !has('neighbour', `${mac} ${address}`))
      .map(({ mac, address }): Step => ({ op: 'delete-neighbour', link: name, mac, address })),
  ];
  return [...routes, ...entries];
}

function keyOf(step: Extract<Step, { op: 'forward' | 'neighbour' }>): string {
  return `${step.mac} ${step.op === 'forward' ? step.to : step.address}`;
}

function isAsWanted(data: Buffer | undefined, wanted: Vxlan): boolean {
  if (!data) return false;
  const there = parseVxlan(data);
  return there.id === wanted.id && there.port === wanted.port && there.local === wanted.local;
}

function staleRoutes(config: NodeNetworkConfig, plan: PeersPlan, { routes, links }: NodeState): Step[] {
  const cluster = config.clusterCidrs.flatMap((cidr) => parseCidr(cidr) ?? []);
  const isOurs = (destination: string) => {
    const cidr = parseCidr(destination);
    return cidr !== undefined && cluster.some((whole) => cidrContains(whole, cidr));
  };
  return routes
    .filter(
      ({ kind, metric, destination }) => kind === 'unicast' && metric === PEER_METRIC && isOurs(destination),
    )
    .filter(
      ({ destination }) =>
        !plan.steps.some((step) => step.op === 'route' && step.destination === destination),
    )
    .map(({ destination, gateway, index, metric }): Step => {
      const link = links.find((each) => each.index === index)?.name ?? '';
      return { op: 'delete-route', destination, link, ...(gateway && { gateway }), metric };
    });
}
