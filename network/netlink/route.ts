import {
  addressBytes,
  addressOfBytes,
  type Family,
  formatAddress,
  parseAddress,
} from '#machinery/values/cidr.ts';
import type { Request } from './connection.ts';
import {
  Attributes,
  encodeMessage,
  type Message,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  parseAttributes,
  textOf,
} from './wire.ts';

/** Links, addresses and routes as rtnetlink messages and back. Source: rtnetlink(7), <linux/if_link.h>. */

export const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_GETLINK = 18;
const RTM_SETLINK = 19;
export const RTM_NEWADDR = 20;
export const RTM_DELADDR = 21;
const RTM_GETADDR = 22;
const RTM_NEWROUTE = 24;
const RTM_DELROUTE = 25;
const RTM_GETROUTE = 26;

export const AF: Record<Family, number> = { 4: 2, 6: 10 };

export const IFF_UP = 1;
export const IFLA = { address: 1, name: 3, mtu: 4, master: 10, info: 18, netNsPid: 19, alias: 20 } as const;
export const IFLA_INFO = { kind: 1, data: 2, slaveKind: 4, slaveData: 5 } as const;
const VETH_INFO_PEER = 1;
const IFLA_BRPORT_MODE = 4;
export const IFA = { address: 1, local: 2 } as const;
/** No duplicate address detection: addresses come from our own blocks, and a pod cannot wait a second for it. */
export const IFA_F_NODAD = 2;
const RTA = { destination: 1, link: 4, gateway: 5, priority: 6, source: 7, table: 15 } as const;
const RT_TABLE_MAIN = 254;
export const RTPROT_STATIC = 4;
const SCOPE_UNIVERSE = 0;
const SCOPE_LINK = 253;
const RTN_UNICAST = 1;
const RTN_UNREACHABLE = 7;
const RTNH_F_ONLINK = 4;

export interface Link {
  index: number;
  name: string;
  mac: string;
  mtu: number;
  up: boolean;
  /** Index of the bridge it is a port of; 0 = none. */
  master: number;
  /** bridge, veth, ...; empty for loopback and hardware. */
  kind: string;
  /** Of a bridge port. */
  hairpin: boolean;
  /** What is particular to its kind, as the kernel says it. */
  data?: Buffer;
}

/** An address with its prefix length on a link. */
export interface LinkAddress {
  index: number;
  address: string;
  prefix: number;
}

/** A route of the main table. `destination` is CIDR text. */
export interface Route {
  destination: string;
  kind: 'unicast' | 'unreachable' | 'other';
  /** Index of the outgoing link; 0 = none. */
  index: number;
  gateway?: string;
  /** Preferred source address of traffic from this node. */
  source?: string;
  metric: number;
  /** Who made it, of those that are read; what this room makes is RTPROT_STATIC. */
  protocol?: number;
}

export function ifinfo(index = 0, flags = 0, change = 0): Buffer {
  const header = Buffer.alloc(16);
  header.writeInt32LE(index, 4);
  header.writeUInt32LE(flags, 8);
  header.writeUInt32LE(change, 12);
  return header;
}

export function macBytes(mac: string): Buffer {
  return Buffer.from(mac.replaceAll(':', ''), 'hex');
}

export function macText(bytes: Buffer | undefined): string {
  return (bytes?.toString('hex') ?? '').replace(/(..)(?=.)/g, '$1:');
}

/**
 * A bridge without spanning tree; EEXIST when there is a link of that name. Its MTU must be set afterwards: the kernel goes by the
 * ports for one that was given here.
 */
export function newBridge(name: string, mac: string): Request {
  const attributes = new Attributes()
    .text(IFLA.name, name)
    .bytes(IFLA.address, macBytes(mac))
    .nest(IFLA.info, new Attributes().text(IFLA_INFO.kind, 'bridge'));
  return request(
    `create bridge ${name}`,
    RTM_NEWLINK,
    NLM_F_CREATE | NLM_F_EXCL,
    ifinfo(0, IFF_UP, IFF_UP),
    attributes,
  );
}

export interface VethPair {
  /** Name and index in the namespace that the request is sent to. */
  name: string;
  index: number;
  mac: string;
  mtu: number;
  /** Name in the namespace of process `peerPid`. */
  peer: string;
  peerPid: number;
}

