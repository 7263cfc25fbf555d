import { createHash } from 'node:crypto';
import {
  type Address,
  addressBytes,
  type Cidr,
  cidrContains,
  parseAddress,
  parseCidr,
} from '#machinery/values/cidr.ts';
import { NetworkError, type NodeNetworkConfig } from './contract.ts';
import { gatewayOf } from './ipam/addresses.ts';
import type { Step } from './steps.ts';

/** What the kernel shall hold for a node and for each of its pods: pure. */

/** `g` and the instance id. */
export function bridgeName(instance: string): string {
  return `g${instance}`;
}

/** A pod's end on the node: `g`, instance id and eight digits of the sandbox's hash; at most 15 characters in all. */
export function vethName(instance: string, sandbox: string): string {
  return `g${instance}${createHash('sha256').update(sandbox).digest('hex').slice(0, 8)}`;
}

/**
 * A locally administered MAC made of the address, so that an address that comes back brings no stale neighbour entries
 * with it, and the gateway's never changes.
 */
export function macOf(address: string): string {
  const bytes = addressBytes(requireAddress(address)).slice(-4);
  return ['0a', '58', ...[...bytes].map((byte) => byte.toString(16).padStart(2, '0'))].join(':');
}

/** Worse than any other route to the same place: only taken when the bridge is gone. */
const LAST_RESORT_METRIC = 0x7fff_ffff;
/** Better than the unreachable ones. */
const SERVICE_METRIC = 1024;
/** Far from what the kernel makes by itself in a new namespace (lo, sit0, ip6tnl0, ...). */
const POD_LINK_INDEX = 64;
/** Name of the interface in every pod. */
export const POD_INTERFACE = 'eth0';

/**
 * Bridge, gateway and DNS address, forwarding, routes. The service range is routed to the bridge, so that this node's own
 * sockets get a route at all; the table of services takes the packets before they could go there. Unreachable routes
 * stand behind, for the whole pod and service range: a packet for an address nobody has never leaves the node.
 */
export function nodePlan(config: NodeNetworkConfig, mtu: number): Step[] {
  const bridge = bridgeName(config.instance);
  const gateways = config.podCidrs.map((cidr) => ({ cidr: requireCidr(cidr), address: gatewayOf(cidr) }));
  const gateway = (family: 4 | 6) => gateways.find(({ cidr }) => cidr.family === family)?.address;
  const families = new Set(gateways.map(({ cidr }) => cidr.family));
  const steps: Step[] = [];
  if (families.has(4)) steps.push({ op: 'sysctl', key: 'net.ipv4.ip_forward', value: '1' });
  if (families.has(6)) steps.push({ op: 'sysctl', key: 'net.ipv6.conf.all.forwarding', value: '1' });
  for (const destination of [...config.clusterCidrs, ...config.serviceCidrs])
    steps.push({ op: 'unreachable', destination, metric: LAST_RESORT_METRIC });
  steps.push({ op: 'bridge', name: bridge, mac: macOf(gateways[0]!.address), mtu });
  // Pods go through the gateway to each other on purpose; telling them otherwise would use up their share of ICMP errors.
  // "all" is no more than an "or" over the links: theirs stay as they are.
  for (const link of families.has(4) ? ['all', bridge] : [])
    steps.push({ op: 'sysctl', key: `net.ipv4.conf.${link}.send_redirects`, value: '0' });
  for (const { cidr, address } of gateways)
    steps.push({ op: 'address', link: bridge, cidr: `${address}/${cidr.prefix}` });
  const dns = requireAddress(config.dnsAddress);
  steps.push({ op: 'address', link: bridge, cidr: `${config.dnsAddress}/${dns.family === 4 ? 32 : 128}` });
  for (const destination of config.serviceCidrs) {
    const source = gateway(requireCidr(destination).family);
    if (source) steps.push({ op: 'route', destination, link: bridge, source, metric: SERVICE_METRIC });
  }
  return steps;
}

/**
 * A veth pair with one end in the pod, its addresses as host routes (so that all of its traffic passes the node, where
 * Services are), and a default route by the gateway.
 */
