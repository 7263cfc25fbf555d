import { createHash } from 'node:crypto';
import { DEFAULT_VXLAN } from '#api/cluster-settings.ts';
import {
  addressBytes,
  type Cidr,
  cidrContains,
  cidrsOverlap,
  formatAddress,
  formatCidr,
  parseAddress,
  parseCidr,
} from '#machinery/values/cidr.ts';
import { sameJson } from '#machinery/values/same-json.ts';
import type { NodeState } from '../audit.ts';
import type { NodeNetworkConfig, NodePeer, UnreachablePeer } from '../contract.ts';
import { gatewayOf } from '../ipam/addresses.ts';
import { parseVxlan, type Vxlan } from '../netlink/overlay.ts';
import { RTPROT_STATIC } from '../netlink/route.ts';
import type { Step } from '../steps.ts';
import { ownAddress, uplinkMtu, waysOf } from './ways.ts';

/**
 * The ways to the pods of other nodes: pure. A node on a subnet of ours is the gateway to its pods; any other is reached through
 * VXLAN, where nothing has to be learned or exchanged: addresses and MACs of both ends follow from what the API says of nodes.
 */

/** Tells our routes from those of others, and is worse than theirs. */
export const PEER_METRIC = 1025;

/** The VXLAN device of an instance; at most 15 characters. */
export function vxlanName(instance: string): string {
  return `g${instance}v`;
}

/** Locally administered, and the same whichever node works it out. */
export function vtepMac(address: string): string {
  const parsed = parseAddress(address)!;
  const bytes = addressBytes(parsed);
  const tail = parsed.family === 4 ? bytes : createHash('sha256').update(bytes).digest().subarray(0, 4);
  return ['0a', '59', ...[...tail].map((byte) => byte.toString(16).padStart(2, '0'))].join(':');
}

export interface PeersPlan {
  /** The VXLAN device, when some node is reached by it. */
  device: Step[];
  /** By node: the kernel may refuse one without harm to the others. */
  peers: { name: string; overlay: boolean; steps: Step[] }[];
  /** What every packet between pods may measure, of whatever node: of this node's bridge and pods. */
  mtu: number;
  unreachable: UnreachablePeer[];
}

export function peersPlan(
  config: NodeNetworkConfig,
  peers: readonly NodePeer[],
  state: NodeState,
): PeersPlan {
  const link = vxlanName(config.instance);
  const plan: PeersPlan = { device: [], peers: [], mtu: uplinkMtu(config, state), unreachable: [] };
  const taken = config.podCidrs.flatMap((text) => claim('this node', text));
  const wayTo = waysOf(config, state);
  let overlayMtu = Number.POSITIVE_INFINITY;
  for (const peer of peers) {
    const steps: Step[] = [];
    const tunnels = new Set<string>();
    for (const text of peer.podCidrs) {
      const block = parseCidr(text);
      const fault = blockFault(config, text, block, taken);
      const way = block && !fault ? wayTo(peer, block.family) : undefined;
      if (!block || !way || way.kind === 'none') {
        plan.unreachable.push({ name: peer.name, why: fault ?? (way as { why: string }).why });
        continue;
      }
      taken.push({ name: peer.name, block });
      plan.mtu = Math.min(plan.mtu, way.mtu);
      const destination = formatCidr(block);
      if (way.kind === 'direct') {
        steps.push({ op: 'route', destination, link: way.link, gateway: way.gateway, metric: PEER_METRIC });
        continue;
      }
      overlayMtu = Math.min(overlayMtu, way.mtu);
      const mac = vtepMac(way.to);
      if (!tunnels.has(way.to)) steps.push({ op: 'forward', link, mac, to: way.to });
      tunnels.add(way.to);
      steps.push(...tunnelSteps(config, link, block, mac));
    }
    plan.peers.push({ name: peer.name, overlay: tunnels.size > 0, steps });
  }
  if (overlayMtu < Number.POSITIVE_INFINITY) plan.device = deviceSteps(config, link, overlayMtu);
  return plan;
}

interface Claim {
  name: string;
  block: Cidr;
}

function claim(name: string, text: string): Claim[] {
  const block = parseCidr(text);
  return block ? [{ name, block }] : [];
}

/** A node says itself what its blocks are: it must not draw the traffic of others to it. */
function blockFault(
  { clusterCidrs }: NodeNetworkConfig,
  text: string,
  block: Cidr | undefined,
  taken: readonly Claim[],
): string | undefined {
  if (!block) return `its block of pods "${text}" is no prefix`;
  const isInside = clusterCidrs.some((whole) => cidrContains(parseCidr(whole)!, block));
  if (!isInside) return `its block of pods ${text} is not of the cluster's`;
  const other = taken.find((each) => cidrsOverlap(each.block, block));
  return other && `its block of pods ${text} overlaps that of ${other.name}`;
}

