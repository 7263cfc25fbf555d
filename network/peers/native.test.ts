import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { ruleOf } from '../conformance.ts';
import { type LabNode, type LabPod, makeLab, type NetworkLab } from '../netlink/testing/lab.ts';
import { whyNoKernel } from '../netlink/testing/namespaces.ts';

const skip = whyNoKernel();
const script = (name: string) => fileURLToPath(new URL(`../netlink/testing/${name}`, import.meta.url));
const NODES = ['a', 'b', 'c'] as const;
type Name = (typeof NODES)[number];
const VXLAN = 'gtst001v';
const BRIDGE = 'gtst001';

/** A lab with a pod on each node that answers on port 8080. */
class World {
  lab!: NetworkLab;
  readonly pods = {} as Record<Name, LabPod>;

  async open(options: Parameters<typeof makeLab>[0] = {}): Promise<void> {
    this.lab = await makeLab(options);
    for (const name of NODES) {
      const pod = await this.lab[name].pod(name);
      this.pods[name] = pod;
      await this.started(pod.pid, 'echo.js', name, '8080', '::');
    }
    await this.lab.meet();
    // A link is of no use for IPv6 before its own address is known to be nobody else's.
    const holders = NODES.flatMap((name) => [this.lab[name].node.pid, this.pods[name].pid]);
    const isTentative = () =>
      holders.some((pid) => this.run(pid, 'ip', '-6', 'address', 'show', 'tentative'));
    await vi.waitFor(() => expect(isTentative()).toBe(false), { timeout: 10_000 });
  }

  async started(pid: number, program: string, ...argv: string[]): Promise<string> {
    const child = this.lab.a.node.start(pid, process.execPath, script(program), ...argv);
    return new Promise((resolve) => child.stdout!.once('data', (line) => resolve(String(line).trim())));
  }

  run(pid: number, ...argv: string[]): string {
    return this.lab.a.node.run(pid, ...argv);
  }

  probe(pid: number, ...argv: string[]): string[] {
    return this.run(pid, process.execPath, script('probe.js'), ...argv)
      .trim()
      .split('\n');
  }

  ip(name: Name, ...argv: string[]): string {
    return this.run(this.lab[name].node.pid, 'ip', ...argv);
  }

  mtu(pid: number, link: string): number {
    return Number(/ mtu (\d+)/.exec(this.run(pid, 'ip', 'link', 'show', link))![1]);
  }

  /** Every pod reaches every other one and is seen as who it is. */
  expectAllMeet(): void {
    for (const from of NODES)
      for (const to of NODES)
        for (const [family, address] of this.pods[to].addresses.entries())
          expect(this.probe(this.pods[from].pid, 'tcp', address, '8080'), `${from} to ${address}`).toEqual([
            `${to} ${this.pods[from].addresses[family]}`,
          ]);
  }

  /** No packet of a pod went between the subnets as it is. */
  expectNoneLeaked(): void {
    const rules = this.run(this.lab.router, 'nft', 'list', 'table', 'inet', 'anti-spoofing');
    expect(rules.match(/packets \d+/g)).toEqual(Array.from({ length: 4 }, () => 'packets 0'));
  }

  /** Of the other nodes. */
  peersOf(name: Name): LabNode['peer'][] {
    return NODES.filter((each) => each !== name).map((each) => this.lab[each].peer);
  }
}

