import { describe, expect, test } from 'vitest';
import type { NodeState } from '../audit.ts';
import { TEST_CONFIG } from '../conformance.ts';
import type { NodeNetworkConfig, NodePeer } from '../contract.ts';
import { type Link, type Route, RTPROT_STATIC } from '../netlink/route.ts';
import { PEER_METRIC, peersLeft, peersPlan, vtepMac } from './plan.ts';
import { uplinkMtu, waysOf } from './ways.ts';

const link = (index: number, name: string, mtu = 1500): Link => ({
  ...{ index, name, mac: '', mtu, up: true, master: 0, kind: '', hairpin: false },
});
const route = (destination: string, index: number, more: Partial<Route> = {}): Route => ({
  ...{ destination, index, kind: 'unicast', metric: 0 },
  ...more,
});
const STATE: NodeState = {
  links: [link(1, 'lo'), link(2, 'eth0'), link(3, 'eth1', 9000), link(4, 'gtst001'), link(5, 'tun0', 1400)],
  routes: [
    route('0.0.0.0/0', 2, { gateway: '192.0.2.254' }),
    route('192.0.2.0/24', 2),
    route('192.0.2.128/25', 3),
    route('203.0.113.0/24', 5, { gateway: '192.0.2.253' }),
    route('203.0.113.0/24', 3, { gateway: '192.0.2.253', metric: 9 }),
    route('10.244.0.0/28', 4),
    route('fd00:1::/64', 2),
  ],
  addresses: [{ index: 2, address: '192.0.2.77', prefix: 24 }],
  neighbours: [],
  forwards: [],
};
const wayTo = (config: NodeNetworkConfig, to: NodePeer, family: 4 | 6, state: NodeState) =>
  waysOf(config, state)(to, family);
const peer = (addresses: string[], ...podCidrs: string[]): NodePeer => ({ name: 'b', addresses, podCidrs });
const CIDR = '10.244.1.0/24';
const DUAL = {
  ...TEST_CONFIG,
  podCidrs: [...TEST_CONFIG.podCidrs, 'fd00:10:244::/64'],
  clusterCidrs: [...TEST_CONFIG.clusterCidrs, 'fd00:10:244::/48'],
};

describe('the way to a node', () => {
  const direct = (gateway: string, name = 'eth0', mtu = 1500) => ({
    kind: 'direct',
    gateway,
    link: name,
    mtu,
  });
  const vxlan = (to: string, mtu = 1450) => ({ kind: 'vxlan', to, mtu });
  const none = { kind: 'none', why: 'it has no IPv4 address that can be used' };
  test.each<[string, string[], 4 | 6, object]>([
    ['on our subnet', ['192.0.2.9'], 4, direct('192.0.2.9')],
    ['on the narrower of two', ['192.0.2.200'], 4, direct('192.0.2.200', 'eth1', 9000)],
    ['behind a router, by the better of two links', ['203.0.113.9'], 4, vxlan('203.0.113.9', 1350)],
    ['anywhere else', ['198.51.100.9'], 4, vxlan('198.51.100.9')],
    ['with several addresses', ['198.51.100.9', '192.0.2.9'], 4, direct('192.0.2.9')],
    ['of IPv6 pods on our subnet', ['192.0.2.9', 'fd00:1::9'], 6, direct('fd00:1::9')],
    ['of IPv6 pods with an IPv4 address', ['192.0.2.9'], 6, vxlan('192.0.2.9')],
    ['with addresses of the other family only', ['fd00:9::9'], 4, none],
    ['without addresses', [], 4, none],
    ['with nonsense for an address', ['nowhere'], 4, none],
    ['that says it is in our pod block', ['10.244.0.9'], 4, none],
    ['that says it is a Service', ['10.96.0.9'], 4, none],
    ['that says it is us', ['192.0.2.1'], 4, none],
    ['that has another address of ours', ['192.0.2.77'], 4, none],
    ['that says it is everybody', ['224.0.0.1', '255.255.255.255', '127.0.0.1'], 4, none],
  ])('%s', (_, addresses, family, way) => {
    expect(wayTo(TEST_CONFIG, peer(addresses), family, STATE)).toEqual(way);
  });

  test('is not over a link that is down, nor over our own', () => {
    const links = STATE.links.map((each) => ({ ...each, up: each.name !== 'eth0' }));
    expect(wayTo(TEST_CONFIG, peer(['192.0.2.9']), 4, { ...STATE, links })).toMatchObject({ kind: 'vxlan' });
    const routes = [...STATE.routes, route('172.16.0.0/24', 4)];
    expect(wayTo(TEST_CONFIG, peer(['172.16.0.9']), 4, { ...STATE, routes })).toMatchObject({
      kind: 'vxlan',
    });
  });

  test('is none by VXLAN where this node has no address', () => {
    const { addresses: _, ...config } = TEST_CONFIG;
    expect(wayTo(config, peer(['198.51.100.9']), 4, STATE)).toEqual({
      kind: 'none',
      why: 'this node has no address of its own',
    });
  });

  test('leaves room for the outer headers, and pods enough for IPv6 where they have it', () => {
    const at = (mtu: number) => ({ ...STATE, links: STATE.links.map((each) => ({ ...each, mtu })) });
    const far = peer(['198.51.100.9', '2001:db8::9']);
    const v6 = { ...TEST_CONFIG, addresses: ['fd00:1::1'] };
    const mtus = (mtu: number) =>
      [TEST_CONFIG, v6, DUAL].map((config) => (wayTo(config, far, 4, at(mtu)) as { mtu: number }).mtu);
    expect(mtus(1500)).toEqual([1450, 1430, 1450]);
    expect(mtus(9000)).toEqual([8950, 8930, 8950]);
    expect(mtus(1300)).toEqual([1250, 1230, 1280]);
    expect(mtus(65536)).toEqual([9166, 9146, 9166]);
  });

  test('the uplink is the link with the node’s address, else the default route’s', () => {
    expect(uplinkMtu(TEST_CONFIG, STATE)).toBe(1500);
    const addresses = [{ index: 3, address: '192.0.2.1', prefix: 25 }];
    expect(uplinkMtu(TEST_CONFIG, { ...STATE, addresses })).toBe(9000);
    expect(uplinkMtu(TEST_CONFIG, { ...STATE, routes: [], links: [] })).toBe(1500);
  });
});

