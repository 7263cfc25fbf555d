import { MemoryFiles } from '#machinery/files-memory.ts';
import type { NodeNetworkConfig } from '../../contract.ts';
import { NativeNetwork } from '../../native.ts';
import { makeTestNode, type TestNode } from './namespaces.ts';

/**
 * Three nodes for tests of the ways between them, as namespaces: a and b on one subnet, c on another, behind a router that holds
 * the switches of both and refuses what comes from pods, as a router that knows nothing of them does. A caller from outside, x, is
 * on the first subnet. There is no way out.
 */
export interface LabNode {
  node: TestNode;
  network: NativeNetwork;
  config: NodeNetworkConfig;
  /** What the other nodes are told of it. */
  peer: { name: string; addresses: string[]; podCidrs: string[] };
  /** The agent has died and come back: a network that knows nothing but what is on disk and in the kernel. */
  restart(): NativeNetwork;
  pod(name: string): Promise<LabPod>;
}

export interface LabPod {
  pid: number;
  /** In order of family. */
  addresses: string[];
}

export interface NetworkLab {
  a: LabNode;
  b: LabNode;
  c: LabNode;
  /** In whose namespace the switches are: packets between the subnets can be counted there. */
  router: number;
  outside: number;
  /** Each node is told of the two others. */
  meet(): Promise<void>;
  close(): Promise<void>;
}

export interface LabOptions {
  mtu?: number;
  /** Of the wires. */
  family?: 4 | 6;
  /** Of pods' addresses. */
  pods?: readonly (4 | 6)[];
}

const SUBNETS = { 4: ['192.0.2.', '198.51.100.'], 6: ['2001:db8:1::', '2001:db8:2::'] } as const;
const PREFIX = { 4: 24, 6: 64 } as const;
const PODS = { 4: '10.244.0.0/16', 6: 'fd00:10:244::/48' } as const;
const SERVICES = { 4: '10.96.0.0/16', 6: 'fd00:10:96::/112' } as const;

export async function makeLab({
  mtu = 1500,
  family = 4,
  pods = [4, 6],
}: LabOptions = {}): Promise<NetworkLab> {
  const nodes: TestNode[] = [];
  const close = async () => {
    for (const node of nodes) await node.close();
  };
  try {
    for (let at = 0; at < 3; at++) nodes.push(await makeTestNode());
    const [first, second, third] = nodes as [TestNode, TestNode, TestNode];
    const router = await first.addNamespace();
    const outside = await first.addNamespace();
    const inRouter = (script: string) => first.run(router, 'sh', '-ec', script);
    inRouter(routerScript(mtu, family));
    const wire = (pid: number, subnet: 0 | 1, host: number) => {
      const at = (number: number) => `${SUBNETS[family][subnet]}${number}`;
      inRouter(`
        ip link add w${host} mtu ${mtu} type veth peer name uplink mtu ${mtu} netns ${pid}
        ip link set w${host} master switch${subnet} up`);
      const route = `ip -${family} route add default via ${at(1)}`;
      // As strict as some distributions have it.
      const script = `
        echo 1 > /proc/sys/net/ipv4/conf/all/rp_filter
        ip link set lo up
        ip link set uplink up
        ip address add ${at(host)}/${PREFIX[family]} dev uplink ${family === 6 ? 'nodad' : ''}
        ${route}`;
      first.run(pid, 'sh', '-ec', script);
      return at(host);
    };
    const [a, b, c] = [
      await labNode('a', first, wire(first.pid, 0, 11), 1, pods),
      await labNode('b', second, wire(second.pid, 0, 12), 2, pods),
      await labNode('c', third, wire(third.pid, 1, 13), 3, pods),
    ];
    wire(outside, 0, 99);
    const all = [a, b, c];
    const meet = async () => {
      for (const one of all)
        await one.network.syncPeers(all.filter((other) => other !== one).map(({ peer }) => peer));
    };
    return { a, b, c, router, outside, meet, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function routerScript(mtu: number, family: 4 | 6): string {
  const lines = ['ip link set lo up', 'echo 1 > /proc/sys/net/ipv4/ip_forward'];
  lines.push('echo 1 > /proc/sys/net/ipv6/conf/all/forwarding');
  for (const [at, subnet] of SUBNETS[family].entries())
    lines.push(
      `ip link add switch${at} mtu ${mtu} type bridge`,
      `ip link set switch${at} up`,
      `ip address add ${subnet}1/${PREFIX[family]} dev switch${at} ${family === 6 ? 'nodad' : ''}`,
    );
  // Of packets that are routed only: between hosts of one switch all goes.
  for (const tables of ['iptables', 'ip6tables'])
    lines.push(`test ! -e /proc/sys/net/bridge || echo 0 > /proc/sys/net/bridge/bridge-nf-call-${tables}`);
  lines.push('nft add table inet anti-spoofing');
  lines.push("nft add chain inet anti-spoofing forward '{ type filter hook forward priority 0; }'");
  for (const [ip, cidr] of [
    ['ip', PODS[4]],
    ['ip6', PODS[6]],
  ])
    lines.push(
      `nft add rule inet anti-spoofing forward ${ip} saddr ${cidr} counter drop`,
      `nft add rule inet anti-spoofing forward ${ip} daddr ${cidr} counter drop`,
    );
  return lines.join('\n');
}

async function labNode(
  name: string,
  node: TestNode,
  address: string,
  at: number,
  pods: readonly (4 | 6)[],
): Promise<LabNode> {
  const files = new MemoryFiles();
  const { netlink, sysctl, pid } = node;
  const config: NodeNetworkConfig = {
    instance: 'tst001',
    podCidrs: pods.map((family) => (family === 4 ? `10.244.${at}.0/24` : `fd00:10:244:${at}::/64`)),
    clusterCidrs: pods.map((family) => PODS[family]),
    serviceCidrs: pods.map((family) => SERVICES[family]),
    nodePortRange: { from: 30000, to: 32767 },
    dnsAddress: '10.96.0.10',
    addresses: [address],
  };
  const make = () => new NativeNetwork({ netlink, sysctl, files, directory: '/network', nodePid: pid });
  const lab: LabNode = {
    node,
    network: make(),
    config,
    peer: { name, addresses: [address], podCidrs: config.podCidrs },
    restart: () => {
      lab.network = make();
      return lab.network;
    },
    async pod(sandbox) {
      const holder = await node.addNamespace();
      const { addresses } = await lab.network.attach(sandbox, `/proc/${holder}/ns/net`);
      return { pid: holder, addresses };
    },
  };
  await lab.network.start(config);
  return lab;
}
