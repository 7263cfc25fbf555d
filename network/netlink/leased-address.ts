import { addressBytes, canonicalAddress, parseAddress } from '#machinery/values/cidr.ts';
import type { Request } from './connection.ts';
import { entryOf, NDA, neighbourHeader, RTM_DELNEIGH, RTM_NEWNEIGH } from './overlay.ts';
import { AF, IFA, IFA_F_NODAD, RTM_DELADDR, RTM_NEWADDR, request } from './route.ts';
import { Attributes, type Message, NLM_F_CREATE, NLM_F_REPLACE } from './wire.ts';

/**
 * Addresses that the kernel takes away by itself, and who on a link has one. Source: <linux/if_addr.h>, <linux/neighbour.h>, ip-address(8)
 * on valid_lft.
 */

const IFA_CACHEINFO = 6;
/** preferred and valid seconds, and two times that the kernel fills in. */
const CACHEINFO_BYTES = 16;
const NTF_USE = 1;
const NUD_REACHABLE = 2;

/** An address alone, without the subnet around it. */
function hostAddress(index: number, address: string, flags: number): { header: Buffer; bytes: Uint8Array } {
  const parsed = parseAddress(address)!;
  const header = Buffer.alloc(8);
  header[0] = AF[parsed.family];
  header[1] = parsed.family === 4 ? 32 : 128;
  header[2] = parsed.family === 6 ? flags : 0;
  header.writeUInt32LE(index, 4);
  return { header, bytes: addressBytes(parsed) };
}

/**
 * Gives a link an address for so many seconds from now, also when it has it for others. It is deprecated from the start: who answers to it
 * goes on, and nothing of this machine's own comes from it where there is another one (RFC 6724, rule 3).
 */
export function newLeasedAddress(index: number, address: string, seconds: number): Request {
  const { header, bytes } = hostAddress(index, address, IFA_F_NODAD);
  const times = Buffer.alloc(CACHEINFO_BYTES);
  times.writeUInt32LE(seconds, 4);
  const attributes = new Attributes()
    .bytes(IFA.local, bytes)
    .bytes(IFA.address, bytes)
    .bytes(IFA_CACHEINFO, times);
  return request(
    `have ${address} for ${seconds} s`,
    RTM_NEWADDR,
    NLM_F_CREATE | NLM_F_REPLACE,
    header,
    attributes,
  );
}

/** EADDRNOTAVAIL when the link does not have it. */
export function deleteLeasedAddress(index: number, address: string): Request {
  const { header, bytes } = hostAddress(index, address, 0);
  const attributes = new Attributes().bytes(IFA.local, bytes).bytes(IFA.address, bytes);
  return request(`delete ${address}`, RTM_DELADDR, 0, header, attributes);
}

function neighbour(type: number, what: string, flags: number, entry: [number, string, number]): Request {
  const [index, address, use] = entry;
  const parsed = parseAddress(address)!;
  const attributes = new Attributes().bytes(NDA.destination, addressBytes(parsed));
  return request(
    `${what} ${address}`,
    type,
    flags,
    neighbourHeader(AF[parsed.family], index, 0, use),
    attributes,
  );
}

/** Has the kernel ask on a link who has the address (ARP, neighbour solicitation); `answered` tells of it. */
export function askNeighbour(index: number, address: string): Request {
  return neighbour(RTM_NEWNEIGH, 'ask for', NLM_F_CREATE | NLM_F_REPLACE, [index, address, NTF_USE]);
}

/** ENOENT when nothing is known of it. */
export function forgetNeighbour(index: number, address: string): Request {
  return neighbour(RTM_DELNEIGH, 'forget', 0, [index, address, 0]);
}

/** MAC of who has answered that it has the address. */
export function answered(messages: readonly Message[], index: number, address: string): string | undefined {
  const wanted = canonicalAddress(address);
  return messages
    .map(entryOf)
    .find((entry) => entry?.index === index && entry.address === wanted && entry.state & NUD_REACHABLE)?.mac;
}