describe.skipIf(skip).each([4, 6] as const)('three nodes on two subnets of IPv%i', (family) => {
  const world = new World();
  beforeAll(() => world.open({ family }));
  afterAll(() => world.lab?.close());

  test('pods of all nodes reach each other by their own addresses, and no packet of theirs goes between subnets bare', () => {
    world.expectAllMeet();
    world.expectNoneLeaked();
  });

  test('the way is direct on one subnet, and VXLAN between two', () => {
    const own = family === 4 ? world.ip('a', 'route') : world.ip('a', '-6', 'route');
    const [near, far] =
      family === 4 ? ['10.244.2.0/24', '10.244.3.0/24'] : ['fd00:10:244:2::/64', 'fd00:10:244:3::/64'];
    expect(own).toMatch(new RegExp(`^${near} via ${world.lab.b.peer.addresses[0]} dev uplink`, 'm'));
    expect(own).toMatch(new RegExp(`^${far} via ${far!.replace(/\/.*/, '')} dev ${VXLAN}`, 'm'));
  });

  test('nodes reach pods of other nodes', () => {
    for (const from of NODES)
      for (const to of NODES) {
        const [answer] = world.probe(world.lab[from].node.pid, 'tcp', world.pods[to].addresses[0]!, '8080');
        expect(answer, `${from} to ${to}`).toMatch(new RegExp(`^${to} `));
      }
    world.expectNoneLeaked();
  });

  test('a pod address that no node has is refused at once, on whichever node', () => {
    for (const from of NODES) {
      expect(world.probe(world.pods[from].pid, 'tcp', '10.244.200.9', '80'), from).toEqual(['EHOSTUNREACH']);
      expect(world.probe(world.lab[from].node.pid, 'tcp', '10.244.200.9', '80'), from).toEqual([
        'EHOSTUNREACH',
      ]);
    }
    world.expectNoneLeaked();
  });

  test('auditing finds what was taken away, and then nothing', async () => {
    world.ip('a', '-6', 'route', 'del', 'fd00:10:244:3::/64');
    expect(await world.lab.a.network.audit()).toEqual([`route fd00:10:244:3::/64 by ${VXLAN} is gone`]);
    for (const name of NODES) expect(await world.lab[name].network.audit(), name).toEqual([]);
    world.expectAllMeet();
  });
});

