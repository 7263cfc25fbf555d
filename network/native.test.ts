import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MemoryFiles } from '#machinery/files-memory.ts';
import { networkConformance, ruleOf, TEST_CONFIG } from './conformance.ts';
import type { ServicePortRule } from './contract.ts';
import { NativeNetwork } from './native.ts';
import { makeTestNode, type TestNode, whyNoKernel } from './netlink/testing/namespaces.ts';

const skip = whyNoKernel();
const script = (name: string) => fileURLToPath(new URL(`./netlink/testing/${name}`, import.meta.url));

function networkOf(node: TestNode, files: MemoryFiles): NativeNetwork {
  return new NativeNetwork({
    netlink: node.netlink,
    sysctl: node.sysctl,
    files,
    directory: '/network',
    nodePid: node.pid,
  });
}

if (!skip) {
  networkConformance('the kernel', async () => {
    const node = await makeTestNode();
    const files = new MemoryFiles();
    return {
      network: networkOf(node, files),
      restart: () => networkOf(node, files),
      namespace: async () => `/proc/${await node.addNamespace()}/ns/net`,
      close: () => node.close(),
    };
  });
}

/** br_netfilter sends bridged packets through the IP hooks when it is on: both must work, hosts have either. */
const BRIDGE_NETFILTER = ['0', '1'];

