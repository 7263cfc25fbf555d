import { type Address, addressBytes } from '#machinery/values/cidr.ts';
import { macBytes } from '../netlink/route.ts';

/**
 * What a machine tells its link when it has got an address that another one had: pure. Source: RFC 5227, section 3 (ARP announcement);
 * RFC 4861, sections 4.4 and 7.2.6 (unsolicited neighbour advertisement).
 */

const ETHERTYPE = { arp: 0x0806, ipv6: 0x86dd } as const;
const ARP = { ethernet: 1, ipv4: 0x0800, request: 1 } as const;
/** Shorter frames are no Ethernet; without the checksum that the device adds. */
const SHORTEST_FRAME_BYTES = 60;
const EVERYBODY_MAC = 'ff:ff:ff:ff:ff:ff';
/** Of all nodes on a link: ff02::1 (RFC 2464, section 7). */
const ALL_NODES_MAC = '33:33:00:00:00:01';
const ALL_NODES = Buffer.from('ff020000000000000000000000000001', 'hex');
const ICMPV6 = 58;
const NEIGHBOUR_ADVERTISEMENT = 136;
/** What is known of the address is to be forgotten. */
const OVERRIDE = 0x20;
const TARGET_LINK_ADDRESS = 2;
/** Routers let no other one through: it comes from this link. */
const HOP_LIMIT = 255;

/** The Ethernet frame by which `mac` says that it has the address now. */
export function announcement(mac: string, address: Address): Buffer {
  return address.family === 4 ? arpAnnouncement(mac, address) : neighbourAdvertisement(mac, address);
}

function ethernet(to: string, mac: string, type: number): Buffer {
  const header = Buffer.alloc(14);
  header.set(macBytes(to), 0);
  header.set(macBytes(mac), 6);
  header.writeUInt16BE(type, 12);
  return header;
}

/** A request, as the RFC has it: there are machines that read no answer they have not asked for. */
function arpAnnouncement(mac: string, address: Address): Buffer {
  const packet = Buffer.alloc(SHORTEST_FRAME_BYTES - 14);
  packet.writeUInt16BE(ARP.ethernet, 0);
  packet.writeUInt16BE(ARP.ipv4, 2);
  packet.set([6, 4], 4);
  packet.writeUInt16BE(ARP.request, 6);
  packet.set(macBytes(mac), 8);
  packet.set(addressBytes(address), 14);
  packet.set(addressBytes(address), 24);
  return Buffer.concat([ethernet(EVERYBODY_MAC, mac, ETHERTYPE.arp), packet]);
}

function neighbourAdvertisement(mac: string, address: Address): Buffer {
  const bytes = addressBytes(address);
  const message = Buffer.alloc(32);
  message[0] = NEIGHBOUR_ADVERTISEMENT;
  message[4] = OVERRIDE;
  message.set(bytes, 8);
  message.set([TARGET_LINK_ADDRESS, 1], 24);
  message.set(macBytes(mac), 26);
  message.writeUInt16BE(checksum(bytes, ALL_NODES, message), 2);
  const header = Buffer.alloc(40);
  header[0] = 6 << 4;
  header.writeUInt16BE(message.length, 4);
  header.set([ICMPV6, HOP_LIMIT], 6);
  header.set(bytes, 8);
  header.set(ALL_NODES, 24);
  return Buffer.concat([ethernet(ALL_NODES_MAC, mac, ETHERTYPE.ipv6), header, message]);
}

/** Over the message, and a header that stands for IPv6's. Source: RFC 8200, section 8.1; RFC 1071. */
function checksum(source: Uint8Array, destination: Uint8Array, message: Buffer): number {
  const pseudo = Buffer.alloc(8);
  pseudo.writeUInt32BE(message.length, 0);
  pseudo[7] = ICMPV6;
  const all = Buffer.concat([source, destination, pseudo, message]);
  let sum = 0;
  for (let at = 0; at < all.length; at += 2) sum += all.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