/**
 * The device has the gateway's address: what is masqueraded on its way out there comes from an address that the other node has a
 * way back to. Packets come by it that are routed elsewhere when nodes disagree on who is near: that is no reason to drop them.
 */
function deviceSteps(config: NodeNetworkConfig, name: string, mtu: number): Step[] {
  const local = formatAddress(ownAddress(config)!);
  const vxlan: Vxlan = { ...(config.vxlan ?? DEFAULT_VXLAN), local, learning: false };
  const steps: Step[] = [{ op: 'vxlan', name, mac: vtepMac(local), mtu, vxlan }];
  for (const { block } of config.podCidrs.flatMap((text) => claim('', text))) {
    const [version, bits] = block.family === 4 ? ['ipv4', 32] : ['ipv6', 128];
    steps.push({ op: 'address', link: name, cidr: `${gatewayOf(formatCidr(block))}/${bits}` });
    steps.push({ op: 'sysctl', key: `net.${version}.conf.${name}.forwarding`, value: '1' });
    if (block.family === 4) steps.push({ op: 'sysctl', key: `net.ipv4.conf.${name}.rp_filter`, value: '2' });
  }
  return steps;
}

/** The first address of a block is nobody's: it stands for the node that has the block. */
function tunnelSteps(config: NodeNetworkConfig, link: string, block: Cidr, mac: string): Step[] {
  const gateway = formatAddress({ family: block.family, value: block.base });
  const own = config.podCidrs.find((cidr) => parseCidr(cidr)?.family === block.family);
  // What this node sends itself comes from an address that the other one has a way back to.
  const source = own && gatewayOf(own);
  const destination = formatCidr(block);
  return [
    { op: 'neighbour', link, address: gateway, mac },
    { op: 'route', destination, link, gateway, ...(source && { source }), metric: PEER_METRIC },
  ];
}

/** What is left of nodes that have gone, and a device that is not as it has to be: to be taken away before the plan is done. */
export function peersLeft(config: NodeNetworkConfig, plan: PeersPlan, state: NodeState): Step[] {
  const name = vxlanName(config.instance);
  const device = state.links.find((link) => link.name === name);
  const wanted = plan.device.find((step) => step.op === 'vxlan');
  const steps = plan.peers.flatMap((peer) => peer.steps);
  const routes = staleRoutes(config, steps, state);
  if (!device) return routes;
  if (!wanted || device.mac !== wanted.mac || !isVxlan(device.data, wanted.vxlan))
    return [...routes, { op: 'delete-link', link: name }];
  const wantedKeys = new Set(steps.map(keyOf));
  const entries: Step[] = [
    ...state.forwards
      .filter(({ index, mac, to }) => index === device.index && !wantedKeys.has(`forward ${mac} ${to}`))
      .map(({ mac, to }): Step => ({ op: 'delete-forward', link: name, mac, to })),
    ...state.neighbours
      .filter(
        ({ index, mac, address }) => index === device.index && !wantedKeys.has(`neighbour ${mac} ${address}`),
      )
      .map(({ mac, address }): Step => ({ op: 'delete-neighbour', link: name, mac, address })),
  ];
  return [...routes, ...entries];
}

function keyOf(step: Step): string {
  if (step.op === 'forward') return `forward ${step.mac} ${step.to}`;
  return step.op === 'neighbour' ? `neighbour ${step.mac} ${step.address}` : '';
}

function isVxlan(data: Buffer | undefined, wanted: Vxlan): boolean {
  return data !== undefined && sameJson(parseVxlan(data), wanted);
}

function staleRoutes(
  config: NodeNetworkConfig,
  steps: readonly Step[],
  { routes, links }: NodeState,
): Step[] {
  const cluster = config.clusterCidrs.flatMap((cidr) => parseCidr(cidr) ?? []);
  const wanted = new Set(steps.flatMap((step) => (step.op === 'route' ? [step.destination] : [])));
  return routes.flatMap(({ kind, metric, destination, gateway, index, protocol }): Step[] => {
    const cidr = parseCidr(destination);
    const link = links.find((each) => each.index === index)?.name;
    const isOurs =
      kind === 'unicast' &&
      metric === PEER_METRIC &&
      protocol === RTPROT_STATIC &&
      cidr !== undefined &&
      cluster.some((whole) => cidrContains(whole, cidr));
    if (!isOurs || !link || wanted.has(destination)) return [];
    return [{ op: 'delete-route', destination, link, ...(gateway && { gateway }), metric }];
  });
}