export function podPlan(
  config: NodeNetworkConfig,
  sandbox: string,
  namespace: string,
  addresses: readonly string[],
  mtu: number,
): Step[] {
  const peer = vethName(config.instance, sandbox);
  const mac = macOf(addresses[0]!);
  const link = POD_INTERFACE;
  const steps: Step[] = [
    { op: 'veth', namespace, name: link, index: POD_LINK_INDEX, mac, mtu, peer },
    ...podAddressSteps(config, namespace, addresses),
    { op: 'port', link: peer, bridge: bridgeName(config.instance), alias: sandbox },
  ];
  return steps;
}

/** What stands inside the pod once the pair is there. */
export function podAddressSteps(
  config: NodeNetworkConfig,
  namespace: string,
  addresses: readonly string[],
): Step[] {
  const link = POD_INTERFACE;
  const steps: Step[] = [{ op: 'up', namespace, link: 'lo' }];
  for (const text of addresses) {
    const address = requireAddress(text);
    const bits = address.family === 4 ? 32 : 128;
    const gateway = gatewayFor(config, address);
    steps.push(
      { op: 'address', namespace, link, cidr: `${text}/${bits}` },
      { op: 'route', namespace, destination: `${gateway}/${bits}`, link, metric: 0 },
      {
        op: 'route',
        namespace,
        destination: address.family === 4 ? '0.0.0.0/0' : '::/0',
        link,
        gateway,
        metric: 0,
      },
    );
  }
  return steps;
}

/** For both ends of a pod's pair when what they may carry has changed: the pod's own first, which the other one's is a sign of. */
export function podMtuSteps(
  { instance }: NodeNetworkConfig,
  { sandbox, networkNamespace: namespace }: { sandbox: string; networkNamespace: string },
  mtu: number,
): Step[] {
  return [
    { op: 'mtu', namespace, link: POD_INTERFACE, mtu },
    { op: 'mtu', link: vethName(instance, sandbox), mtu },
  ];
}

/** The gateway of the block that an address is from, or of its family when the node's block has changed. */
export function gatewayFor(config: NodeNetworkConfig, address: Address): string {
  const blocks = config.podCidrs.map((cidr) => ({ text: cidr, cidr: requireCidr(cidr) }));
  const block =
    blocks.find(({ cidr }) => cidrContains(cidr, address)) ??
    blocks.find(({ cidr }) => cidr.family === address.family);
  if (!block)
    throw new NetworkError('InvalidConfig', `no pod block of the node is of the family of its pods`);
  return gatewayOf(block.text);
}

const INSTANCE = /^[a-z0-9]{1,6}$/;

/** Throws NetworkError `InvalidConfig` naming the field. */
export function checkConfig(config: NodeNetworkConfig): void {
  if (!INSTANCE.test(config.instance))
    throw new NetworkError(
      'InvalidConfig',
      `instance "${config.instance}" must be one to six of a-z and 0-9`,
    );
  if (config.podCidrs.length === 0) throw new NetworkError('InvalidConfig', 'podCidrs is empty');
  for (const text of [...config.podCidrs, ...config.clusterCidrs, ...config.serviceCidrs]) requireCidr(text);
  for (const text of [config.dnsAddress, ...(config.addresses ?? [])]) requireAddress(text);
  const { vxlan } = config;
  if (vxlan && !(isWithin(vxlan.id, MAX_VXLAN_ID) && isWithin(vxlan.port, MAX_PORT)))
    throw new NetworkError('InvalidConfig', `vxlan ${vxlan.id} at port ${vxlan.port} is out of range`);
}

/** RFC 7348: 24 bits. */
const MAX_VXLAN_ID = 0xff_ffff;
const MAX_PORT = 0xffff;

function isWithin(value: number, max: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= max;
}

export function requireCidr(text: string): Cidr {
  const cidr = parseCidr(text);
  if (!cidr) throw new NetworkError('InvalidConfig', `"${text}" is not a prefix such as 10.244.0.0/24`);
  return cidr;
}

function requireAddress(text: string): Address {
  const address = parseAddress(text);
  if (!address) throw new NetworkError('InvalidConfig', `"${text}" is not an IP address`);
  return address;
}
