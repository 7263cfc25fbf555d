import type { Answer, DecodedPacket, Packet, Question } from 'dns-packet';
import { type Cidr, cidrContains, parseAddress } from '#machinery/values/cidr.ts';
import type { Zone, ZoneRecord } from './zone.ts';

/**
 * What the zone says to one question: pure, no bytes, no sockets. Source: RFC 1034 section 4.3.2 (the algorithm), RFC
 * 2308 (negative answers), RFC 6891 (EDNS).
 */

/** Seconds; short, because pods come and go. Also how long "there is no such name" may be kept. */
const TTL_SECONDS = 5;
/** CNAMEs in the zone followed for one question. */
const MAX_CHASE = 8;

export const RCODE = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 } as const;

export type LocalAnswer =
  | { kind: 'answer'; rcode: number; answers: Answer[]; additionals: Answer[]; authorities: Answer[] }
  /** Not ours: ask upstream. */
  | { kind: 'forward' }
  /** `answers` end in a CNAME to a name that is not ours: ask upstream for it and append. */
  | { kind: 'chase'; answers: Answer[]; target: string };

/** `reverse`: ranges whose PTR names are ours, there or not. */
export function answerLocally(zone: Zone, reverse: readonly Cidr[], question: Question): LocalAnswer {
  const asked = question.name.toLowerCase();
  if (!isOurs(zone, reverse, asked)) return { kind: 'forward' };
  const answers: Answer[] = [];
  let name = asked;
  for (let i = 0; i < MAX_CHASE; i++) {
    const records = zone.lookup(name);
    // A client takes "there is no such name" as final, and a failure as a reason to ask again.
    if (!records?.length && !zone.whole) return negative(zone, RCODE.SERVFAIL, []);
    if (!records) return negative(zone, RCODE.NXDOMAIN, answers);
    // The name is given back in the case it was asked in (draft-vixie-dnsext-dns0x20).
    const shown = i === 0 ? question.name : name;
    const alias = records.find((record) => record.type === 'CNAME');
    if (!alias || question.type === 'CNAME') return positive(zone, records, question, shown, answers);
    answers.push(wire(shown, alias));
    name = alias.data as string;
    if (!isOurs(zone, reverse, name)) return { kind: 'chase', answers, target: name };
  }
  return negative(zone, RCODE.SERVFAIL, []);
}

function isOurs(zone: Zone, reverse: readonly Cidr[], name: string): boolean {
  if (name === zone.domain || name.endsWith(`.${zone.domain}`)) return true;
  if (zone.lookup(name)?.length) return true;
  const match = /^(\d+)\.(\d+)\.(\d+)\.(\d+)\.in-addr\.arpa$/.exec(name);
  const address = match && parseAddress(`${match[4]}.${match[3]}.${match[2]}.${match[1]}`);
  return !!address && reverse.some((cidr) => cidrContains(cidr, address));
}

function positive(
  zone: Zone,
  records: ZoneRecord[],
  question: Question,
  shown: string,
  before: Answer[],
): LocalAnswer {
  const type: string = question.type;
  if (name(question) === zone.domain && type === 'SOA') return found([...before, startOfAuthority(zone)], []);
  const matching = records.filter((record) => record.type === type || type === 'ANY');
  if (matching.length === 0) return negative(zone, RCODE.NOERROR, before);
  const targets = new Set(matching.flatMap((each) => (each.type === 'SRV' ? [each.data.target] : [])));
  const additionals = [...targets].flatMap((target) =>
    (zone.lookup(target) ?? [])
      .filter((each) => each.type === 'A' || each.type === 'AAAA')
      .map((each) => wire(target, each)),
  );
  return found([...before, ...matching.map((each) => wire(shown, each))], additionals);
}

function name(question: Question): string {
  return question.name.toLowerCase();
}

function found(answers: Answer[], additionals: Answer[]): LocalAnswer {
  return { kind: 'answer', rcode: RCODE.NOERROR, answers, additionals, authorities: [] };
}

function negative(zone: Zone, rcode: number, answers: Answer[]): LocalAnswer {
  return { kind: 'answer', rcode, answers, additionals: [], authorities: [startOfAuthority(zone)] };
}

function startOfAuthority(zone: Zone): Answer {
  return {
    type: 'SOA',
    name: zone.domain,
    ttl: TTL_SECONDS,
    data: {
      mname: `ns.dns.${zone.domain}`,
      rname: `hostmaster.${zone.domain}`,
      serial: zone.generation,
      refresh: 7200,
      retry: 1800,
      expire: 86_400,
      minimum: TTL_SECONDS,
    },
  };
}

function wire(shown: string, record: ZoneRecord): Answer {
  return { type: record.type, name: shown, ttl: TTL_SECONDS, data: record.data } as Answer;
}

const FLAG_AUTHORITATIVE = 1 << 10;
const FLAG_TRUNCATED = 1 << 9;
const FLAG_RECURSION_DESIRED = 1 << 8;
const FLAG_RECURSION_AVAILABLE = 1 << 7;
/** What fits without fragments on every path (DNS flag day 2020). */
const EDNS_BYTES = 1232;
const CLASSIC_BYTES = 512;

export interface ResponseParts {
  rcode: number;
  authoritative: boolean;
  answers?: Answer[];
  additionals?: Answer[];
  authorities?: Answer[];
}

/** The response packet to `query`; with its EDNS record when the query had one. */
export function respond(query: DecodedPacket, parts: ResponseParts): Packet {
  const additionals = [...(parts.additionals ?? [])];
  if (hasEdns(query)) {
    additionals.push({
      type: 'OPT',
      name: '.',
      udpPayloadSize: EDNS_BYTES,
      flags: 0,
      options: [],
    } as unknown as Answer);
  }
  return {
    type: 'response',
    id: query.id,
    flags:
      FLAG_RECURSION_AVAILABLE |
      ((query.flags ?? 0) & FLAG_RECURSION_DESIRED) |
      (parts.authoritative ? FLAG_AUTHORITATIVE : 0) |
      parts.rcode,
    questions: query.questions,
    answers: parts.answers,
    authorities: parts.authorities,
    additionals,
  };
}

/** The same response without records, marked as cut off: the client asks again over TCP. */
export function truncated(query: DecodedPacket, parts: ResponseParts): Packet {
  const packet = respond(query, { ...parts, answers: [], additionals: [], authorities: [] });
  return { ...packet, flags: (packet.flags ?? 0) | FLAG_TRUNCATED };
}

/** Bytes of a UDP response that this client takes. */
export function udpLimit(query: DecodedPacket): number {
  const edns = query.additionals?.find((each) => each.type === 'OPT') as
    | { udpPayloadSize?: number }
    | undefined;
  return edns
    ? Math.min(EDNS_BYTES, Math.max(CLASSIC_BYTES, edns.udpPayloadSize ?? CLASSIC_BYTES))
    : CLASSIC_BYTES;
}

function hasEdns(query: DecodedPacket): boolean {
  return query.additionals?.some((each) => each.type === 'OPT') ?? false;
}
