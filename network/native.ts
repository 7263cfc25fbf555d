import { DEFAULT_VXLAN } from '#api/cluster-settings.ts';
import { messageOf } from '#machinery/errors.ts';
import type { Files } from '#machinery/io.ts';
import { canonicalAddress, parseAddress } from '#machinery/values/cidr.ts';
import { auditNode, auditSysctls, type NodeState } from './audit.ts';
import {
  NetworkError,
  type NodeNetwork,
  type NodeNetworkConfig,
  type NodePeer,
  type PodAttachment,
  type ServicePortRule,
  type UnreachablePeer,
} from './contract.ts';
import { Addresses, gatewayOf, type Lease } from './ipam/addresses.ts';
import { exchange, NETLINK_ROUTE, perform } from './netlink/connection.ts';
import type { Netlink } from './netlink/contract.ts';
import { isErrno, NetlinkError } from './netlink/errors.ts';
import type { IpFamily } from './netlink/nft-expressions.ts';
import { dumpForwards, dumpNeighbours, parseForward, parseNeighbour } from './netlink/overlay.ts';
import {
  deleteRoute,
  dumpAddresses,
  dumpLinks,
  dumpRoutes,
  type Link,
  parseLink,
  parseLinkAddress,
  parseRoute,
} from './netlink/route.ts';
import type { Sysctl } from './netlink/sysctl.ts';
import { mendPeers } from './peers/mend.ts';
import { peersLeft, peersPlan } from './peers/plan.ts';
import { uplinkMtu } from './peers/ways.ts';
import {
  bridgeName,
  checkConfig,
  gatewayFor,
  macOf,
  nodePlan,
  POD_INTERFACE,
  podAddressSteps,
  podMtuSteps,
  podPlan,
  requireCidr,
  vethName,
} from './plan.ts';
import { forgetUdp, staleUdp } from './services/conntrack.ts';
import { ServiceTable } from './services/tables.ts';
import { execute, type Step, type StepEffects } from './steps.ts';

export interface NativeNetworkDeps {
  netlink: Netlink;
  sysctl: Sysctl;
  files: Files;
  /** For address records: `DIR/network`. */
  directory: string;
  /** A process in the node's network namespace, in the helper's pid namespace: usually process.pid. */
  nodePid: number;
}