describe.skipIf(skip).each(BRIDGE_NETFILTER)(
  'traffic on the kernel, bridge-nf-call-iptables=%s',
  (bridged) => {
    const files = new MemoryFiles();
    let node: TestNode;
    let network: NativeNetwork;
    let outside: number;
    const pods: { pid: number; address: string }[] = [];

    /** Lines that a probe started in the namespace of `pid` prints. */
    const probe = (pid: number, ...argv: string[]) =>
      node
        .run(pid, process.execPath, script('probe.js'), ...argv)
        .trim()
        .split('\n');
    const started = async (pid: number, name: string, port: string) => {
      const child = node.start(pid, process.execPath, script('echo.js'), name, port);
      await new Promise((resolve) => child.stdout!.once('data', resolve));
    };
    const endpoint = (at: number) => ({ address: pods[at]!.address, port: 8080, local: true });
    const names = (lines: string[]) => [...new Set(lines.map((line) => line.split(' ')[0]))].sort();
    const sync = (...rules: ServicePortRule[]) => network.syncServices(rules);

    beforeAll(async () => {
      node = await makeTestNode();
      await node.sysctl.write('net.bridge.bridge-nf-call-iptables', bridged);
      outside = await node.addNamespace();
      // A neighbour host in a documentation range, over a veth of its own.
      const both = (...argv: string[]) => node.run(node.pid, 'ip', ...argv);
      both('link', 'set', 'lo', 'up');
      both('link', 'add', 'uplink', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(outside));
      both('addr', 'add', '192.0.2.1/24', 'dev', 'uplink');
      both('link', 'set', 'uplink', 'up');
      node.run(outside, 'ip', 'addr', 'add', '192.0.2.2/24', 'dev', 'eth0');
      node.run(outside, 'ip', 'link', 'set', 'eth0', 'up');
      network = networkOf(node, files);
      await network.start(TEST_CONFIG);
      for (const name of ['p0', 'p1', 'p2']) {
        const pid = await node.addNamespace();
        const { addresses } = await network.attach(name, `/proc/${pid}/ns/net`);
        pods.push({ pid, address: addresses[0]! });
        await started(pid, name, '8080');
      }
      await started(outside, 'outside', '8080');
    });
    afterAll(() => node?.close());

    test('pods reach each other, the node and, masqueraded, what is outside', () => {
      expect(probe(pods[0]!.pid, 'tcp', pods[1]!.address, '8080')).toEqual([`p1 ${pods[0]!.address}`]);
      expect(probe(node.pid, 'tcp', pods[1]!.address, '8080')).toEqual(['p1 10.244.0.1']);
      expect(probe(pods[0]!.pid, 'tcp', '192.0.2.2', '8080')).toEqual(['outside 192.0.2.1']);
    });

    test('a service spreads over its endpoints, from pods and from the node, and callers stay known', async () => {
      await sync(ruleOf('shop/web', '10.96.0.7', [endpoint(0), endpoint(1), endpoint(2)]));
      expect(names(probe(node.pid, 'tcp', '10.96.0.7', '80', '40'))).toEqual(['p0', 'p1', 'p2']);
      await sync(ruleOf('shop/web', '10.96.0.7', [endpoint(1)]));
      expect(probe(pods[0]!.pid, 'tcp', '10.96.0.7', '80')).toEqual([`p1 ${pods[0]!.address}`]);
    });

    test('a pod reaches itself through its service', async () => {
      await sync(ruleOf('shop/web', '10.96.0.7', [endpoint(0)]));
      expect(names(probe(pods[0]!.pid, 'tcp', '10.96.0.7', '80', '3'))).toEqual(['p0']);
    });

    test('an endpoint on the node itself or outside is reached, as the API server is', async () => {
      await started(node.pid, 'node', '6443');
      const at = (address: string, port: number) => ({ address, port, local: false });
      await sync(
        ruleOf('default/kubernetes', '10.96.0.1', [at('192.0.2.1', 6443)], { port: 443 }),
        ruleOf('default/outside', '10.96.0.2', [at('192.0.2.2', 8080)]),
      );
      expect(probe(pods[0]!.pid, 'tcp', '10.96.0.1', '443')).toEqual([`node ${pods[0]!.address}`]);
      expect(names(probe(node.pid, 'tcp', '10.96.0.1', '443'))).toEqual(['node']);
      expect(probe(pods[0]!.pid, 'tcp', '10.96.0.2', '80')).toEqual(['outside 192.0.2.1']);
      expect(probe(node.pid, 'tcp', '10.96.0.2', '80')).toEqual(['outside 192.0.2.1']);
    });

    test('UDP works, and a client of an endpoint that went away finds another', async () => {
      const udp = { protocol: 'UDP' as const, port: 53 };
      await sync(ruleOf('shop/dns', '10.96.0.9', [endpoint(1)], udp));
      expect(names(probe(pods[0]!.pid, 'udp', '10.96.0.9', '53', '2', '40000'))).toEqual(['p1']);
      await sync(ruleOf('shop/dns', '10.96.0.9', [endpoint(2)], udp));
      expect(names(probe(pods[0]!.pid, 'udp', '10.96.0.9', '53', '2', '40000'))).toEqual(['p2']);
    });

    test('a node port works from outside, from the node and from pods, and shows who calls', async () => {
      await sync(ruleOf('shop/web', '10.96.0.7', [endpoint(1)], { nodePort: 30080 }));
      expect(probe(outside, 'tcp', '192.0.2.1', '30080')).toEqual(['p1 192.0.2.2']);
      expect(names(probe(node.pid, 'tcp', '192.0.2.1', '30080'))).toEqual(['p1']);
      expect(names(probe(pods[0]!.pid, 'tcp', '192.0.2.1', '30080'))).toEqual(['p1']);
    });

    test('a port of the node alone, as hostPort is, leads to its pod', async () => {
      await sync({ ...ruleOf('shop/p2:hostPort :8090', '', [endpoint(2)]), addresses: [], nodePort: 8090 });
      expect(probe(outside, 'tcp', '192.0.2.1', '8090')).toEqual(['p2 192.0.2.2']);
    });

    test('session affinity keeps a client on its endpoint until that goes away', async () => {
      const sticky = { sessionAffinitySeconds: 600, nodePort: 30081 };
      await sync(ruleOf('shop/web', '10.96.0.7', [endpoint(0), endpoint(1), endpoint(2)], sticky));
      const [chosen] = names(probe(outside, 'tcp', '192.0.2.1', '30081', '12'));
      expect(names(probe(outside, 'tcp', '192.0.2.1', '30081', '12'))).toEqual([chosen]);
      const inside = names(probe(node.pid, 'tcp', '10.96.0.7', '80', '12'));
      expect(inside).toHaveLength(1);
      const left = [0, 1, 2].filter((at) => `p${at}` !== chosen && `p${at}` !== inside[0]).map(endpoint);
      await sync(ruleOf('shop/web', '10.96.0.7', [...left, endpoint(Number(inside[0]!.slice(1)))], sticky));
      expect(names(probe(node.pid, 'tcp', '10.96.0.7', '80', '6'))).toEqual(inside);
      expect(names(probe(outside, 'tcp', '192.0.2.1', '30081', '3'))).not.toEqual(
        chosen === inside[0] ? [] : [chosen],
      );
    });

    test('a service without endpoints and an address without service refuse at once', async () => {
      await sync(ruleOf('shop/web', '10.96.0.7', []));
      for (const from of ['pod', 'node']) {
        const pid = from === 'pod' ? pods[0]!.pid : node.pid;
        expect(probe(pid, 'tcp', '10.96.0.7', '80'), from).toEqual(['ECONNREFUSED']);
        expect(probe(pid, 'tcp', '10.99.0.1', '80'), from).toEqual(['ECONNREFUSED']);
        // ICMP errors are limited to one per second and peer: the second may have to wait for its turn.
        expect(probe(pid, 'udp', '10.99.0.1', '80', '2'), from).toContain('ECONNREFUSED');
      }
    });

    test('a Local policy without a local endpoint drops, and with one takes only that', async () => {
      const elsewhere = { ...endpoint(1), local: false };
      const local = { internalTrafficPolicyLocal: true };
      await sync(ruleOf('shop/web', '10.96.0.7', [elsewhere], local));
      expect(probe(pods[0]!.pid, 'tcp', '10.96.0.7', '80')).toEqual(['TIMEOUT']);
      await sync(ruleOf('shop/web', '10.96.0.7', [elsewhere, endpoint(2)], local));
      expect(names(probe(pods[0]!.pid, 'tcp', '10.96.0.7', '80', '6'))).toEqual(['p2']);
    });

    test('a pod address that nobody has is unreachable, and no packet for it leaves', () => {
      expect(probe(pods[0]!.pid, 'tcp', '10.244.9.9', '80')).toEqual(['EHOSTUNREACH']);
      expect(probe(node.pid, 'tcp', '10.244.9.9', '80')).toEqual(['EHOSTUNREACH']);
    });

    test('the node itself and the namespace of another pod are never taken for a pod', async () => {
      for (const pid of [node.pid, pods[0]!.pid]) {
        const attached = network.attach('stranger', `/proc/${pid}/ns/net`);
        await expect(attached).rejects.toMatchObject({ code: 'InvalidConfig' });
      }
      await expect(network.attach('stranger', '')).rejects.toMatchObject({ code: 'InvalidConfig' });
      await network.detach('stranger');
      expect(probe(pods[1]!.pid, 'tcp', pods[0]!.address, '8080')).toEqual([`p0 ${pods[1]!.address}`]);
    });

    test('what is planted is found and mended', async () => {
      await sync(ruleOf('shop/web', '10.96.0.7', [endpoint(0), endpoint(1)]));
      const table = 'gantry-tst001';
      const plants: [string[], RegExp][] = [
        [['nft', 'delete', 'table', 'ip', table], /is gone/],
        [['nft', 'flush', 'chain', 'ip', table, 'dispatch'], /rules of chain dispatch differ/],
        [['nft', 'flush', 'map', 'ip', table, 'services'], /missing element of services/],
        [['nft', 'add', 'element', 'ip', table, 'hairpin', '{ 10.9.9.9 . 10.9.9.9 }'], /unknown element/],
        [['ip', 'route', 'del', 'unreachable', '10.96.0.0/12'], /unreachable route/],
        [['ip', 'addr', 'del', '10.96.0.10/32', 'dev', 'gtst001'], /address 10.96.0.10\/32/],
        [['ip', 'link', 'del', 'gtst001'], /bridge gtst001 is gone/],
        [['sysctl', '-qw', 'net.ipv4.ip_forward=0'], /ip_forward/],
      ];
      for (const [plant, finding] of plants) {
        node.run(node.pid, ...plant);
        expect((await network.audit()).join('\n'), plant.join(' ')).toMatch(finding);
        expect(await network.audit(), plant.join(' ')).toEqual([]);
        expect(names(probe(pods[2]!.pid, 'tcp', '10.96.0.7', '80', '2'))[0], plant.join(' ')).toMatch(
          /^p[01]$/,
        );
      }
    });

    test('an agent that comes back leaves what serves alone and goes on from there', async () => {
      await sync(ruleOf('shop/web', '10.96.0.7', [endpoint(0)]));
      const before = node.run(node.pid, 'nft', 'list', 'ruleset');
      network = networkOf(node, files);
      await network.start(TEST_CONFIG);
      expect(node.run(node.pid, 'nft', 'list', 'ruleset')).toBe(before);
      expect(probe(pods[1]!.pid, 'tcp', '10.96.0.7', '80')).toEqual([`p0 ${pods[1]!.address}`]);
      await sync(ruleOf('shop/web', '10.96.0.7', [endpoint(2)]));
      expect(names(probe(pods[1]!.pid, 'tcp', '10.96.0.7', '80'))).toEqual(['p2']);
    });

    test('people can read the rules', async () => {
      await sync(
        ruleOf('shop/web', '10.96.0.7', [endpoint(0), endpoint(1)]),
        ruleOf('shop/sticky', '10.96.0.8', [endpoint(0), endpoint(1)], { sessionAffinitySeconds: 600 }),
      );
      const text = node.run(node.pid, 'nft', 'list', 'table', 'ip', 'gantry-tst001');
      expect(text).toContain('10.96.0.7 . tcp . 80 : goto n2');
      expect(text).toContain('10.96.0.7 . tcp . 80 . 0x00000001 : 10.244.0.3 . 8080');
      expect(text).toContain('numgen random mod 2 map @endpoints');
    });

    test('destroy leaves nothing', async () => {
      await network.destroy();
      expect(node.run(node.pid, 'nft', 'list', 'ruleset')).toBe('');
      expect(node.run(node.pid, 'ip', '-o', 'link')).not.toContain('gtst001');
      expect(node.run(node.pid, 'ip', 'route')).not.toMatch(/10\.(96|244)\./);
    });
  },
);

