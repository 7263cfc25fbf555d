import type { ServicePortRule } from '../contract.ts';
import type { Element, NftCommand, Rule } from '../netlink/nft.ts';
import type { IpFamily, Verdict } from '../netlink/nft-expressions.ts';
import { elementsOf, type Placed } from './elements.ts';
import { isVerdict, type SetName } from './layout.ts';
import { parseTargetChain, targetRules } from './target-chains.ts';

/**
 * From the rules of before to those of now: pure. Only elements that differ are in the plan. Commands come in groups;
 * a group belongs together (one Service's change is never half done), groups are put into transactions of bounded size.
 */

/** The elements that shall be in the kernel, with the rules they come from. */
export class ServiceState {
  readonly family: IpFamily;
  readonly except: string | undefined;
  readonly #rules = new Map<string, ServicePortRule>();
  /** Owners by element, by name of rule: two Services may claim the same address and port; the first name has it. */
  readonly #owners = new Map<string, Map<string, Placed>>();
  /** Chains that a verdict leads to. */
  readonly chains = new Set<string>();

  constructor(family: IpFamily, except?: string) {
    this.family = family;
    this.except = except;
  }

  /** Every element that shall be there, by id. */
  *elements(): Iterable<Placed> {
    for (const owners of this.#owners.values()) yield first(owners)!;
  }

  /** Takes over the rules and says what changes, one group per rule that differs. */
  update(rules: readonly ServicePortRule[]): Group[] {
    const groups: Group[] = [];
    const wanted = new Map(rules.map((rule) => [`${rule.name} ${rule.protocol}`, rule]));
    for (const [name, rule] of this.#rules) {
      if (!wanted.has(name)) groups.push(this.#replace(name, rule, undefined));
    }
    for (const [name, rule] of wanted) {
      const before = this.#rules.get(name);
      if (before !== rule && !(before && sameRule(before, rule)))
        groups.push(this.#replace(name, before, rule));
      else this.#rules.set(name, rule);
    }
    return groups.filter((group) => group.remove.length + group.add.length > 0);
  }

  #replace(name: string, before: ServicePortRule | undefined, after: ServicePortRule | undefined): Group {
    const old = before ? elementsOf(before, this.family, this.except) : [];
    const now = after ? elementsOf(after, this.family, this.except) : [];
    const effective = new Map<string, Placed | undefined>();
    for (const { id } of [...old, ...now]) effective.set(id, first(this.#owners.get(id)));
    for (const { id } of old) this.#disown(id, name);
    for (const placed of now) {
      const owners = this.#owners.get(placed.id) ?? new Map<string, Placed>();
      this.#owners.set(placed.id, owners.set(name, placed));
    }
    if (after) this.#rules.set(name, after);
    else this.#rules.delete(name);
    const group: Group = { remove: [], add: [], chains: [] };
    for (const [id, was] of effective) {
      const is = first(this.#owners.get(id));
      if (was && is && sameData(was.element.data, is.element.data)) continue;
      if (was) group.remove.push(was);
      if (is) group.add.push(is);
    }
    group.chains = newChains(group.add, this.chains);
    return group;
  }

  #disown(id: string, name: string): void {
    const owners = this.#owners.get(id);
    owners?.delete(name);
    if (owners?.size === 0) this.#owners.delete(id);
  }
}

/** What belongs together in one transaction. */
export interface Group {
  remove: Placed[];
  add: Placed[];
  /** Target chains that must be made first. */
  chains: string[];
}

/** The first rule by name wins, whatever came first. */
function first(owners: Map<string, Placed> | undefined): Placed | undefined {
  let best: [string, Placed] | undefined;
  for (const entry of owners ?? []) if (!best || entry[0] < best[0]) best = entry;
  return best?.[1];
}

/** Chains that verdicts among `placed` lead to and that `known` lacks; adds them to it. */
function newChains(placed: readonly Placed[], known: Set<string>): string[] {
  const added: string[] = [];
  for (const { element } of placed) {
    if (!isVerdict(element.data) || !('chain' in element.data) || known.has(element.data.chain)) continue;
    known.add(element.data.chain);
    added.push(element.data.chain);
  }
  return added;
}

/** Elements the kernel has against those it shall have: what an audit mends. `known`: chains that are there. */
export function reconcile(
  actual: ReadonlyMap<string, Placed>,
  wanted: Iterable<Placed>,
  known: Set<string>,
): Group[] {
  const groups: Group[] = [];
  const seen = new Set<string>();
  for (const placed of wanted) {
    seen.add(placed.id);
    const is = actual.get(placed.id);
    if (is && sameData(is.element.data, placed.element.data)) continue;
    groups.push({ remove: is ? [is] : [], add: [placed], chains: newChains([placed], known) });
  }
  for (const [id, placed] of actual) {
    if (!seen.has(id)) groups.push({ remove: [placed], add: [], chains: [] });
  }
  return groups;
}

/**
 * Elements in one transaction: about 25 ms of kernel time. One huge transaction has held a machine for minutes. A group
 * that is larger by itself is not cut.
 */
export const MAX_TRANSACTION_ELEMENTS = 2048;

/** The commands of the groups, in transactions of bounded size. */
export function* transactions(groups: readonly Group[], family: IpFamily): Iterable<NftCommand[]> {
  let pending: Group[] = [];
  let size = 0;
  for (const group of groups) {
    const weight = group.remove.length + group.add.length;
    if (size > 0 && size + weight > MAX_TRANSACTION_ELEMENTS) {
      yield commandsOf(pending, family);
      pending = [];
      size = 0;
    }
    pending.push(group);
    size += weight;
  }
  if (pending.length > 0) yield commandsOf(pending, family);
}

function commandsOf(groups: readonly Group[], family: IpFamily): NftCommand[] {
  const commands: NftCommand[] = [];
  for (const name of groups.flatMap((group) => group.chains)) {
    commands.push({ op: 'add-chain', chain: { name } });
    const chain = parseTargetChain(name);
    for (const rule of chain ? targetRules(chain, family) : ([] as Rule[]))
      commands.push({ op: 'add-rule', rule });
  }
  const { remove, add } = net(groups);
  commands.push(...bySet('delete-elements', remove), ...bySet('add-elements', add));
  return commands;
}

/** What groups come to together: an element added by one and replaced by the next was never in the kernel. */
function net(groups: readonly Group[]): { remove: Placed[]; add: Placed[] } {
  const changes = new Map<string, { before?: Placed; after?: Placed }>();
  for (const group of groups) {
    for (const placed of group.remove) {
      const change = changes.get(placed.id);
      changes.set(placed.id, { before: change ? change.before : placed });
    }
    for (const placed of group.add) {
      changes.set(placed.id, { before: changes.get(placed.id)?.before, after: placed });
    }
  }
  const all = [...changes.values()];
  return {
    remove: all.flatMap(({ before }) => before ?? []),
    add: all.flatMap(({ after }) => after ?? []),
  };
}

function bySet(op: 'add-elements' | 'delete-elements', placed: readonly Placed[]): NftCommand[] {
  const sets = new Map<SetName, Element[]>();
  for (const { set, element } of placed) {
    const elements = sets.get(set) ?? [];
    sets.set(set, elements);
    elements.push(op === 'delete-elements' ? { key: element.key } : element);
  }
  return [...sets].map(([set, elements]) => ({ op, set, elements }));
}

function sameRule(a: ServicePortRule, b: ServicePortRule): boolean {
  return (
    a.port === b.port &&
    a.nodePort === b.nodePort &&
    a.sessionAffinitySeconds === b.sessionAffinitySeconds &&
    a.externalTrafficPolicyLocal === b.externalTrafficPolicyLocal &&
    a.internalTrafficPolicyLocal === b.internalTrafficPolicyLocal &&
    a.addresses.length === b.addresses.length &&
    a.addresses.every((address, at) => address === b.addresses[at]) &&
    a.endpoints.length === b.endpoints.length &&
    a.endpoints.every((each, at) => {
      const other = b.endpoints[at]!;
      return each.address === other.address && each.port === other.port && each.local === other.local;
    })
  );
}

export function sameData(a: Uint8Array | Verdict | undefined, b: Uint8Array | Verdict | undefined): boolean {
  if (a instanceof Uint8Array || b instanceof Uint8Array)
    return a instanceof Uint8Array && b instanceof Uint8Array && Buffer.compare(a, b) === 0;
  if (!a || !b) return a === b;
  const chain = (verdict: Verdict) => ('chain' in verdict ? verdict.chain : '');
  return a.verdict === b.verdict && chain(a) === chain(b);
}
