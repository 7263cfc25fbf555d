import { createHash } from 'node:crypto';
import { addressBytes, type Cidr, parseAddress } from '#machinery/values/cidr.ts';
import type { Chain, DataType, Rule, SetDeclaration, Table } from '../netlink/nft.ts';
import {
  ADDRESS_BYTES,
  ADDRESS_TYPE_LOCAL,
  CT_STATE_INVALID,
  CT_STATUS_DNAT,
  compare,
  decide,
  type Expression,
  type IpFamily,
  loadConnection,
  loadDestination,
  loadDestinationPort,
  loadDestinationType,
  loadIcmpType,
  loadInputName,
  loadOutputName,
  loadProtocol,
  loadSource,
  lookup,
  mask,
  masquerade,
  R0,
  reject,
  type Verdict,
} from '../netlink/nft-expressions.ts';

/**
 * The table that all Services of an instance share, one per address family: pure data. A connection to a Service is two
 * map look-ups, however many Services there are: address, protocol and port name a chain for the number of endpoints;
 * that chain draws an index and looks up the endpoint. No packet marks, so nobody else's can be overwritten.
 * What must never happen: a packet for the service range leaves this node undelivered (chain `refuse`).
 */
export interface LayoutConfig {
  instance: string;
  family: IpFamily;
  bridge: string;
  podCidrs: readonly Cidr[];
  clusterCidrs: readonly Cidr[];
  serviceCidrs: readonly Cidr[];
  /** Local address of the DNS server inside the service range, when it is of this family. */
  dnsAddress?: string;
  /** UDP port by which nodes send each other what is between pods. */
  vxlanPort: number;
}

export interface Layout {
  table: Table;
  chains: Chain[];
  sets: SetDeclaration[];
  rules: Rule[];
}

export const SETS = {
  services: 'services',
  nodePorts: 'node-ports',
  endpoints: 'endpoints',
  nodePortEndpoints: 'node-port-endpoints',
  noEndpoints: 'no-endpoints',
  hairpin: 'hairpin',
  affinity: 'affinity',
  sticky: 'sticky-endpoints',
  stickyNodePorts: 'sticky-node-port-endpoints',
} as const;
export type SetName = (typeof SETS)[keyof typeof SETS];

/** Clients remembered at one time for session affinity; the kernel refuses more and they get any endpoint. */
const AFFINITY_SIZE = 131_072;
const PRIORITY_DNAT = -100;
/** Right after destination NAT: what still goes to the service range then is for nobody. */
const PRIORITY_AFTER_DNAT = PRIORITY_DNAT + 1;
const PRIORITY_SNAT = 100;
const ICMP_REDIRECT: Record<IpFamily, { protocol: number; type: number }> = {
  ip: { protocol: 1, type: 5 },
  ip6: { protocol: 58, type: 137 },
};
const TCP = Uint8Array.of(6);
const UDP = Uint8Array.of(17);

export function tableOf(instance: string, family: IpFamily): Table {
  return { family, name: `gantry-${instance}` };
}

/** Everything in the table but the chains for numbers of endpoints, which are made as they are needed. */
export function layout(config: LayoutConfig): Layout {
  const nat = (name: string, hook: 'prerouting' | 'output' | 'postrouting', priority: number): Chain => ({
    name,
    base: { type: 'nat', hook, priority },
  });
  const filter = (name: string, hook: 'prerouting' | 'output'): Chain => ({
    name,
    base: { type: 'filter', hook, priority: PRIORITY_AFTER_DNAT },
  });
  return {
    table: tableOf(config.instance, config.family),
    chains: [
      { name: 'dispatch' },
      { name: 'undeliverable' },
      { name: 'refuse' },
      { name: 'leaving' },
      nat('nat-prerouting', 'prerouting', PRIORITY_DNAT),
      nat('nat-output', 'output', PRIORITY_DNAT),
      nat('nat-postrouting', 'postrouting', PRIORITY_SNAT),
      filter('filter-prerouting', 'prerouting'),
      filter('filter-output', 'output'),
    ],
    sets: setDeclarations(config.family),
    rules: [
      ...dispatchRules(config),
      ...loopbackRules(config),
      ...tunnelRules(config),
      ...refusalRules(config),
      ...sourceRules(config),
      ...redirectRules(config),
    ],
  };
}

