import {
  addressBytes,
  addressOfBytes,
  type Family,
  formatAddress,
  parseAddress,
} from '#machinery/values/cidr.ts';
import type { Request } from './connection.ts';
import {
  AF,
  dump,
  IFF_UP,
  IFLA,
  IFLA_INFO,
  ifinfo,
  macBytes,
  macText,
  RTM_NEWLINK,
  request,
} from './route.ts';
import {
  Attributes,
  type Message,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  parseAttributes,
} from './wire.ts';

/** VXLAN devices, and what they know of the other ends. Source: <linux/if_link.h>, <linux/neighbour.h>, RFC 7348. */

export const RTM_NEWNEIGH = 28;
export const RTM_DELNEIGH = 29;
const RTM_GETNEIGH = 30;
const VXLAN = { id: 1, local: 4, learning: 7, port: 15, local6: 17 } as const;
export const NDA = { destination: 1, mac: 2 } as const;
const NUD_PERMANENT = 0x80;
const NTF_SELF = 2;
const AF_BRIDGE = 7;

/** What of a VXLAN device cannot be changed once it is there. */
export interface Vxlan {
  /** VXLAN network identifier. */
  id: number;
  /** UDP, the same on all nodes. */
  port: number;
  /** Address of this node that the packets come from. */
  local: string;
  /** Whether it believes what comes from elsewhere about who is where. */
  learning: boolean;
}

/** A VXLAN device; EEXIST when there is a link of that name. */
export function newVxlan(name: string, mac: string, mtu: number, vxlan: Vxlan): Request {
  const local = parseAddress(vxlan.local)!;
  const port = Buffer.alloc(2);
  port.writeUInt16BE(vxlan.port);
  const data = new Attributes()
    .u32(VXLAN.id, vxlan.id)
    .u8(VXLAN.learning, vxlan.learning ? 1 : 0)
    .bytes(VXLAN.port, port)
    .bytes(local.family === 4 ? VXLAN.local : VXLAN.local6, addressBytes(local));
  const attributes = new Attributes()
    .text(IFLA.name, name)
    .bytes(IFLA.address, macBytes(mac))
    .u32(IFLA.mtu, mtu)
    .nest(IFLA.info, new Attributes().text(IFLA_INFO.kind, 'vxlan').nest(IFLA_INFO.data, data));
  const header = ifinfo(0, IFF_UP, IFF_UP);
  return request(`create vxlan ${name}`, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, header, attributes);
}

/** What the kernel says of a VXLAN device; `data`: IFLA_INFO_DATA. */
export function parseVxlan(data: Buffer): Vxlan {
  const attributes = parseAttributes(data);
  const local = attributes.get(VXLAN.local) ?? attributes.get(VXLAN.local6);
  return {
    id: attributes.get(VXLAN.id)?.readUInt32LE(0) ?? 0,
    port: attributes.get(VXLAN.port)?.readUInt16BE(0) ?? 0,
    local: local ? formatAddress(addressOfBytes(local)) : '',
    learning: attributes.get(VXLAN.learning)?.[0] === 1,
  };
}

/** Who is behind an address of a link: `mac`. */
export interface Neighbour {
  index: number;
  address: string;
  mac: string;
}

/** Where frames for `mac` go from a VXLAN device: `to`, an address of another node. */
export interface Forward {
  index: number;
  mac: string;
  to: string;
}

export function neighbourHeader(family: number, index = 0, state = 0, flags = 0): Buffer {
  const header = Buffer.alloc(12);
  header[0] = family;
  header.writeInt32LE(index, 4);
  header.writeUInt16LE(state, 8);
  header[10] = flags;
  return header;
}

function neighbourRequest(type: number, verb: string, flags: number, entry: Neighbour): Request {
  const address = parseAddress(entry.address)!;
  const attributes = new Attributes()
    .bytes(NDA.destination, addressBytes(address))
    .bytes(NDA.mac, macBytes(entry.mac));
  const header = neighbourHeader(AF[address.family], entry.index, NUD_PERMANENT);
  return request(`${verb} neighbour ${entry.address}`, type, flags, header, attributes);
}

export function newNeighbour(entry: Neighbour): Request {
  return neighbourRequest(RTM_NEWNEIGH, 'add', NLM_F_CREATE | NLM_F_REPLACE, entry);
}

export function deleteNeighbour(entry: Neighbour): Request {
  return neighbourRequest(RTM_DELNEIGH, 'delete', 0, entry);
}

function forwardRequest(type: number, verb: string, flags: number, entry: Forward): Request {
  const attributes = new Attributes()
    .bytes(NDA.mac, macBytes(entry.mac))
    .bytes(NDA.destination, addressBytes(parseAddress(entry.to)!));
  const header = neighbourHeader(AF_BRIDGE, entry.index, NUD_PERMANENT, NTF_SELF);
  return request(`${verb} forwarding of ${entry.mac} to ${entry.to}`, type, flags, header, attributes);
}

export function newForward(entry: Forward): Request {
  return forwardRequest(RTM_NEWNEIGH, 'add', NLM_F_CREATE | NLM_F_REPLACE, entry);
}

export function deleteForward(entry: Forward): Request {
  return forwardRequest(RTM_DELNEIGH, 'delete', 0, entry);
}

export const dumpNeighbours = (family: Family): Request =>
  dump('list neighbours', RTM_GETNEIGH, neighbourHeader(AF[family]));
export const dumpForwards: Request = dump(
  'list forwarding entries',
  RTM_GETNEIGH,
  neighbourHeader(AF_BRIDGE),
);

/** A permanent neighbour; undefined for those that the kernel has found, and for entries of bridges. */
export function parseNeighbour(message: Message): Neighbour | undefined {
  const found = entryOf(message);
  if (!found || found.family === AF_BRIDGE || !(found.state & NUD_PERMANENT)) return undefined;
  return { index: found.index, address: found.address, mac: found.mac };
}

/** An entry of a VXLAN device; undefined for those of bridges, which name no other node. */
export function parseForward(message: Message): Forward | undefined {
  const found = entryOf(message);
  if (!found || found.family !== AF_BRIDGE) return undefined;
  return { index: found.index, mac: found.mac, to: found.address };
}

export function entryOf({ type, body }: Message) {
  if (type !== RTM_NEWNEIGH) return undefined;
  const attributes = parseAttributes(body.subarray(12));
  const [destination, mac] = [attributes.get(NDA.destination), attributes.get(NDA.mac)];
  if (!destination || (destination.length !== 4 && destination.length !== 16) || !mac) return undefined;
  const address = formatAddress(addressOfBytes(destination));
  return {
    family: body[0]!,
    index: body.readInt32LE(4),
    state: body.readUInt16LE(8),
    address,
    mac: macText(mac),
  };
}