/** A veth pair, this end up; EEXIST when a link of one of the names is there. */
export function newVeth(veth: VethPair): Request {
  const peer = new Attributes()
    .text(IFLA.name, veth.peer)
    .u32(IFLA.mtu, veth.mtu)
    .u32(IFLA.netNsPid, veth.peerPid);
  const data = new Attributes().group(VETH_INFO_PEER, Buffer.concat([ifinfo(), peer.encode()]));
  const attributes = new Attributes()
    .text(IFLA.name, veth.name)
    .bytes(IFLA.address, macBytes(veth.mac))
    .u32(IFLA.mtu, veth.mtu)
    .nest(IFLA.info, new Attributes().text(IFLA_INFO.kind, 'veth').nest(IFLA_INFO.data, data));
  return request(
    `create veth ${veth.name} with peer ${veth.peer}`,
    RTM_NEWLINK,
    NLM_F_CREATE | NLM_F_EXCL,
    ifinfo(veth.index, IFF_UP, IFF_UP),
    attributes,
  );
}

export interface LinkChange {
  up?: boolean;
  mtu?: number;
  mac?: string;
  /** Index of the bridge to join; 0 leaves it. */
  master?: number;
  /** What people read in `ip link`. */
  alias?: string;
}

/** Changes the link of that name. */
export function setLink(name: string, change: LinkChange): Request {
  const attributes = new Attributes().text(IFLA.name, name);
  if (change.mtu !== undefined) attributes.u32(IFLA.mtu, change.mtu);
  if (change.mac !== undefined) attributes.bytes(IFLA.address, macBytes(change.mac));
  if (change.master !== undefined) attributes.u32(IFLA.master, change.master);
  if (change.alias !== undefined) attributes.text(IFLA.alias, change.alias);
  const header = ifinfo(0, change.up ? IFF_UP : 0, change.up === undefined ? 0 : IFF_UP);
  return request(`change link ${name}`, RTM_SETLINK, 0, header, attributes);
}

/** Lets a bridge port send a frame back where it came from: a pod that reaches itself through a Service. */
export function setHairpin(name: string): Request {
  const port = new Attributes().u8(IFLA_BRPORT_MODE, 1);
  const info = new Attributes().text(IFLA_INFO.slaveKind, 'bridge').nest(IFLA_INFO.slaveData, port);
  const attributes = new Attributes().text(IFLA.name, name).nest(IFLA.info, info);
  return request(`set hairpin on ${name}`, RTM_NEWLINK, 0, ifinfo(), attributes);
}

export function deleteLink(name: string): Request {
  return request(`delete link ${name}`, RTM_DELLINK, 0, ifinfo(), new Attributes().text(IFLA.name, name));
}

/** One link by name; ENODEV when there is none. */
export function getLink(name: string): Request {
  return {
    what: `look up link ${name}`,
    encode: (sequence) =>
      encodeMessage(RTM_GETLINK, 0, sequence, ifinfo(), new Attributes().text(IFLA.name, name)),
  };
}

export const dumpLinks: Request = dump('list links', RTM_GETLINK, ifinfo());

export function parseLink(message: Message): Link | undefined {
  if (message.type !== RTM_NEWLINK) return undefined;
  const attributes = parseAttributes(message.body.subarray(16));
  const info = attributes.get(IFLA.info);
  const infos = info ? parseAttributes(info) : undefined;
  const port = infos?.get(IFLA_INFO.slaveData);
  return {
    index: message.body.readInt32LE(4),
    name: textOf(attributes.get(IFLA.name)),
    mac: macText(attributes.get(IFLA.address)),
    mtu: attributes.get(IFLA.mtu)?.readUInt32LE(0) ?? 0,
    up: (message.body.readUInt32LE(8) & IFF_UP) !== 0,
    master: attributes.get(IFLA.master)?.readUInt32LE(0) ?? 0,
    kind: textOf(infos?.get(IFLA_INFO.kind)),
    ...(infos?.has(IFLA_INFO.data) && { data: infos.get(IFLA_INFO.data)! }),
    hairpin: port ? parseAttributes(port).get(IFLA_BRPORT_MODE)?.[0] === 1 : false,
  };
}

function addressRequest(type: number, verb: string, flags: number, index: number, cidr: string): Request {
  const [text = '', prefix] = cidr.split('/');
  const address = parseAddress(text);
  if (!address) throw new RangeError(`${cidr} is not an address with a prefix length`);
  const bytes = addressBytes(address);
  const header = Buffer.alloc(8);
  header[0] = AF[address.family];
  header[1] = Number(prefix);
  header[2] = address.family === 6 ? IFA_F_NODAD : 0;
  header.writeUInt32LE(index, 4);
  const attributes = new Attributes().bytes(IFA.local, bytes).bytes(IFA.address, bytes);
  return request(`${verb} address ${cidr}`, type, flags, header, attributes);
}