function setDeclarations(family: IpFamily): SetDeclaration[] {
  const ip: DataType = family === 'ip' ? 'ipv4_addr' : 'ipv6_addr';
  const target: DataType[] = [ip, 'inet_service'];
  const virtual: DataType[] = [ip, 'inet_proto', 'inet_service'];
  const nodePort: DataType[] = ['inet_proto', 'inet_service'];
  return [
    { name: SETS.services, key: virtual, data: 'verdict' },
    { name: SETS.nodePorts, key: nodePort, data: 'verdict' },
    { name: SETS.endpoints, key: [...virtual, 'mark'], data: target },
    { name: SETS.nodePortEndpoints, key: [...nodePort, 'mark'], data: target },
    { name: SETS.sticky, key: [...virtual, 'mark'], data: 'verdict' },
    { name: SETS.stickyNodePorts, key: [...nodePort, 'mark'], data: 'verdict' },
    { name: SETS.noEndpoints, key: virtual },
    { name: SETS.hairpin, key: [ip, ip] },
    { name: SETS.affinity, key: [ip, ...virtual], data: target, dynamic: { size: AFFINITY_SIZE } },
  ];
}

/** Registers of a concatenation: an IPv6 address fills four of them. */
export function registers(family: IpFamily) {
  const words = ADDRESS_BYTES[family] / 4;
  const source = R0;
  const destination = source + words;
  const protocol = destination + words;
  const port = protocol + 1;
  /** Behind the port: the index first, the endpoint after the look-up. */
  const target = port + 1;
  return { source, destination, protocol, port, target, targetPort: target + words, words };
}

function dispatchRules({ family }: LayoutConfig): Rule[] {
  const r = registers(family);
  const tuple = [
    loadDestination(family, r.destination),
    loadProtocol(r.protocol),
    loadDestinationPort(r.port),
  ];
  const toLocal = [loadDestinationType(R0), compare(R0, 'equal', ADDRESS_TYPE_LOCAL)];
  // The loopback range cannot be sent elsewhere without route_localnet.
  const notLoopback =
    family === 'ip' ? outside(parseLoopback(), loadDestination(family, R0)) : ([] as Expression[]);
  const nodePort = [loadProtocol(R0), loadDestinationPort(R0 + 1)];
  return [
    rule('dispatch', 'virtual addresses', [...tuple, lookup(SETS.services, r.destination, 0)]),
    rule('dispatch', 'node ports', [...toLocal, ...notLoopback, ...nodePort, lookup(SETS.nodePorts, R0, 0)]),
    rule('nat-prerouting', 'from pods and from outside', [decide({ verdict: 'jump', chain: 'dispatch' })]),
    rule('nat-output', 'from this node', [decide({ verdict: 'jump', chain: 'dispatch' })]),
  ];
}

function parseLoopback(): Cidr {
  return { family: 4, base: 127n << 24n, prefix: 8 };
}

/** As the kernel compares it: filled up to IFNAMSIZ. */
function interfaceName(name: string): Uint8Array {
  const bytes = Buffer.alloc(16);
  bytes.write(name);
  return bytes;
}

/** The node's loopback is not for pods, even where something else has set route_localnet. */
function loopbackRules({ family, bridge }: LayoutConfig): Rule[] {
  if (family !== 'ip') return [];
  return [
    rule('filter-prerouting', 'from pods to the loopback', [
      loadInputName(R0),
      compare(R0, 'equal', interfaceName(bridge)),
      ...inside(parseLoopback(), loadDestination(family, R0)),
      decide({ verdict: 'drop' }),
    ]),
  ];
}

/** Nodes take what comes by VXLAN for what it says it is: a pod must not send that to any. */
function tunnelRules({ family, bridge, clusterCidrs, vxlanPort }: LayoutConfig): Rule[] {
  return [
    rule('filter-prerouting', 'from pods to the tunnels of nodes', [
      loadInputName(R0),
      compare(R0, 'equal', interfaceName(bridge)),
      loadProtocol(R0),
      compare(R0, 'equal', UDP),
      loadDestinationPort(R0),
      compare(R0, 'equal', Uint8Array.of(vxlanPort >> 8, vxlanPort & 255)),
      ...clusterCidrs.flatMap((cidr) => outside(cidr, loadDestination(family, R0))),
      decide({ verdict: 'drop' }),
    ]),
  ];
}