/** Pod networking by bridge, veth and nftables, through netlink only. Calls of one instance are done one at a time. */
export class NativeNetwork implements NodeNetwork {
  readonly #deps: NativeNetworkDeps;
  readonly #effects: StepEffects;
  #started: Started | undefined;
  #rules: readonly ServicePortRule[] = [];
  /** Undefined until they are known. */
  #peers: readonly NodePeer[] | undefined;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(deps: NativeNetworkDeps) {
    this.#deps = deps;
    this.#effects = { netlink: deps.netlink, sysctl: deps.sysctl, nodePid: deps.nodePid };
  }

  start(config: NodeNetworkConfig): Promise<void> {
    return this.#alone(async () => {
      checkConfig(config);
      const addresses = await Addresses.open(
        this.#deps.files,
        `${this.#deps.directory}/addresses`,
        config.podCidrs,
      );
      const state = await this.#readNode();
      const bridge = state.links.find(({ name }) => name === bridgeName(config.instance));
      // What it was before the agent's restart fits the ways that are there.
      const mtu = Math.min(uplinkMtu(config, state), bridge?.mtu ?? Number.POSITIVE_INFINITY);
      const tables = families(config).map(
        (family) => new ServiceTable(this.#deps.netlink, tableConfig(config, family)),
      );
      await execute(nodePlan(config, mtu), this.#effects);
      for (const table of tables) await table.start();
      this.#started = { config, addresses, mtu, tables };
    });
  }

  gateway(): string[] {
    return this.#running().config.podCidrs.map(gatewayOf);
  }

  attach(sandbox: string, networkNamespace: string): Promise<PodAttachment> {
    return kernelErrors(async () => {
      const { config, addresses, mtu } = this.#running();
      const lease = await addresses.lease(sandbox, networkNamespace);
      await this.#plug(config, lease, mtu);
      return attachment(config, lease);
    });
  }

  async detach(sandbox: string): Promise<void> {
    await this.#running().addresses.release(sandbox);
  }

  async attached(): Promise<Map<string, PodAttachment>> {
    const { config, addresses } = this.#running();
    return new Map([...addresses.all()].map(([sandbox, lease]) => [sandbox, attachment(config, lease)]));
  }

  syncServices(rules: readonly ServicePortRule[]): Promise<void> {
    return this.#alone(async () => {
      const before = this.#rules;
      for (const table of this.#running().tables) await table.sync(rules);
      this.#rules = [...rules];
      // UDP has no end of connection: what flows to an endpoint that is gone would flow there for ever.
      await forgetUdp(this.#deps.netlink, staleUdp(before, rules));
    });
  }

  syncPeers(peers: readonly NodePeer[]): Promise<UnreachablePeer[]> {
    return this.#alone(async () => {
      const started = this.#running();
      this.#peers = structuredClone([...peers]);
      const state = await this.#readNode();
      const { mtu, unreachable } = await mendPeers(started.config, peers, state, this.#effects);
      if (mtu !== started.mtu) {
        started.mtu = mtu;
        await execute(
          nodePlan(started.config, mtu).filter(({ op }) => op === 'bridge'),
          this.#effects,
        );
        // Whom this does not find is found by the next audit, which also says what cannot be mended.
        await this.#auditPods(started);
      }
      return unreachable;
    });
  }

  audit(): Promise<string[]> {
    return this.#alone(async () => {
      const started = this.#running();
      const { config, tables } = started;
      const state = await this.#readNode();
      const findings: string[] = [];
      // Before they are known, the ways that are there serve: they are from before the agent's restart.
      const mended = this.#peers && (await mendPeers(config, this.#peers, state, this.#effects));
      if (mended) started.mtu = mended.mtu;
      const plan = nodePlan(config, started.mtu);
      for (const { findings: found, steps } of [
        auditNode(plan, state),
        await auditSysctls(plan, this.#deps.sysctl),
      ]) {
        findings.push(...found);
        await execute(steps, this.#effects);
      }
      findings.push(...(mended?.findings ?? []), ...(await this.#auditPods(started)));
      for (const table of tables) findings.push(...(await table.audit()));
      return findings;
    });
  }

  destroy(): Promise<void> {
    return this.#alone(async () => {
      const { config, tables } = this.#running();
      for (const table of tables) await table.destroy();
      const state = await this.#readNode();
      const prefix = bridgeName(config.instance);
      const ours = state.links.filter(({ name, kind }) => name.startsWith(prefix) && OUR_KINDS.has(kind));
      const nobody = peersPlan(config, [], state);
      await execute(
        [
          ...peersLeft(config, nobody, state).filter(({ op }) => op !== 'delete-link'),
          ...ours.map(({ name }): Step => ({ op: 'delete-link', link: name })),
        ],
        this.#effects,
      );
      for (const step of nodePlan(config, nobody.mtu)) {
        if (step.op !== 'unreachable') continue;
        const request = deleteRoute({ ...step, kind: 'unreachable', index: 0 });
        const [answer] = await exchange(this.#deps.netlink, NETLINK_ROUTE, [request]);
        if (answer?.error && !isErrno(answer.error, 'ESRCH')) throw answer.error;
      }
      await this.#deps.files.remove(`${this.#deps.directory}/addresses`);
      this.#started = undefined;
      this.#rules = [];
      this.#peers = undefined;
    });
  }

  /** Makes the pod's interface; when it is there already, sees to what belongs to it. */
  async #plug(config: NodeNetworkConfig, lease: Lease, mtu: number): Promise<void> {
    const { sandbox, networkNamespace, addresses } = lease;
    const there = await this.#interfaceIn(config, lease);
    const steps = podPlan(config, sandbox, networkNamespace, addresses, mtu);
    if (there) {
      const again = podAddressSteps(config, networkNamespace, addresses);
      const port = steps.filter(({ op }) => op === 'port');
      return execute([...again, ...podMtuSteps(config, lease, mtu), ...port], this.#effects);
    }
    try {
      await execute(steps, this.#effects);
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error;
      // The name belongs to a namespace that this sandbox had before and that something still holds.
      const peer = vethName(config.instance, sandbox);
      await execute([{ op: 'delete-link', link: peer }, ...steps], this.#effects);
    }
  }

  /**
   * Whether the pod's interface is in its namespace. Throws where the path leads to the node's own namespace or another
   * pod's: pids are used again, and what is done to the wrong one could not be undone.
   */
  async #interfaceIn(
    config: NodeNetworkConfig,
    { sandbox, networkNamespace, addresses }: Lease,
  ): Promise<boolean> {
    const wrong = (what: string) =>
      new NetworkError('InvalidConfig', `${networkNamespace || '""'} of sandbox ${sandbox} is ${what}`);
    if (!networkNamespace) throw wrong('no path of a network namespace');
    const [answer] = await perform(this.#deps.netlink, NETLINK_ROUTE, [dumpLinks], networkNamespace);
    const links = (answer?.messages ?? []).flatMap((message) => parseLink(message) ?? []);
    if (links.some(({ name }) => name === bridgeName(config.instance)))
      throw wrong("the node's own namespace");
    const link = links.find(({ name }) => name === POD_INTERFACE);
    if (link && link.mac !== macOf(addresses[0]!)) throw wrong('the namespace of another pod');
    return link !== undefined;
  }

  /** Pods whose end on the node is gone or unplugged, as long as their namespace is there. */
  async #auditPods({ config, addresses, mtu }: Started): Promise<string[]> {
    const findings: string[] = [];
    const { links } = await this.#readNode();
    const bridge = links.find(({ name }) => name === bridgeName(config.instance));
    for (const lease of addresses.all().values()) {
      const link = links.find(({ name }) => name === vethName(config.instance, lease.sandbox));
      const fault = portFault(link, bridge, mtu);
      if (!fault) continue;
      try {
        await this.#plug(config, lease, mtu);
        findings.push(`interface of ${lease.sandbox} ${fault}`);
      } catch (error) {
        // Its namespace has gone, and the sandbox with it: whoever runs it will detach it. Others are mended all the same.
        findings.push(`interface of ${lease.sandbox} ${fault} and cannot be mended: ${messageOf(error)}`);
      }
    }
    return findings;
  }

  async #readNode(): Promise<NodeState> {
    const { netlink } = this.#deps;
    const dump = async (request: typeof dumpLinks) =>
      (await perform(netlink, NETLINK_ROUTE, [request])).flatMap(({ messages }) => messages);
    return {
      links: (await dump(dumpLinks)).flatMap((message) => parseLink(message) ?? []),
      addresses: (await dump(dumpAddresses)).flatMap((message) => parseLinkAddress(message) ?? []),
      routes: (await dump(dumpRoutes)).flatMap((message) => parseRoute(message) ?? []),
      neighbours: [...(await dump(dumpNeighbours(4))), ...(await dump(dumpNeighbours(6)))].flatMap(
        (message) => parseNeighbour(message) ?? [],
      ),
      forwards: (await dump(dumpForwards)).flatMap((message) => parseForward(message) ?? []),
    };
  }

  #running(): Started {
    if (!this.#started) throw new NetworkError('Unavailable', 'the network was not started');
    return this.#started;
  }

  /** One after the other: two plans made at the same time would undo each other. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#queue.then(() => kernelErrors(work));
    this.#queue = next.catch(() => {});
    return next;
  }
}

const OUR_KINDS: ReadonlySet<string> = new Set(['veth', 'bridge', 'vxlan']);

interface Started {
  config: NodeNetworkConfig;
  addresses: Addresses;
  /** Of the bridge and of all pods: what the uplink and the ways to other nodes let through. */
  mtu: number;
  tables: ServiceTable[];
}

