import type { ServicePortRule } from '../contract.ts';
import { type Answer, exchange, NETLINK_NETFILTER, perform, type Request } from '../netlink/connection.ts';
import type { Netlink } from '../netlink/contract.ts';
import { isErrno, NetlinkError } from '../netlink/errors.ts';
import {
  type Element,
  listChains,
  listElements,
  listRules,
  listSets,
  listTables,
  type NftCommand,
  parseElements,
  parseName,
  parseRule,
  type Table,
  transaction,
} from '../netlink/nft.ts';
import { staleAffinity } from './affinity.ts';
import type { Placed } from './elements.ts';
import { type Layout, type LayoutConfig, layout, SETS, type SetName } from './layout.ts';
import { type Group, MAX_TRANSACTION_ELEMENTS, reconcile, ServiceState, transactions } from './plan.ts';
import { parseTargetChain, targetRules } from './target-chains.ts';

/**
 * One family's table in the kernel. After `start` its fixed part stands; `sync` sends only differences; `audit` reads
 * everything back and mends. Elements the kernel keeps by itself (affinity) are nobody's business here.
 */
export class ServiceTable {
  readonly #netlink: Netlink;
  readonly #layout: Layout;
  readonly #family: LayoutConfig['family'];
  readonly #state: ServiceState;
  /** Until the rules are known, elements that are there stay: they serve while the agent starts. */
  #synced = false;

  constructor(netlink: Netlink, config: LayoutConfig) {
    this.#netlink = netlink;
    this.#layout = layout(config);
    this.#family = config.family;
    this.#state = new ServiceState(config.family, config.dnsAddress);
  }

  get table(): Table {
    return this.#layout.table;
  }

  /** Makes or mends the fixed part. Says what was wrong; nothing when all stands or nothing was there. */
  async start(): Promise<string[]> {
    const found = await this.#read();
    const wrong = found && this.#structureFaults(found);
    if (wrong?.length === 0) {
      for (const chain of found!.chains) if (parseTargetChain(chain)) this.#state.chains.add(chain);
      return [];
    }
    await this.#build(found?.elements);
    return wrong ?? [];
  }

  /** Makes the services be exactly these; returns the rules' endpoints that take no more traffic. */
  async sync(rules: readonly ServicePortRule[]): Promise<void> {
    const groups = this.#state.update(rules);
    if (!this.#synced) {
      // What is in the kernel is from before: compare with it rather than with nothing.
      const found = await this.#read();
      await this.#apply(
        reconcile(found?.elements ?? new Map(), this.#state.elements(), this.#chainsOf(found)),
      );
      this.#synced = true;
      return;
    }
    try {
      await this.#apply(groups);
    } catch (error) {
      // The state is ahead of the kernel now: only a look at the kernel brings them together.
      this.#synced = false;
      throw error;
    }
  }