describe.skipIf(skip)('three nodes on two subnets', () => {
  const world = new World();
  beforeAll(() => world.open({ pods: [4] }));
  afterAll(() => world.lab?.close());

  const onlyOf = (to: Name) => {
    const endpoint = { address: world.pods[to].addresses[0]!, port: 8080 };
    return (name: Name) =>
      world.lab[name].network.syncServices([
        ruleOf('shop/web', '10.96.0.7', [{ ...endpoint, local: name === to }], { nodePort: 30080 }),
      ]);
  };

  test.each<[Name, Name]>([
    ['a', 'b'],
    ['a', 'c'],
  ])('Services and node ports of %s lead to a pod of %s', async (via, to) => {
    await onlyOf(to)(via);
    expect(world.probe(world.pods[via].pid, 'tcp', '10.96.0.7', '80')).toEqual([
      `${to} ${world.pods[via].addresses[0]}`,
    ]);
    const own = world.lab[via].peer.addresses[0]!;
    for (const pid of [world.lab.outside, world.lab[via].node.pid, world.pods[via].pid])
      expect(world.probe(pid, 'tcp', own, '30080')[0]).toMatch(new RegExp(`^${to} `));
    world.expectNoneLeaked();
  });

  test('what comes by a node port from outside goes by VXLAN under an address that leads back there', async () => {
    await onlyOf('c')('a');
    const own = world.lab.a.peer.addresses[0]!;
    // An address that other nodes know nothing of, on a link from before.
    world.ip('a', 'link', 'add', 'other0', 'type', 'bridge');
    world.ip('a', 'address', 'add', '172.31.9.1/24', 'dev', 'other0');
    world.ip('a', 'link', 'set', 'other0', 'up');
    expect(world.probe(world.lab.outside, 'tcp', own, '30080')).toEqual(['c 10.244.1.1']);
    world.ip('a', 'link', 'del', 'other0');
    world.expectNoneLeaked();
  });

  test('UDP goes too', () => {
    for (const to of NODES)
      expect(world.probe(world.pods.a.pid, 'udp', world.pods[to].addresses[0]!, '8080')).toEqual([
        `${to} ${world.pods.a.addresses[0]}`,
      ]);
  });

  test('what somebody else takes away is found and mended', async () => {
    const { node, network } = world.lab.a;
    const remote = world.lab.c.peer.addresses[0]!;
    const plants: [string[], RegExp][] = [
      [['ip', 'route', 'del', '10.244.2.0/24'], /route 10.244.2.0\/24 by uplink is gone/],
      [['ip', 'route', 'change', '10.244.2.0/24', 'via', '192.0.2.1', 'metric', '1025'], /route 10.244.2.0/],
      [['ip', 'route', 'del', '10.244.3.0/24'], /route 10.244.3.0\/24 by gtst001v is gone/],
      [['ip', 'neighbour', 'del', '10.244.3.0', 'dev', VXLAN], /neighbour 10.244.3.0/],
      [['ip', 'address', 'flush', 'dev', VXLAN], /address 10.244.1.1\/32 of gtst001v/],
      [['bridge', 'fdb', 'del', '0a:59:c6:33:64:0d', 'dev', VXLAN, 'dst', remote], /forwarding to/],
      [['sysctl', '-qw', `net.ipv4.conf.${VXLAN}.rp_filter=1`], /rp_filter is 1/],
      [['sysctl', '-qw', `net.ipv4.conf.${VXLAN}.forwarding=0`], /forwarding is 0/],
      [['ip', 'link', 'set', VXLAN, 'down'], /vxlan gtst001v is down/],
      [['ip', 'link', 'set', VXLAN, 'mtu', '1300'], /vxlan gtst001v was changed/],
      [['ip', 'link', 'set', BRIDGE, 'mtu', '1300'], /bridge gtst001 has MTU 1300/],
      [['ip', 'link', 'del', VXLAN], /vxlan gtst001v is gone/],
      [['sh', '-ec', `ip link del ${VXLAN}; ip link add ${VXLAN} type bridge`], /is left/],
      [['ip', 'link', 'del', BRIDGE], /bridge gtst001 is gone/],
      [
        ['sh', '-ec', 'ip route add 10.244.77.0/24 via 192.0.2.1 metric 1025 proto static'],
        /left of another node: route 10.244.77.0/,
      ],
    ];
    for (const [plant, finding] of plants) {
      node.run(node.pid, ...plant);
      expect((await network.audit()).join('\n'), plant.join(' ')).toMatch(finding);
      expect(await network.audit(), plant.join(' ')).toEqual([]);
    }
    world.expectAllMeet();
  });

  test('the ways from before the agent’s restart serve until the nodes are known', async () => {
    const { node, config } = world.lab.a;
    const ways = () => [node.run(node.pid, 'ip', 'route'), node.run(node.pid, 'ip', 'link', 'show', VXLAN)];
    const before = ways();
    const network = world.lab.a.restart();
    await network.start(config);
    expect(await network.audit()).toEqual([]);
    expect(ways()).toEqual(before);
    expect(world.mtu((await world.lab.a.pod('late')).pid, 'eth0')).toBe(1450);
    await network.detach('late');
    await network.syncPeers(world.peersOf('a'));
    expect(ways()).toEqual(before);
  });

  test('syncing what is so already sends the kernel no change', async () => {
    const { node, network } = world.lab.a;
    const monitor = node.start(node.pid, 'ip', 'monitor', 'all');
    let heard = '';
    monitor.stdout!.on('data', (chunk) => {
      heard += chunk;
    });
    const marked = async (address: string) => {
      for (let i = 0; i < 100 && !heard.includes(address); i++) {
        node.run(node.pid, 'ip', 'address', 'replace', `${address}/32`, 'dev', 'lo');
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      expect(heard).toContain(address);
    };
    await marked('203.0.113.1');
    const before = heard.length;
    await network.syncPeers(world.peersOf('a'));
    await marked('203.0.113.2');
    const between = heard
      .slice(before)
      .split('\n')
      .filter((line) => !line.includes('203.0.113.'));
    expect(between.filter((line) => /10\.244\.|fd00|gtst001v/.test(line))).toEqual([]);
    monitor.kill('SIGKILL');
    for (const address of ['203.0.113.1', '203.0.113.2'])
      node.run(node.pid, 'ip', 'address', 'del', `${address}/32`, 'dev', 'lo');
  });

  test('nodes that lie about themselves harm nobody but themselves', async () => {
    const { node, network, peer } = world.lab.a;
    const lies = [
      { name: 'x1', addresses: ['192.0.2.66'], podCidrs: ['0.0.0.0/1'] },
      { name: 'x2', addresses: ['192.0.2.66'], podCidrs: ['10.244.1.0/26'] },
      { name: 'x3', addresses: ['192.0.2.66'], podCidrs: ['10.244.3.0/25'] },
      { name: 'x4', addresses: peer.addresses, podCidrs: ['10.244.44.0/24'] },
      { name: 'x5', addresses: ['127.0.0.1'], podCidrs: ['10.244.45.0/24'] },
      { name: 'x6', addresses: [world.pods.c.addresses[0]!], podCidrs: ['10.244.46.0/24'] },
      // The kernel alone knows that this is everybody's.
      { name: 'x7', addresses: ['192.0.2.255'], podCidrs: ['10.244.47.0/24'] },
    ];
    const unreachable = await network.syncPeers([...world.peersOf('a'), ...lies]);
    expect(unreachable.map(({ name }) => name).sort()).toEqual(lies.map(({ name }) => name));
    expect(unreachable.find(({ name }) => name === 'x3')?.why).toBe(
      'its block of pods 10.244.3.0/25 overlaps that of c',
    );
    expect(node.run(node.pid, 'ip', 'route')).not.toMatch(/192\.0\.2\.66|10\.244\.4/);
    world.expectAllMeet();
    expect(await network.syncPeers(world.peersOf('a'))).toEqual([]);
  });

  test('another VXLAN device with the same network and port is left alone and named, and who is near is reached', async () => {
    const { node, network } = world.lab.a;
    await network.syncPeers([world.lab.b.peer]);
    world.ip('a', 'link', 'add', 'flannel.1', 'type', 'vxlan', 'id', '1', 'dstport', '8472', 'nolearning');
    const why = 'another VXLAN device of this machine uses the same network identifier and UDP port';
    expect(await network.syncPeers(world.peersOf('a'))).toEqual([{ name: 'c', why }]);
    expect(world.ip('a', 'link')).toContain('flannel.1');
    const near = world.probe(world.pods.a.pid, 'tcp', world.pods.b.addresses[0]!, '8080');
    expect(near).toEqual([`b ${world.pods.a.addresses[0]}`]);
    node.run(node.pid, 'ip', 'link', 'del', 'flannel.1');
    expect(await network.audit()).not.toEqual([]);
    expect(await network.audit()).toEqual([]);
    world.expectAllMeet();
  });

  test('pods follow when the uplink’s MTU changes', async () => {
    const { node, network } = world.lab.a;
    node.run(node.pid, 'ip', 'link', 'set', 'uplink', 'mtu', '1300');
    expect((await network.audit()).join('\n')).toContain('interface of a has MTU 1450');
    const all: [number, string][] = [
      [node.pid, BRIDGE],
      [node.pid, VXLAN],
      [world.pods.a.pid, 'eth0'],
    ];
    expect(all.map(([pid, link]) => world.mtu(pid, link))).toEqual([1250, 1250, 1250]);
    expect(await network.audit()).toEqual([]);
    node.run(node.pid, 'ip', 'link', 'set', 'uplink', 'mtu', '1500');
    await network.audit();
    expect(all.map(([pid, link]) => world.mtu(pid, link))).toEqual([1450, 1450, 1450]);
  });

  test('connections go on while far nodes come and go, and the MTU with them', async () => {
    const { node, network } = world.lab.a;
    const sum = await world.started(world.pods.b.pid, 'bulk.js', 'serve', '9001', String(200 << 20));
    const fetch = ['fetch', world.pods.b.addresses[0]!, '9001'];
    const child = node.start(world.pods.a.pid, process.execPath, script('bulk.js'), ...fetch);
    let seen = '';
    child.stdout!.on('data', (text) => {
      seen += text;
    });
    const mtus: number[] = [];
    for (let at = 0; seen === ''; at++) {
      await network.syncPeers(at % 2 === 0 ? [world.lab.b.peer] : world.peersOf('a'));
      if (seen === '') mtus.push(world.mtu(world.pods.a.pid, 'eth0'));
    }
    expect(seen.trim()).toBe(sum);
    expect(mtus.slice(0, 4)).toEqual([1500, 1450, 1500, 1450]);
    await network.syncPeers(world.peersOf('a'));
  });

  test('a node that goes leaves nothing, and one that comes back is reached again', async () => {
    const { node, network } = world.lab.a;
    await network.syncPeers([world.lab.b.peer]);
    expect(node.run(node.pid, 'ip', 'link')).not.toContain(VXLAN);
    expect(node.run(node.pid, 'ip', 'route')).not.toContain('10.244.3.');
    expect(world.probe(world.pods.a.pid, 'tcp', world.pods.c.addresses[0]!, '8080')).toEqual([
      'EHOSTUNREACH',
    ]);
    expect(world.mtu(node.pid, BRIDGE)).toBe(1500);
    expect(world.mtu(world.pods.a.pid, 'eth0')).toBe(1500);
    await network.syncPeers([]);
    expect(node.run(node.pid, 'ip', 'route')).not.toContain('10.244.2.');
    await network.syncPeers(world.peersOf('a'));
    expect(world.mtu(world.pods.a.pid, 'eth0')).toBe(1450);
    world.expectAllMeet();
  });

  test('a node that gets another address is reached there', async () => {
    const { c } = world.lab;
    const before = c.peer.addresses[0]!;
    // Onto the subnet of a and b.
    world.run(world.lab.router, 'ip', 'link', 'set', 'w13', 'master', 'switch0');
    const moved = `
      ip address flush dev uplink
      ip address add 192.0.2.13/24 dev uplink
      ip route add default via 192.0.2.1`;
    const moveTo = async (address: string, script: string) => {
      c.node.run(c.node.pid, 'sh', '-ec', script);
      c.peer.addresses = [address];
      c.config.addresses = [address];
      await c.restart().start(c.config);
      await world.lab.meet();
    };
    await moveTo('192.0.2.13', moved);
    for (const name of NODES) expect(world.ip(name, 'link'), name).not.toContain(VXLAN);
    world.expectAllMeet();
    world.run(world.lab.router, 'ip', 'link', 'set', 'w13', 'master', 'switch1');
    await moveTo(before, moved.replaceAll('192.0.2.', '198.51.100.'));
    world.expectAllMeet();
    for (const name of NODES) expect(await world.lab[name].network.audit(), name).toEqual([]);
  });

  test('destroy leaves nothing', async () => {
    const { node, network } = world.lab.a;
    await network.destroy();
    expect(node.run(node.pid, 'ip', '-o', 'link')).not.toContain('gtst001');
    expect(node.run(node.pid, 'ip', 'route')).not.toMatch(/10\.(96|244)\./);
    expect(node.run(node.pid, 'ip', '-6', 'route')).not.toContain('fd00');
    expect(node.run(node.pid, 'nft', 'list', 'ruleset')).toBe('');
  });
});

describe.skipIf(skip).each<[mtu: number, family: 4 | 6, pods: number]>([
  [1400, 4, 1350],
  [9000, 4, 8950],
  [1400, 6, 1330],
])('on wires with an MTU of %i of IPv%i', (mtu, family, pods) => {
  const world = new World();
  beforeAll(() => world.open({ mtu, family }));
  afterAll(() => world.lab?.close());

  test('bridge, VXLAN and pods, those that ran before too, have what fits', async () => {
    for (const name of NODES) {
      const { pid } = world.lab[name].node;
      const late = await world.lab[name].pod('late');
      for (const [holder, link] of [
        [pid, BRIDGE],
        [pid, VXLAN],
        [world.pods[name].pid, 'eth0'],
        [late.pid, 'eth0'],
      ] as const)
        expect(world.mtu(holder, link), `${name} ${link}`).toBe(pods);
    }
  });

  test('much goes through in both directions, and nothing is fragmented', async () => {
    const sums = {} as Record<Name, string>;
    for (const name of NODES)
      sums[name] = await world.started(world.pods[name].pid, 'bulk.js', 'serve', '9000', String(16 << 20));
    for (const from of NODES)
      for (const to of NODES)
        for (const address of world.pods[to].addresses) {
          const argv = [process.execPath, script('bulk.js'), 'fetch', address, '9000'];
          expect(world.run(world.pods[from].pid, ...argv).trim(), `${from} to ${address}`).toBe(sums[to]);
        }
    for (const name of NODES)
      for (const pid of [world.lab[name].node.pid, world.pods[name].pid, world.lab.router]) {
        expect(fragments(world.run(pid, 'cat', '/proc/net/snmp', '/proc/net/snmp6')), name).toBe(0);
      }
  });
});

/** Fragments made, of both families. */
function fragments(counters: string): number {
  const [names, values] = counters
    .split('\n')
    .filter((line) => line.startsWith('Ip:'))
    .map((line) => line.split(' '));
  const v4 = Number(values![names!.indexOf('FragCreates')]);
  return v4 + Number(/^Ip6FragCreates\s+(\d+)/m.exec(counters)![1]);
}