async function kernelErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof NetlinkError) throw new NetworkError('Kernel', error.message);
    throw error;
  }
}

function portFault(link: Link | undefined, bridge: Link | undefined, mtu: number): string | undefined {
  if (!link) return 'is gone';
  if (link.master !== bridge?.index) return 'is not plugged into the bridge';
  if (!link.up) return 'is down';
  if (link.mtu !== mtu) return `has MTU ${link.mtu}`;
  return link.hairpin ? undefined : 'has no hairpin mode';
}

function attachment(config: NodeNetworkConfig, lease: Lease): PodAttachment {
  const gateway = gatewayFor(config, parseAddress(lease.addresses[0]!)!);
  return { addresses: lease.addresses, gateway, interface: POD_INTERFACE };
}

function families(config: NodeNetworkConfig): IpFamily[] {
  const used = new Set(config.podCidrs.map((cidr) => requireCidr(cidr).family));
  return [...(used.has(4) ? (['ip'] as const) : []), ...(used.has(6) ? (['ip6'] as const) : [])];
}

function tableConfig(config: NodeNetworkConfig, family: IpFamily) {
  const number = family === 'ip' ? 4 : 6;
  const cidrs = (list: readonly string[]) => list.map(requireCidr).filter((cidr) => cidr.family === number);
  const dns = parseAddress(config.dnsAddress);
  return {
    instance: config.instance,
    family,
    bridge: bridgeName(config.instance),
    podCidrs: cidrs(config.podCidrs),
    clusterCidrs: cidrs(config.clusterCidrs),
    serviceCidrs: cidrs(config.serviceCidrs),
    vxlanPort: (config.vxlan ?? DEFAULT_VXLAN).port,
    ...(dns?.family === number && { dnsAddress: canonicalAddress(config.dnsAddress)! }),
  };
}