  /** Compares everything with the kernel and mends it. */
  async audit(): Promise<string[]> {
    const found = await this.#read();
    const { family, name } = this.table;
    const label = `table ${family} ${name}`;
    const structure = found ? this.#structureFaults(found) : ['is gone'];
    if (structure.length > 0) {
      await this.#build(found?.elements);
      return structure.map((fault) => `${label}: ${fault}`);
    }
    if (!this.#synced) return [];
    const groups = reconcile(found!.elements, this.#state.elements(), this.#chainsOf(found));
    await this.#apply(groups);
    return groups.map(
      ({ remove, add }) =>
        `${label}: ${add.length === 0 ? 'unknown' : remove.length === 0 ? 'missing' : 'changed'} element of ${(add[0] ?? remove[0])!.set}`,
    );
  }

  /** Removes the table. Harmless when it is gone. */
  async destroy(): Promise<void> {
    await this.#send([{ op: 'add-table' }, { op: 'delete-table' }]);
    this.#synced = false;
  }

  /** The whole table anew, with the elements it shall have: those of the rules, or those found before any rules came. */
  async #build(found: ReadonlyMap<string, Placed> | undefined): Promise<void> {
    const { chains, sets, rules } = this.#layout;
    await this.#send([
      { op: 'add-table' },
      { op: 'delete-table' },
      { op: 'add-table' },
      ...sets.map((set): NftCommand => ({ op: 'add-set', set })),
      ...chains.map((chain): NftCommand => ({ op: 'add-chain', chain })),
      ...rules.map((rule): NftCommand => ({ op: 'add-rule', rule })),
    ]);
    this.#state.chains.clear();
    const wanted = this.#synced ? this.#state.elements() : (found?.values() ?? []);
    await this.#apply(reconcile(new Map(), wanted, this.#state.chains));
  }

  async #apply(groups: readonly Group[]): Promise<void> {
    for (const commands of transactions(groups, this.#family)) await this.#send(commands);
    const sticky = groups.some(({ remove }) => remove.some(({ set }) => STICKY.has(set)));
    if (sticky) await this.#forgetClients();
  }

  /** After the endpoints have changed, so that no client is sent to one that is gone and remembered again. */
  async #forgetClients(): Promise<void> {
    const messages = await this.#dump(listElements(this.table, SETS.affinity));
    const stale = staleAffinity(messages.flatMap(parseElements), this.#state.elements(), this.#family);
    for (let at = 0; at < stale.length; at += MAX_TRANSACTION_ELEMENTS) {
      const elements = stale.slice(at, at + MAX_TRANSACTION_ELEMENTS).map(({ key }) => ({ key }));
      try {
        await this.#send([{ op: 'delete-elements', set: SETS.affinity, elements }]);
      } catch (error) {
        // One timed out meanwhile and the whole transaction failed: one by one, then.
        if (!isErrno(error, 'ENOENT')) throw error;
        for (const element of elements) await this.#forgetClient(element);
      }
    }
  }

  async #forgetClient(element: Element): Promise<void> {
    try {
      await this.#send([{ op: 'delete-elements', set: SETS.affinity, elements: [element] }]);
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
    }
  }

  async #send(commands: readonly NftCommand[]): Promise<void> {
    await perform(this.#netlink, NETLINK_NETFILTER, transaction(this.table, commands));
  }

  /** The chains for numbers of endpoints as the kernel has them, for the state too. */
  #chainsOf(found: Found | undefined): Set<string> {
    this.#state.chains.clear();
    for (const chain of found?.chains ?? []) if (parseTargetChain(chain)) this.#state.chains.add(chain);
    return this.#state.chains;
  }

  /** What of chains, rules and sets differs. Chains for numbers of endpoints are known by their names. */
  #structureFaults(found: Found): string[] {
    const faults: string[] = [];
    for (const { name } of this.#layout.sets) if (!found.sets.has(name)) faults.push(`set ${name} is gone`);
    const wanted = new Map<string, string[]>(this.#layout.chains.map(({ name }) => [name, []]));
    for (const rule of this.#layout.rules) wanted.get(rule.chain)!.push(rule.comment);
    for (const chain of new Set([...found.chains, ...this.#state.chains])) {
      const target = parseTargetChain(chain);
      if (target)
        wanted.set(
          chain,
          targetRules(target, this.#family).map(({ comment }) => comment),
        );
      else if (!wanted.has(chain)) faults.push(`chain ${chain} is not ours`);
    }
    for (const [chain, comments] of wanted) {
      if (!found.chains.has(chain)) faults.push(`chain ${chain} is gone`);
      else if ((found.rules.get(chain) ?? []).join('\n') !== comments.join('\n'))
        faults.push(`rules of chain ${chain} differ`);
    }
    return faults;
  }

  async #read(): Promise<Found | undefined> {
    const table = this.table;
    const tables = await this.#dump(listTables(table));
    if (!tables.some((message) => parseName(message, table, 'table'))) return undefined;
    const names = async (request: Request, of: 'chain' | 'set') =>
      new Set((await this.#dump(request)).flatMap((message) => parseName(message, table, of) ?? []));
    const found: Found = {
      chains: await names(listChains(table), 'chain'),
      sets: await names(listSets(table), 'set'),
      rules: new Map(),
      elements: new Map(),
    };
    for (const message of await this.#dump(listRules(table))) {
      const rule = parseRule(message, table);
      if (rule) found.rules.set(rule.chain, [...(found.rules.get(rule.chain) ?? []), rule.comment]);
    }
    for (const set of Object.values(SETS)) {
      if (set === SETS.affinity || !found.sets.has(set)) continue;
      await this.#readElements(set, found.elements);
    }
    return found;
  }

  async #readElements(set: SetName, into: Map<string, Placed>): Promise<void> {
    for (const message of await this.#dump(listElements(this.table, set))) {
      for (const element of parseElements(message)) {
        const id = `${set} ${Buffer.from(element.key).toString('latin1')}`;
        into.set(id, { id, set, element });
      }
    }
  }

  /** A whole dump, made again while the tables change under it. */
  async #dump(request: Request): Promise<Answer['messages']> {
    for (let i = 0; i < MAX_DUMPS; i++) {
      const [answer] = await exchange(this.#netlink, NETLINK_NETFILTER, [request]);
      if (answer?.error && !isErrno(answer.error, 'ENOENT')) throw answer.error;
      const messages = answer?.messages ?? [];
      if (!messages.some((message) => message.flags & NLM_F_DUMP_INTR)) return messages;
    }
    throw new NetlinkError('EINTR', request.what, 0, `changed during ${MAX_DUMPS} dumps`);
  }
}

const STICKY: ReadonlySet<SetName> = new Set([SETS.sticky, SETS.stickyNodePorts]);

/** The dump is not of one moment. */
const NLM_F_DUMP_INTR = 0x10;
const MAX_DUMPS = 10;

interface Found {
  chains: Set<string>;
  sets: Set<string>;
  /** Comments by chain, in order. */
  rules: Map<string, string[]>;
  elements: Map<string, Placed>;
}