function refusalRules(config: LayoutConfig): Rule[] {
  const { family } = config;
  const r = registers(family);
  const refuse = decide({ verdict: 'goto', chain: 'refuse' });
  const dns = config.dnsAddress && addressBytes(parseAddress(config.dnsAddress)!);
  const rules = [
    rule('undeliverable', 'services without endpoints', [
      loadDestination(family, r.destination),
      loadProtocol(r.protocol),
      loadDestinationPort(r.port),
      lookup(SETS.noEndpoints, r.destination),
      refuse,
    ]),
  ];
  for (const cidr of config.serviceCidrs) {
    const notDns = dns ? [loadDestination(family, R0), compare(R0, 'different', dns)] : [];
    rules.push(
      rule('undeliverable', 'no such service', [
        ...notDns,
        ...inside(cidr, loadDestination(family, R0)),
        refuse,
      ]),
    );
  }
  rules.push(
    // A stray packet of a connection must not be answered with a reset: that would end the connection.
    rule('refuse', 'packets of no connection', [
      loadConnection('state', R0),
      mask(R0, CT_STATE_INVALID),
      compare(R0, 'different', new Uint8Array(4)),
      decide({ verdict: 'drop' }),
    ]),
    rule('refuse', 'TCP', [loadProtocol(R0), compare(R0, 'equal', TCP), reject(family, 'tcp reset')]),
    rule('refuse', 'all else', [reject(family, 'icmp')]),
    rule('filter-prerouting', 'from pods and from outside', [
      decide({ verdict: 'jump', chain: 'undeliverable' }),
    ]),
    rule('filter-output', 'from this node', [decide({ verdict: 'jump', chain: 'undeliverable' })]),
  );
  return rules;
}

function sourceRules(config: LayoutConfig): Rule[] {
  const { family, bridge } = config;
  const r = registers(family);
  const name = interfaceName(bridge);
  const rules = [
    rule('nat-postrouting', 'to this node itself', [
      loadOutputName(R0),
      compare(R0, 'equal', interfaceName('lo')),
      decide({ verdict: 'return' }),
    ]),
    rule('nat-postrouting', 'a pod reaching itself', [
      loadSource(family, r.source),
      loadDestination(family, r.destination),
      lookup(SETS.hairpin, r.source),
      masquerade(),
    ]),
  ];
  for (const cidr of config.podCidrs) {
    const leaving = decide({ verdict: 'goto', chain: 'leaving' });
    rules.push(rule('nat-postrouting', 'pods', [...inside(cidr, loadSource(family, R0)), leaving]));
  }
  const back = decide({ verdict: 'return' });
  for (const cidr of config.clusterCidrs) {
    rules.push(
      rule('nat-postrouting', 'pods of other nodes', [...inside(cidr, loadSource(family, R0)), back]),
      rule('leaving', 'inside the cluster', [...inside(cidr, loadDestination(family, R0)), back]),
    );
  }
  rules.push(
    rule('leaving', 'out of the cluster', [masquerade()]),
    // The answer must come back here to be translated; a local pod's does anyway, so it sees who calls.
    rule('nat-postrouting', 'from outside to another node', [
      loadConnection('status', R0),
      mask(R0, CT_STATUS_DNAT),
      compare(R0, 'different', new Uint8Array(4)),
      loadOutputName(R0),
      compare(R0, 'different', name),
      masquerade(),
    ]),
  );
  return rules;
}

/** Pods reach each other through the bridge's address on purpose: redirects would only cost them packets. */
function redirectRules({ family, bridge }: LayoutConfig): Rule[] {
  const { protocol, type } = ICMP_REDIRECT[family];
  return [
    rule('filter-output', 'redirects to pods', [
      loadOutputName(R0),
      compare(R0, 'equal', interfaceName(bridge)),
      loadProtocol(R0),
      compare(R0, 'equal', Uint8Array.of(protocol)),
      loadIcmpType(R0),
      compare(R0, 'equal', Uint8Array.of(type)),
      decide({ verdict: 'drop' }),
    ]),
  ];
}

function inside(cidr: Cidr, load: Expression): Expression[] {
  return inPrefix(cidr, load, 'equal');
}

function outside(cidr: Cidr, load: Expression): Expression[] {
  return inPrefix(cidr, load, 'different');
}

function inPrefix(cidr: Cidr, load: Expression, how: 'equal' | 'different'): Expression[] {
  const bits = cidr.family === 4 ? 32 : 128;
  const ones = ((1n << BigInt(cidr.prefix)) - 1n) << BigInt(bits - cidr.prefix);
  const bytes = (value: bigint) => addressBytes({ family: cidr.family, value });
  return [load, mask(R0, bytes(ones)), compare(R0, how, bytes(cidr.base))];
}

/** The comment ends in a hash of the instructions: a rule that was changed by hand has another one, or none. */
export function rule(chain: string, what: string, expressions: Expression[]): Rule {
  const hash = createHash('sha256');
  for (const each of expressions) hash.update(each.encode());
  return { chain, expressions, comment: `${what} #${hash.digest('hex').slice(0, 8)}` };
}

export function isVerdict(data: Uint8Array | Verdict | undefined): data is Verdict {
  return data !== undefined && !(data instanceof Uint8Array);
}
