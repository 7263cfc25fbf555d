import { Attributes } from './wire.ts';

/**
 * The instructions of nf_tables rules. Registers are 4 bytes each, R0 the first; values longer than that fill the next
 * ones too, which is how concatenated keys are put together. Source: <linux/netfilter/nf_tables.h>.
 */

/** NFT_REG32_00 and its followers. */
export const R0 = 8;
/** The register that ends a rule: a look-up into it is a verdict map. */
export const VERDICT_REGISTER = 0;

/** One instruction as it stands in a rule's list. */
export type Expression = Attributes;

function expression(name: string, data: Attributes): Expression {
  return new Attributes().text(1, name).nest(2, data);
}

const PAYLOAD_NETWORK = 1;
const PAYLOAD_TRANSPORT = 2;

function payload(base: number, offset: number, length: number, register: number): Expression {
  return expression(
    'payload',
    new Attributes().be32(1, register).be32(2, base).be32(3, offset).be32(4, length),
  );
}

export type IpFamily = 'ip' | 'ip6';
const ADDRESS_OFFSETS = { ip: { source: 12, destination: 16 }, ip6: { source: 8, destination: 24 } } as const;
/** Bytes of an address in each family. */
export const ADDRESS_BYTES: Record<IpFamily, number> = { ip: 4, ip6: 16 };

export function loadSource(family: IpFamily, register: number): Expression {
  return payload(PAYLOAD_NETWORK, ADDRESS_OFFSETS[family].source, ADDRESS_BYTES[family], register);
}

export function loadDestination(family: IpFamily, register: number): Expression {
  return payload(PAYLOAD_NETWORK, ADDRESS_OFFSETS[family].destination, ADDRESS_BYTES[family], register);
}

/** Destination port of TCP and UDP. */
export function loadDestinationPort(register: number): Expression {
  return payload(PAYLOAD_TRANSPORT, 2, 2, register);
}

/** Type of an ICMP message. */
export function loadIcmpType(register: number): Expression {
  return payload(PAYLOAD_TRANSPORT, 0, 1, register);
}

const META = { inputName: 6, outputName: 7, protocol: 16 } as const;

function meta(key: number, register: number): Expression {
  return expression('meta', new Attributes().be32(1, register).be32(2, key));
}

export function loadProtocol(register: number): Expression {
  return meta(META.protocol, register);
}

export function loadInputName(register: number): Expression {
  return meta(META.inputName, register);
}

export function loadOutputName(register: number): Expression {
  return meta(META.outputName, register);
}

const COMPARE = { equal: 0, different: 1 } as const;

/** Goes on with the rule only when the register holds (or does not hold) these bytes. */
export function compare(register: number, how: keyof typeof COMPARE, value: Uint8Array): Expression {
  return expression(
    'cmp',
    new Attributes().be32(1, register).be32(2, COMPARE[how]).nest(3, new Attributes().bytes(1, value)),
  );
}

/** `register &= bits`. */
export function mask(register: number, bits: Uint8Array): Expression {
  const value = (bytes: Uint8Array) => new Attributes().bytes(1, bytes);
  return expression(
    'bitwise',
    new Attributes()
      .be32(1, register)
      .be32(2, register)
      .be32(3, bits.length)
      .nest(4, value(bits))
      .nest(5, value(new Uint8Array(bits.length))),
  );
}

/** `register = value`. */
export function put(register: number, value: Uint8Array): Expression {
  return expression(
    'immediate',
    new Attributes().be32(1, register).nest(2, new Attributes().bytes(1, value)),
  );
}

/** Goes on only when the set holds the key that starts in `from`; of a map, its value goes `to`. */
export function lookup(set: string, from: number, to?: number): Expression {
  const data = new Attributes().text(1, set).be32(2, from);
  if (to !== undefined) data.be32(3, to);
  return expression('lookup', data);
}

const NUMGEN_RANDOM = 1;

