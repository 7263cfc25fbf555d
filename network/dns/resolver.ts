import type { Answer, DecodedPacket } from 'dns-packet';
import * as dns from 'dns-packet';
import type { Clock } from '#machinery/clock.ts';
import type { Random } from '#machinery/random.ts';
import type { Cidr } from '#machinery/values/cidr.ts';
import { answerLocally, RCODE, type ResponseParts, respond, truncated, udpLimit } from './answer.ts';
import { shapeOf } from './message.ts';
import { type DnsTransport, Forwarder, type Upstream, UpstreamError } from './upstream.ts';
import type { Zone } from './zone.ts';

/**
 * From the bytes of a query to the bytes of its response. Responses are kept as bytes under the bytes of the query (all
 * but its id): an answer that was given before costs one look-up and one copy.
 */
export interface ResolverOptions {
  zone: Zone;
  /** Ranges whose PTR names are ours: pods and services. */
  reverse: readonly Cidr[];
  upstreams: readonly Upstream[];
  /** Domains with name servers of their own; the longest that fits is asked. */
  stubDomains: readonly { domain: string; upstreams: readonly Upstream[] }[];
  clock: Clock;
  random: Random;
}

/** Responses kept at one time; beyond, all are dropped: cheaper than ageing, and random names cannot fill memory. */
const MAX_KEPT = 20_000;
/** Upstream answers are kept no longer than this, whatever they say. */
const MAX_KEEP_SECONDS = 30;
/** A response with several addresses is made anew after so many uses, in another order. */
const ROTATE_AFTER = 16;
const TYPE_QUERY_MASK = 0xf8;

interface Kept {
  response: Buffer;
  /** Generation of the zone that it was made from; -1 = from upstream. */
  generation: number;
  keptAtMs: number;
  expiresMs: number;
  ttlOffsets: number[];
  usesLeft: number;
}

export class Resolver {
  readonly #options: ResolverOptions;
  readonly #forwarder: Forwarder;
  readonly #kept = new Map<string, Kept>();
  #turn = 0;
  readonly counts = { queries: 0, kept: 0, forwarded: 0, failed: 0 };

  constructor(options: ResolverOptions) {
    this.#options = options;
    this.#forwarder = new Forwarder(options.clock, options.random);
  }

  /** The response, at once when it is known; undefined = say nothing (the bytes are no query). */
  resolve(query: Buffer, transport: DnsTransport): Buffer | undefined | Promise<Buffer | undefined> {
    // A response that answers a response would go round for ever.
    if (query.length < 12 || (query[2]! & 0x80) !== 0) return undefined;
    this.counts.queries++;
    const key = (transport === 'udp' ? 'u' : 't') + query.toString('latin1', 2);
    const kept = this.#fromKept(key, query);
    return kept ?? this.#work(key, query, transport);
  }

