import type { Request } from './connection.ts';
import { type Expression, type IpFamily, type Verdict, verdictData, verdictOf } from './nft-expressions.ts';
import {
  Attributes,
  encodeMessage,
  listAttributes,
  type Message,
  NLM_F_ACK,
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_DUMP,
  parseAttributes,
  textOf,
} from './wire.ts';

/**
 * Tables, chains, sets, elements and rules as nf_tables messages, and what a dump of them says. Source:
 * <linux/netfilter/nf_tables.h>; the numbers of data types are those of nft(8), which prints sets by them.
 */

/** A table by family and name. */
export interface Table {
  family: IpFamily;
  name: string;
}

export type Hook = 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting';

export interface Chain {
  name: string;
  /** Of a base chain: where packets enter it. */
  base?: { type: 'filter' | 'nat'; hook: Hook; priority: number };
}

export type DataType = 'ipv4_addr' | 'ipv6_addr' | 'inet_proto' | 'inet_service' | 'mark';

/** A set, or a map when it has `data`. */
export interface SetDeclaration {
  name: string;
  key: readonly DataType[];
  data?: readonly DataType[] | 'verdict';
  /** Rules add to it, and elements end after their time; at most `size`. */
  dynamic?: { size: number };
}

/** Key and value as bytes, every part padded to four. */
export interface Element {
  key: Uint8Array;
  data?: Uint8Array | Verdict;
}

export interface Rule {
  chain: string;
  expressions: readonly Expression[];
  /** For people, and for the audit: rules of a chain are compared by it. At most 120 bytes. */
  comment: string;
}

export type NftCommand =
  | { op: 'add-table' | 'delete-table' }
  | { op: 'add-chain'; chain: Chain }
  | { op: 'add-set'; set: SetDeclaration }
  | { op: 'add-rule'; rule: Rule }
  | { op: 'add-elements' | 'delete-elements'; set: string; elements: readonly Element[] };

const SUBSYSTEM = 10;
const MSG = {
  newTable: 0,
  getTable: 1,
  delTable: 2,
  newChain: 3,
  getChain: 4,
  newRule: 6,
  getRule: 7,
  newSet: 9,
  getSet: 10,
  newElement: 12,
  getElement: 13,
  delElement: 14,
} as const;
const BATCH_BEGIN = 16;
const BATCH_END = 17;

const FAMILIES: Record<IpFamily, number> = { ip: 2, ip6: 10 };
const HOOKS: Record<Hook, number> = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 };
const SET_MAP = 8;
const SET_TIMEOUT = 0x10;
const SET_EVAL = 0x20;
const DATA_VERDICT = 0xffffff00;
/** nft's own number and the length of each type. */
const TYPES: Record<DataType, { id: number; bytes: number }> = {
  ipv4_addr: { id: 7, bytes: 4 },
  ipv6_addr: { id: 8, bytes: 16 },
  inet_proto: { id: 12, bytes: 1 },
  inet_service: { id: 13, bytes: 2 },
  mark: { id: 19, bytes: 4 },
};
const TYPE_BITS = 6;
/** An attribute ends at 64 KiB; elements of one message stay well below. */
const MESSAGE_ELEMENT_BYTES = 48 * 1024;

function header(family: number, resource = 0): Buffer {
  return Buffer.of(family, 0, resource >> 8, resource & 255);
}

const type = (message: number): number => (SUBSYSTEM << 8) | message;

/**
 * One transaction: all of the commands or none. The caller bounds its size: the kernel stands still meanwhile.
 * Messages of elements are split where they would not fit.
 */
export function transaction(table: Table, commands: readonly NftCommand[]): Request[] {
  const requests = commands.flatMap((command) => encodeCommand(table, command));
  return [batchMark(BATCH_BEGIN), ...requests, batchMark(BATCH_END)];
}

function batchMark(kind: number): Request {
  return {
    what: 'nf_tables transaction',
    encode: (sequence) => encodeMessage(kind, 0, sequence, header(0, SUBSYSTEM)),
  };
}

function encodeCommand(table: Table, command: NftCommand): Request[] {
  const request = (what: string, message: number, flags: number, attributes: Attributes): Request => ({
    what: `${what} in table ${table.family} ${table.name}`,
    encode: (sequence) =>
      encodeMessage(type(message), flags, sequence, header(FAMILIES[table.family]), attributes),
  });
  const named = () => new Attributes().text(1, table.name);
  switch (command.op) {
    case 'add-table':
      return [request('add', MSG.newTable, NLM_F_CREATE, named().be32(2, 0))];
    case 'delete-table':
      return [request('delete', MSG.delTable, 0, named())];
    case 'add-chain':
      return [
        request(
          `add chain ${command.chain.name}`,
          MSG.newChain,
          NLM_F_CREATE,
          chainAttributes(named(), command.chain),
        ),
      ];
    case 'add-set':
      return [
        request(`add set ${command.set.name}`, MSG.newSet, NLM_F_CREATE, setAttributes(named(), command.set)),
      ];
    case 'add-rule': {
      const { rule } = command;
      const attributes = ruleAttributes(named(), rule);
      return [request(`add rule to ${rule.chain}`, MSG.newRule, NLM_F_CREATE | NLM_F_APPEND, attributes)];
    }
    case 'add-elements':
    case 'delete-elements': {
      const adding = command.op === 'add-elements';
      return elementLists(command.elements).map((list) =>
        request(
          `${adding ? 'add' : 'delete'} elements of ${command.set}`,
          adding ? MSG.newElement : MSG.delElement,
          adding ? NLM_F_CREATE : 0,
          named().text(2, command.set).nest(3, list),
        ),
      );
    }
  }
}