describe('the plan', () => {
  test('for a near node is a route', () => {
    expect(peersPlan(TEST_CONFIG, [peer(['192.0.2.9'], CIDR)], STATE)).toEqual({
      device: [],
      peers: [
        {
          name: 'b',
          overlay: false,
          steps: [
            { op: 'route', destination: CIDR, link: 'eth0', gateway: '192.0.2.9', metric: PEER_METRIC },
          ],
        },
      ],
      mtu: 1500,
      unreachable: [],
    });
  });

  test('for a far node is a device and what it has to know', () => {
    const mac = '0a:59:c6:33:64:09';
    const parameter = (name: string, value: string) => ({
      ...{ op: 'sysctl', key: `net.ipv4.conf.gtst001v.${name}`, value },
    });
    expect(peersPlan(TEST_CONFIG, [peer(['198.51.100.9'], CIDR)], STATE)).toEqual({
      device: [
        {
          op: 'vxlan',
          name: 'gtst001v',
          mac: vtepMac('192.0.2.1'),
          mtu: 1450,
          vxlan: { id: 1, port: 8472, local: '192.0.2.1', learning: false },
        },
        { op: 'address', link: 'gtst001v', cidr: '10.244.0.1/32' },
        parameter('forwarding', '1'),
        parameter('rp_filter', '2'),
      ],
      peers: [
        {
          name: 'b',
          overlay: true,
          steps: [
            { op: 'forward', link: 'gtst001v', mac, to: '198.51.100.9' },
            { op: 'neighbour', link: 'gtst001v', address: '10.244.1.0', mac },
            {
              ...{ op: 'route', destination: CIDR, link: 'gtst001v', gateway: '10.244.1.0' },
              ...{ source: '10.244.0.1', metric: PEER_METRIC },
            },
          ],
        },
      ],
      mtu: 1450,
      unreachable: [],
    });
  });

  test('uses the network and port that the configuration says', () => {
    const config = { ...TEST_CONFIG, vxlan: { id: 77, port: 4789 } };
    const [device] = peersPlan(config, [peer(['198.51.100.9'], CIDR)], STATE).device;
    expect(device).toMatchObject({ vxlan: { id: 77, port: 4789 } });
  });

  test('takes the smallest of all ways for pods, and of those by VXLAN for it', () => {
    const far = { ...peer(['203.0.113.9'], '10.244.2.0/24'), name: 'far' };
    const plan = peersPlan(TEST_CONFIG, [peer(['192.0.2.200'], CIDR), far], STATE);
    expect(plan.device[0]).toMatchObject({ mtu: 1350 });
    expect(plan.mtu).toBe(1350);
    // No more than the uplink takes, however near the others are.
    expect(peersPlan(TEST_CONFIG, [peer(['192.0.2.200'], CIDR)], STATE).mtu).toBe(1500);
  });

  test('has one tunnel for the blocks of both families', () => {
    const { peers } = peersPlan(DUAL, [peer(['198.51.100.9'], CIDR, 'fd00:10:244:1::/64')], STATE);
    expect(peers[0]!.steps.map(({ op }) => op)).toEqual([
      ...['forward', 'neighbour', 'route', 'neighbour', 'route'],
    ]);
  });

  test('tells whom it cannot reach and why, and does the rest', () => {
    const node = (name: string, address: string, cidr: string) => ({
      ...{ name, addresses: address ? [address] : [], podCidrs: [cidr] },
    });
    const plan = peersPlan(
      TEST_CONFIG,
      [
        node('lost', '', '10.244.2.0/24'),
        node('odd', '192.0.2.8', 'nonsense'),
        node('greedy', '192.0.2.8', '0.0.0.0/0'),
        node('ours', '192.0.2.8', '10.244.0.0/30'),
        node('b', '192.0.2.9', CIDR),
        node('copy', '192.0.2.8', CIDR),
      ],
      STATE,
    );
    expect(plan.unreachable).toEqual([
      { name: 'lost', why: 'it has no IPv4 address that can be used' },
      { name: 'odd', why: 'its block of pods "nonsense" is no prefix' },
      { name: 'greedy', why: "its block of pods 0.0.0.0/0 is not of the cluster's" },
      { name: 'ours', why: 'its block of pods 10.244.0.0/30 overlaps that of this node' },
      { name: 'copy', why: 'its block of pods 10.244.1.0/24 overlaps that of b' },
    ]);
    expect(plan.peers.flatMap(({ steps }) => steps)).toHaveLength(1);
  });

  test('has MACs that are locally administered, for one node only, and the same each time', () => {
    for (const address of ['192.0.2.9', 'fd00::9', 'fd00::a']) {
      expect(vtepMac(address)).toBe(vtepMac(address));
      expect(Number.parseInt(vtepMac(address).slice(0, 2), 16) & 3, address).toBe(2);
    }
    expect(vtepMac('fd00::9')).not.toBe(vtepMac('fd00::a'));
  });
});