  #fromKept(key: string, query: Buffer): Buffer | undefined {
    const kept = this.#kept.get(key);
    if (!kept) return undefined;
    const now = this.#options.clock.monotonic();
    const fresh =
      kept.generation < 0 ? now < kept.expiresMs : kept.generation === this.#options.zone.generation;
    if (!fresh || kept.usesLeft-- <= 0) {
      this.#kept.delete(key);
      return undefined;
    }
    this.counts.kept++;
    const response = Buffer.from(kept.response);
    response[0] = query[0]!;
    response[1] = query[1]!;
    const age = kept.generation < 0 ? Math.floor((now - kept.keptAtMs) / 1000) : 0;
    if (age > 0)
      for (const at of kept.ttlOffsets)
        response.writeUInt32BE(Math.max(0, response.readUInt32BE(at) - age), at);
    return response;
  }

  #work(
    key: string,
    bytes: Buffer,
    transport: DnsTransport,
  ): Buffer | undefined | Promise<Buffer | undefined> {
    let query: DecodedPacket;
    try {
      query = dns.decode(bytes);
    } catch {
      // Damaged bytes: the header is all there is to answer to.
      return failure(bytes, RCODE.FORMERR);
    }
    if ((bytes[2]! & TYPE_QUERY_MASK & 0x78) !== 0) return failure(bytes, RCODE.NOTIMP);
    const question = query.questions?.[0];
    if (query.questions?.length !== 1 || !question) return failure(bytes, RCODE.FORMERR);
    const { zone, reverse } = this.#options;
    const local = answerLocally(zone, reverse, question);
    if (local.kind === 'forward') return this.#forward(key, bytes, transport, question.name);
    if (local.kind === 'chase') return this.#chase(query, transport, local.answers, local.target);
    const parts = { ...local, answers: this.#rotate(local.answers), authoritative: true };
    const response = encode(query, parts, transport);
    const usesLeft = local.answers.length > 1 ? ROTATE_AFTER : Number.POSITIVE_INFINITY;
    this.#keep(key, response, { generation: zone.generation, usesLeft });
    return response;
  }

  /** Another record first each time, so that clients that take the first spread over all. */
  #rotate(answers: Answer[]): Answer[] {
    if (answers.length < 2 || answers.some((each) => each.type === 'CNAME')) return answers;
    const by = this.#turn++ % answers.length;
    return [...answers.slice(by), ...answers.slice(0, by)];
  }

  async #forward(key: string, query: Buffer, transport: DnsTransport, name: string): Promise<Buffer> {
    this.counts.forwarded++;
    try {
      const response = Buffer.from(await this.#forwarder.ask(query, transport, this.#serversFor(name)));
      query.copy(response, 0, 0, 2);
      const shape = shapeOf(response);
      if (!shape) return this.#failed(query);
      const keep = Math.min(shape.keepSeconds, MAX_KEEP_SECONDS);
      const cachable = (shape.rcode === RCODE.NOERROR || shape.rcode === RCODE.NXDOMAIN) && !shape.truncated;
      if (cachable && keep >= 1 && shape.ttlOffsets.length > 0)
        this.#keep(key, response, { keepMs: keep * 1000, ttlOffsets: shape.ttlOffsets });
      return response;
    } catch (error) {
      if (error instanceof UpstreamError) return this.#failed(query);
      throw error;
    }
  }

  /** An alias of ours for a name elsewhere: both records in one response, as resolvers expect. */
  async #chase(
    query: DecodedPacket,
    transport: DnsTransport,
    answers: Answer[],
    target: string,
  ): Promise<Buffer> {
    const question = { ...query.questions![0]!, name: target };
    const onward = dns.encode({ type: 'query', id: 0, flags: dns.RECURSION_DESIRED, questions: [question] });
    this.counts.forwarded++;
    try {
      const servers = this.#serversFor(target);
      let reply = dns.decode(await this.#forwarder.ask(onward, transport, servers));
      if (reply.flag_tc) reply = dns.decode(await this.#forwarder.ask(onward, 'tcp', servers));
      const rcode = (reply.flags ?? 0) & 15;
      const found = { rcode, authoritative: false, answers: [...answers, ...(reply.answers ?? [])] };
      return encode(query, found, transport);
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      this.counts.failed++;
      return encode(query, { rcode: RCODE.SERVFAIL, authoritative: false, answers }, transport);
    }
  }

  #failed(query: Buffer): Buffer {
    this.counts.failed++;
    return failure(query, RCODE.SERVFAIL);
  }

  #serversFor(name: string): readonly Upstream[] {
    const asked = `.${name.toLowerCase()}`;
    const stub = this.#options.stubDomains
      .filter(({ domain }) => asked.endsWith(`.${domain.toLowerCase()}`))
      .sort((a, b) => b.domain.length - a.domain.length)[0];
    return stub?.upstreams ?? this.#options.upstreams;
  }

  #keep(
    key: string,
    response: Buffer,
    how: { generation?: number; usesLeft?: number; keepMs?: number; ttlOffsets?: number[] },
  ): void {
    if (this.#kept.size >= MAX_KEPT) this.#kept.clear();
    const now = this.#options.clock.monotonic();
    this.#kept.set(key, {
      response,
      generation: how.generation ?? -1,
      keptAtMs: now,
      expiresMs: now + (how.keepMs ?? 0),
      ttlOffsets: how.ttlOffsets ?? [],
      usesLeft: how.usesLeft ?? Number.POSITIVE_INFINITY,
    });
  }
}

function encode(query: DecodedPacket, parts: ResponseParts, transport: DnsTransport): Buffer {
  const response = dns.encode(respond(query, parts));
  if (transport === 'tcp' || response.length <= udpLimit(query)) return response;
  // What comes in addition may go first (RFC 2181 section 9).
  const lean = dns.encode(respond(query, { ...parts, additionals: [] }));
  return lean.length <= udpLimit(query) ? lean : dns.encode(truncated(query, parts));
}

/** A bare header with the code: also for queries that cannot be decoded. */
function failure(query: Buffer, rcode: number): Buffer {
  const end = rcode === RCODE.FORMERR ? 12 : (shapeOf(query)?.questionEnd ?? 12);
  const response = Buffer.from(query.subarray(0, end));
  response[2] = 0x80 | (query[2]! & 0x79);
  response[3] = 0x80 | rcode;
  response.fill(0, 4, 12);
  if (end > 12) response.writeUInt16BE(1, 4);
  return response;
}