/** A random number below `modulus`, in host byte order. */
export function random(modulus: number, register: number): Expression {
  return expression(
    'numgen',
    new Attributes().be32(1, register).be32(2, modulus).be32(3, NUMGEN_RANDOM).be32(4, 0),
  );
}

const DYNSET_UPDATE = 1;

/** Puts key and value into a map, or sets its life anew. */
export function remember(set: string, key: number, value: number, seconds: number): Expression {
  return expression(
    'dynset',
    new Attributes()
      .text(1, set)
      .be32(3, DYNSET_UPDATE)
      .be32(4, key)
      .be32(5, value)
      .be64(6, BigInt(seconds) * 1000n),
  );
}

const NAT_DESTINATION = 1;
const NFPROTO: Record<IpFamily, number> = { ip: 2, ip6: 10 };
const NAT_RANGE_PROTO_SPECIFIED = 2;

/** Sends the connection to the address and port in the registers. */
export function destinationNat(family: IpFamily, address: number, port: number): Expression {
  return expression(
    'nat',
    new Attributes()
      .be32(1, NAT_DESTINATION)
      .be32(2, NFPROTO[family])
      .be32(3, address)
      .be32(5, port)
      .be32(7, NAT_RANGE_PROTO_SPECIFIED),
  );
}

const NAT_RANGE_PROTO_RANDOM_FULLY = 16;

/** The source becomes the outgoing link's address; ports at random, so that two CPUs do not pick the same. */
export function masquerade(): Expression {
  return expression('masq', new Attributes().be32(1, NAT_RANGE_PROTO_RANDOM_FULLY));
}

const CT = { state: 0, status: 2 } as const;
export const CT_STATE_INVALID = Uint8Array.of(1, 0, 0, 0);
/** IPS_DST_NAT. */
export const CT_STATUS_DNAT = Uint8Array.of(32, 0, 0, 0);

export function loadConnection(what: keyof typeof CT, register: number): Expression {
  return expression('ct', new Attributes().be32(1, register).be32(2, CT[what]));
}

const FIB_RESULT_ADDRTYPE = 3;
const FIB_DADDR = 2;
/** RTN_LOCAL in host byte order. */
export const ADDRESS_TYPE_LOCAL = Uint8Array.of(2, 0, 0, 0);

/** What kind of address the destination is: local, unicast, ... */
export function loadDestinationType(register: number): Expression {
  return expression(
    'fib',
    new Attributes().be32(1, register).be32(2, FIB_RESULT_ADDRTYPE).be32(3, FIB_DADDR),
  );
}

const REJECT = { icmp: 0, 'tcp reset': 1 } as const;
const PORT_UNREACHABLE: Record<IpFamily, number> = { ip: 3, ip6: 4 };

/** Ends the packet with an ICMP port unreachable or a TCP reset to its sender. */
export function reject(family: IpFamily, how: keyof typeof REJECT): Expression {
  return expression('reject', new Attributes().be32(1, REJECT[how]).u8(2, PORT_UNREACHABLE[family]));
}

export type Verdict = { verdict: 'accept' | 'drop' | 'return' } | { verdict: 'goto' | 'jump'; chain: string };

const VERDICT_CODES = { drop: 0, accept: 1, jump: -3, goto: -4, return: -5 } as const;

/** NFTA_DATA_VERDICT and what is in it. */
export function verdictData(verdict: Verdict): Attributes {
  const data = new Attributes().be32(1, VERDICT_CODES[verdict.verdict]);
  if ('chain' in verdict) data.text(2, verdict.chain);
  return new Attributes().nest(2, data);
}

/** The name of a verdict's code as dumped; undefined when it is none of ours. */
export function verdictOf(code: number): Verdict['verdict'] | undefined {
  const entry = Object.entries(VERDICT_CODES).find(([, each]) => each === code);
  return entry?.[0] as Verdict['verdict'] | undefined;
}

export function decide(verdict: Verdict): Expression {
  return expression('immediate', new Attributes().be32(1, VERDICT_REGISTER).nest(2, verdictData(verdict)));
}
