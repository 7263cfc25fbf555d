import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MemoryFiles } from '#machinery/files-memory.ts';
import { ruleOf, TEST_CONFIG } from './conformance.ts';
import { NativeNetwork } from './native.ts';
import { makeTestNode, type TestNode, whyNoKernel } from './netlink/testing/namespaces.ts';

/**
 * Attacks that must fail, by a pod that is root of its own network and by a neighbour of the node: each is tried as the network
 * is, and once more without the one defence, where it must succeed. Node, pod and neighbour are namespaces of the test's own.
 */

const skip = whyNoKernel();
const script = (name: string) => fileURLToPath(new URL(`./netlink/testing/${name}`, import.meta.url));
const PROTOCOLS = ['tcp', 'udp'] as const;
const TABLE = `gantry-${TEST_CONFIG.instance}`;
/** Of something on the node that listens on its loopback alone, since it asks nobody who they are. */
const PORT = '10255';

describe.skipIf(skip)(`attacks: network (${skip ?? 'as root'})`, () => {
  let node: TestNode;
  let network: NativeNetwork;
  let pod: number;
  let neighbour: number;

  beforeEach(async () => {
    node = await makeTestNode();
    const { netlink, sysctl, pid } = node;
    network = new NativeNetwork({
      ...{ netlink, sysctl, files: new MemoryFiles(), directory: '/network', nodePid: pid },
    });
    neighbour = await node.addNamespace();
    const onNode = (...argv: string[]) => node.run(pid, 'ip', ...argv);
    onNode('link', 'set', 'lo', 'up');
    onNode('link', 'add', 'uplink', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(neighbour));
    onNode('addr', 'add', '192.0.2.1/24', 'dev', 'uplink');
    onNode('link', 'set', 'uplink', 'up');
    node.run(neighbour, 'ip', 'addr', 'add', '192.0.2.2/24', 'dev', 'eth0');
    node.run(neighbour, 'ip', 'link', 'set', 'eth0', 'up');
    await network.start(TEST_CONFIG);
    pod = await node.addNamespace();
    await network.attach('p0', `/proc/${pod}/ns/net`);
    const server = node.start(pid, process.execPath, script('echo.js'), 'loopback', PORT, '127.0.0.1');
    await new Promise((resolve) => server.stdout!.once('data', resolve));
  });
  afterEach(() => node?.close());

  /** Who is root of its own network sends what is for 127.0.0.1 to the node. */
  function misroute(attacker: number, gateway: string): void {
    const steps = [
      'echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet',
      'ip link set lo up',
      // Or what comes from there is taken for its own.
      'ip address flush dev lo',
      `ip route add 127.0.0.0/8 via ${gateway} dev eth0`,
    ];
    node.run(attacker, 'sh', '-ec', steps.join('\n'));
  }

  /** What `attacker` hears by each protocol. */
  const heard = (attacker: number, address: string, port: string) =>
    PROTOCOLS.map((protocol) =>
      node.run(attacker, process.execPath, script('probe.js'), protocol, address, port).trim(),
    );
  const nothing = PROTOCOLS.map(() => 'TIMEOUT');
  const answers = (address: string) => PROTOCOLS.map(() => `loopback ${address}`);

  test('CVE-2020-8558: a neighbour sends to what listens on the node’s loopback', async () => {
    misroute(neighbour, '192.0.2.1');
    expect(heard(neighbour, '127.0.0.1', PORT), 'as the network is').toEqual(nothing);
    await node.sysctl.write('net.ipv4.conf.uplink.route_localnet', '1');
    expect(heard(neighbour, '127.0.0.1', PORT), 'without its defence').toEqual(answers('192.0.2.2'));
  });

  test('CVE-2020-8558: a node port whose endpoint claims to be the node’s loopback', async () => {
    const endpoint = { address: '127.0.0.1', port: Number(PORT), local: true };
    const [tcp, udp] = (['TCP', 'UDP'] as const).map((protocol) =>
      ruleOf(`shop/${protocol}`, '10.96.0.7', [endpoint], { protocol, nodePort: 30080 }),
    );
    await network.syncServices([tcp!, udp!]);
    expect(heard(neighbour, '192.0.2.1', '30080'), 'as the network is').toEqual(nothing);
    await node.sysctl.write('net.ipv4.conf.uplink.route_localnet', '1');
    expect(heard(neighbour, '192.0.2.1', '30080'), 'without its defence').toEqual(answers('192.0.2.2'));
  });

  test('CVE-2020-8558: a pod sends there, on a node where something else has set route_localnet', async () => {
    misroute(pod, '10.244.0.1');
    expect(heard(pod, '127.0.0.1', PORT), 'as nodes are').toEqual(nothing);
    await node.sysctl.write('net.ipv4.conf.all.route_localnet', '1');
    expect(heard(pod, '127.0.0.1', PORT), 'as the network is').toEqual(nothing);
    node.run(node.pid, 'nft', 'flush', 'chain', 'ip', TABLE, 'filter-prerouting');
    expect(heard(pod, '127.0.0.1', PORT), 'without its defence').toEqual(answers('10.244.0.2'));
    expect(await network.audit()).toEqual([expect.stringContaining('filter-prerouting')]);
    expect(heard(pod, '127.0.0.1', PORT), 'mended').toEqual(nothing);
  });
});
