import type { Request } from './connection.ts';
import { dump } from './route.ts';
import { Attributes, encodeMessage, type Message, NLM_F_ACK, parseAttributes } from './wire.ts';

/** Connection tracking entries. Source: <linux/netfilter/nfnetlink_conntrack.h>. */

const SUBSYSTEM = 1;
const GET = (SUBSYSTEM << 8) | 1;
const DELETE = (SUBSYSTEM << 8) | 2;
const CTA = { original: 1, reply: 2 } as const;
const CTA_TUPLE = { ip: 1, protocol: 2 } as const;
const CTA_IP = { source4: 1, destination4: 2, source6: 3, destination6: 4 } as const;
const CTA_PROTO = { number: 1, sourcePort: 2, destinationPort: 3 } as const;
const AF_INET = 2;
const AF_INET6 = 10;

/** One direction of a flow; addresses in 4 or 16 bytes. */
export interface Tuple {
  source: Uint8Array;
  destination: Uint8Array;
  sourcePort: number;
  destinationPort: number;
}

export interface Flow {
  protocol: number;
  original: Tuple;
  reply: Tuple;
}

/** All flows of both families. */
export const dumpFlows: Request = dump('list connection tracking', GET, Buffer.alloc(4));

export function deleteFlow(flow: Flow): Request {
  return {
    what: 'delete a connection tracking entry',
    encode(sequence) {
      const v4 = flow.original.source.length === 4;
      const ip = new Attributes()
        .bytes(v4 ? CTA_IP.source4 : CTA_IP.source6, flow.original.source)
        .bytes(v4 ? CTA_IP.destination4 : CTA_IP.destination6, flow.original.destination);
      const protocol = new Attributes()
        .u8(CTA_PROTO.number, flow.protocol)
        .bytes(CTA_PROTO.sourcePort, portBytes(flow.original.sourcePort))
        .bytes(CTA_PROTO.destinationPort, portBytes(flow.original.destinationPort));
      const tuple = new Attributes().nest(CTA_TUPLE.ip, ip).nest(CTA_TUPLE.protocol, protocol);
      const header = Buffer.of(v4 ? AF_INET : AF_INET6, 0, 0, 0);
      return encodeMessage(DELETE, NLM_F_ACK, sequence, header, new Attributes().nest(CTA.original, tuple));
    },
  };
}

/** A flow with ports; undefined for other protocols. */
export function parseFlow(message: Message): Flow | undefined {
  const attributes = parseAttributes(message.body.subarray(4));
  const original = parseTuple(attributes.get(CTA.original));
  const reply = parseTuple(attributes.get(CTA.reply));
  return original && reply && { protocol: original.protocol, original: original.tuple, reply: reply.tuple };
}

function parseTuple(bytes: Buffer | undefined): { protocol: number; tuple: Tuple } | undefined {
  if (!bytes) return undefined;
  const parts = parseAttributes(bytes);
  const ip = parseAttributes(parts.get(CTA_TUPLE.ip) ?? Buffer.alloc(0));
  const protocol = parseAttributes(parts.get(CTA_TUPLE.protocol) ?? Buffer.alloc(0));
  const source = ip.get(CTA_IP.source4) ?? ip.get(CTA_IP.source6);
  const destination = ip.get(CTA_IP.destination4) ?? ip.get(CTA_IP.destination6);
  const sourcePort = protocol.get(CTA_PROTO.sourcePort);
  const destinationPort = protocol.get(CTA_PROTO.destinationPort);
  if (!source || !destination || !sourcePort || !destinationPort) return undefined;
  return {
    protocol: protocol.get(CTA_PROTO.number)?.[0] ?? 0,
    tuple: {
      source,
      destination,
      sourcePort: sourcePort.readUInt16BE(0),
      destinationPort: destinationPort.readUInt16BE(0),
    },
  };
}

function portBytes(port: number): Uint8Array {
  return Uint8Array.of(port >> 8, port & 255);
}