function chainAttributes(attributes: Attributes, chain: Chain): Attributes {
  attributes.text(3, chain.name);
  if (!chain.base) return attributes;
  const { type: chainType, hook, priority } = chain.base;
  return attributes
    .nest(4, new Attributes().be32(1, HOOKS[hook]).be32(2, priority))
    .be32(5, 1)
    .text(7, chainType);
}

let lastSetId = 0;

function setAttributes(attributes: Attributes, set: SetDeclaration): Attributes {
  const flags = (set.data ? SET_MAP : 0) | (set.dynamic ? SET_TIMEOUT | SET_EVAL : 0);
  lastSetId = (lastSetId + 1) & 0x7fff_ffff;
  attributes
    .text(2, set.name)
    .be32(3, flags)
    .be32(4, typeNumber(set.key))
    .be32(5, keyBytes(set.key))
    .be32(10, lastSetId);
  if (set.data === 'verdict') attributes.be32(6, DATA_VERDICT).be32(7, 0);
  else if (set.data) attributes.be32(6, typeNumber(set.data)).be32(7, keyBytes(set.data));
  if (set.dynamic) attributes.nest(9, new Attributes().be32(1, set.dynamic.size));
  return attributes;
}

function typeNumber(types: readonly DataType[]): number {
  return types.reduce((number, each) => (number << TYPE_BITS) | TYPES[each].id, 0);
}

function keyBytes(types: readonly DataType[]): number {
  if (types.length === 1) return TYPES[types[0]!].bytes;
  return types.reduce((length, each) => length + Math.max(4, TYPES[each].bytes), 0);
}

const USERDATA_COMMENT = 0;

function ruleAttributes(attributes: Attributes, rule: Rule): Attributes {
  const list = new Attributes();
  for (const each of rule.expressions) list.nest(1, each);
  const comment = Buffer.from(`${rule.comment}\0`);
  const userdata = Buffer.concat([Buffer.of(USERDATA_COMMENT, comment.length), comment]);
  return attributes.text(2, rule.chain).nest(4, list).bytes(7, userdata);
}

function elementLists(elements: readonly Element[]): Attributes[] {
  const lists: Attributes[] = [];
  let list = new Attributes();
  for (const { key, data } of elements) {
    const element = new Attributes().nest(1, new Attributes().bytes(1, key));
    if (data instanceof Uint8Array) element.nest(2, new Attributes().bytes(1, data));
    else if (data) element.nest(2, verdictData(data));
    if (list.encode().length + element.encode().length > MESSAGE_ELEMENT_BYTES) {
      lists.push(list);
      list = new Attributes();
    }
    list.nest(1, element);
  }
  if (list.encode().length > 0) lists.push(list);
  return lists;
}

function dump(what: string, table: Table, message: number, attributes: Attributes): Request {
  return {
    what: `list ${what} of table ${table.family} ${table.name}`,
    encode: (sequence) =>
      encodeMessage(
        type(message),
        NLM_F_DUMP | NLM_F_ACK,
        sequence,
        header(FAMILIES[table.family]),
        attributes,
      ),
  };
}

/** Dumps; one per exchange. The kernel lists chains, sets and rules of all tables: the parsers pick. */
export const listChains = (table: Table): Request =>
  dump('chains', table, MSG.getChain, new Attributes().text(1, table.name));
export const listRules = (table: Table): Request =>
  dump('rules', table, MSG.getRule, new Attributes().text(1, table.name));
export const listSets = (table: Table): Request =>
  dump('sets', table, MSG.getSet, new Attributes().text(1, table.name));
export const listTables = (table: Table): Request => dump('itself', table, MSG.getTable, new Attributes());
export const listElements = (table: Table, set: string): Request =>
  dump(`elements of ${set}`, table, MSG.getElement, new Attributes().text(1, table.name).text(2, set));

/** Name of the chain, set or table that a message of a dump is about; undefined when it is of another table. */
export function parseName(message: Message, table: Table, of: 'table' | 'chain' | 'set'): string | undefined {
  const attributes = parseAttributes(message.body.subarray(4));
  if (textOf(attributes.get(1)) !== table.name) return undefined;
  const attribute = { table: 1, chain: 3, set: 2 } as const;
  return textOf(attributes.get(attribute[of]));
}

/** Chain and comment of a rule; an empty comment when it has none. */
export function parseRule(message: Message, table: Table): { chain: string; comment: string } | undefined {
  const attributes = parseAttributes(message.body.subarray(4));
  if (textOf(attributes.get(1)) !== table.name) return undefined;
  const userdata = attributes.get(7);
  const comment = userdata?.[0] === USERDATA_COMMENT ? textOf(userdata.subarray(2)) : '';
  return { chain: textOf(attributes.get(2)), comment };
}

/** Elements in one message of a dump. */
export function parseElements(message: Message): Element[] {
  const list = parseAttributes(message.body.subarray(4)).get(3);
  if (!list) return [];
  return listAttributes(list).flatMap(([, bytes]) => {
    const attributes = parseAttributes(bytes);
    const keyData = attributes.get(1);
    const key = keyData && parseAttributes(keyData).get(1);
    if (!key) return [];
    const data = attributes.get(2);
    return [{ key: Buffer.from(key), ...(data && { data: parseData(data) }) }];
  });
}

function parseData(bytes: Buffer): Uint8Array | Verdict | undefined {
  const attributes = parseAttributes(bytes);
  const value = attributes.get(1);
  if (value) return Buffer.from(value);
  const verdict = attributes.get(2);
  if (!verdict) return undefined;
  const parts = parseAttributes(verdict);
  const kind = verdictOf(parts.get(1)?.readInt32BE(0) ?? 0);
  const chain = textOf(parts.get(2));
  if (!kind) return undefined;
  return kind === 'goto' || kind === 'jump' ? { verdict: kind, chain } : { verdict: kind };
}