describe('what is left of nodes that have gone', () => {
  const nobody = peersPlan(TEST_CONFIG, [], STATE);
  test('are routes of ours, and no others', () => {
    const ours = { gateway: '192.0.2.9', metric: PEER_METRIC, protocol: RTPROT_STATIC };
    const state = {
      ...STATE,
      routes: [
        ...STATE.routes,
        route('10.244.7.0/24', 2, ours),
        route('10.244.8.0/24', 2, { gateway: '192.0.2.9', protocol: RTPROT_STATIC }),
        route('10.244.9.0/24', 2, { gateway: '192.0.2.9', metric: PEER_METRIC, protocol: 3 }),
        route('10.99.0.0/24', 2, ours),
      ],
    };
    expect(peersLeft(TEST_CONFIG, nobody, state)).toEqual([
      {
        ...{ op: 'delete-route', destination: '10.244.7.0/24', link: 'eth0' },
        ...{ gateway: '192.0.2.9', metric: PEER_METRIC },
      },
    ]);
  });

  test('is the device when nobody needs it, or it is of another kind', () => {
    const state = { ...STATE, links: [...STATE.links, { ...link(9, 'gtst001v'), kind: 'vxlan' }] };
    const gone = [{ op: 'delete-link', link: 'gtst001v' }];
    expect(peersLeft(TEST_CONFIG, nobody, state)).toEqual(gone);
    const far = peersPlan(TEST_CONFIG, [peer(['198.51.100.9'], CIDR)], state);
    expect(peersLeft(TEST_CONFIG, far, state)).toEqual(gone);
  });
});