test.skipIf(skip)(
  'with blocks of both families pods have both addresses and Services a table each',
  async () => {
    const node = await makeTestNode();
    try {
      const network = networkOf(node, new MemoryFiles());
      await network.start({
        ...TEST_CONFIG,
        podCidrs: ['10.244.0.0/24', 'fd00:10:244::/64'],
        clusterCidrs: ['10.244.0.0/16', 'fd00:10:244::/56'],
        serviceCidrs: ['10.96.0.0/12', 'fd00:10:96::/112'],
      });
      const pod = await node.addNamespace();
      const { addresses } = await network.attach('a', `/proc/${pod}/ns/net`);
      expect(addresses).toEqual(['10.244.0.2', 'fd00:10:244::2']);
      const endpoints = addresses.map((address) => ({ address, port: 80, local: true }));
      const rule = ruleOf('shop/web', '10.96.0.7', endpoints, { addresses: ['10.96.0.7', 'fd00:10:96::7'] });
      await network.syncServices([rule]);
      const elements = (family: string) =>
        node.run(node.pid, 'nft', 'list', 'map', family, 'gantry-tst001', 'endpoints');
      expect(elements('ip')).toContain('10.96.0.7 . tcp . 80 . 0x00000000 : 10.244.0.2 . 80');
      expect(elements('ip6')).toContain('fd00:10:96::7 . tcp . 80 . 0x00000000 : fd00:10:244::2 . 80');
      expect(await network.audit()).toEqual([]);
    } finally {
      await node.close();
    }
  },
);