/** Gives a link an address (`10.0.0.1/24`); having it already is fine. */
export function newAddress(index: number, cidr: string): Request {
  return addressRequest(RTM_NEWADDR, 'add', NLM_F_CREATE | NLM_F_REPLACE, index, cidr);
}

export const dumpAddresses: Request = dump('list addresses', RTM_GETADDR, Buffer.alloc(8));

export function parseLinkAddress(message: Message): LinkAddress | undefined {
  if (message.type !== RTM_NEWADDR) return undefined;
  const attributes = parseAttributes(message.body.subarray(8));
  const bytes = attributes.get(IFA.local) ?? attributes.get(IFA.address);
  if (!bytes || (bytes.length !== 4 && bytes.length !== 16)) return undefined;
  return {
    index: message.body.readUInt32LE(4),
    address: formatAddress(addressOfBytes(bytes)),
    prefix: message.body[1]!,
  };
}

function routeRequest(type: number, verb: string, flags: number, route: Route): Request {
  const [text = '', prefix] = route.destination.split('/');
  const destination = parseAddress(text);
  if (!destination) throw new RangeError(`${route.destination} is not a prefix`);
  const direct = route.kind === 'unicast' && !route.gateway;
  const header = Buffer.alloc(12);
  header[0] = AF[destination.family];
  header[1] = Number(prefix);
  header[4] = RT_TABLE_MAIN;
  header[5] = RTPROT_STATIC;
  header[6] = direct ? SCOPE_LINK : SCOPE_UNIVERSE;
  header[7] = route.kind === 'unicast' ? RTN_UNICAST : RTN_UNREACHABLE;
  header.writeUInt32LE(route.gateway ? RTNH_F_ONLINK : 0, 8);
  const attributes = new Attributes();
  if (Number(prefix) > 0) attributes.bytes(RTA.destination, addressBytes(destination));
  if (route.kind === 'unicast') attributes.u32(RTA.link, route.index);
  if (route.gateway) attributes.bytes(RTA.gateway, addressBytes(parseAddress(route.gateway)!));
  if (route.source) attributes.bytes(RTA.source, addressBytes(parseAddress(route.source)!));
  if (route.metric) attributes.u32(RTA.priority, route.metric);
  return request(`${verb} route ${route.destination}`, type, flags, header, attributes);
}

/** Makes the route to this destination with this metric be this one. */
export function newRoute(route: Route): Request {
  return routeRequest(RTM_NEWROUTE, 'add', NLM_F_CREATE | NLM_F_REPLACE, route);
}

export function deleteRoute(route: Route): Request {
  return routeRequest(RTM_DELROUTE, 'delete', 0, route);
}

export const dumpRoutes: Request = dump('list routes', RTM_GETROUTE, Buffer.alloc(12));

/** A route of the main table; undefined for other tables (local, broadcast). */
export function parseRoute(message: Message): Route | undefined {
  if (message.type !== RTM_NEWROUTE) return undefined;
  const [family, prefix] = [message.body[0]!, message.body[1]!];
  if (family !== AF[4] && family !== AF[6]) return undefined;
  const attributes = parseAttributes(message.body.subarray(12));
  const table = attributes.get(RTA.table)?.readUInt32LE(0) ?? message.body[4]!;
  if (table !== RT_TABLE_MAIN) return undefined;
  const text = (value: Buffer | undefined) => value && formatAddress(addressOfBytes(value));
  const type = message.body[7];
  return {
    destination: `${text(attributes.get(RTA.destination)) ?? (family === AF[4] ? '0.0.0.0' : '::')}/${prefix}`,
    kind: type === RTN_UNICAST ? 'unicast' : type === RTN_UNREACHABLE ? 'unreachable' : 'other',
    index: attributes.get(RTA.link)?.readUInt32LE(0) ?? 0,
    gateway: text(attributes.get(RTA.gateway)),
    source: text(attributes.get(RTA.source)),
    metric: attributes.get(RTA.priority)?.readUInt32LE(0) ?? 0,
    protocol: message.body[5]!,
  };
}

export function request(
  what: string,
  type: number,
  flags: number,
  header: Buffer,
  attributes: Attributes,
): Request {
  return {
    what,
    encode: (sequence) => encodeMessage(type, flags | NLM_F_ACK, sequence, header, attributes),
  };
}

/** All there is of a kind; the header says of which family. */
export function dump(what: string, type: number, header: Buffer): Request {
  return { what, encode: (sequence) => encodeMessage(type, NLM_F_DUMP, sequence, header) };
}
