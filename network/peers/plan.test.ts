import { describe, expect, test } from 'vitest';
import type { NodeState } from '../audit.ts';
import { TEST_CONFIG } from '../conformance.ts';
import type { NodePeer } from '../contract.ts';
import type { Link, Route } from '../netlink/route.ts';
import { PEER_METRIC, peersLeft, peersPlan, vtepMac, vxlanMtu, wayTo } from './plan.ts';

const link = (index: number, name: string): Link => ({
  ...{ index, name, mac: '', mtu: 1500, up: true, master: 0, kind: '', hairpin: false },
});
const route = (destination: string, index: number, more: Partial<Route> = {}): Route => ({
  ...{ destination, index, kind: 'unicast', metric: 0 },
  ...more,
});
const STATE: NodeState = {
  links: [link(1, 'lo'), link(2, 'eth0'), link(3, 'eth1'), link(4, 'gtst001')],
  routes: [
    route('0.0.0.0/0', 2, { gateway: '192.0.2.254' }),
    route('192.0.2.0/24', 2),
    route('192.0.2.128/25', 3),
    route('203.0.113.0/24', 2, { gateway: '192.0.2.253' }),
    route('10.244.0.0/28', 4),
    route('fd00:1::/64', 2),
  ],
  addresses: [],
  neighbours: [],
  forwards: [],
};
const peer = (addresses: string[], ...podCidrs: string[]): NodePeer => ({ name: 'b', addresses, podCidrs });
const CIDR = '10.244.1.0/24';

describe('the way to a node', () => {
  test.each<[string, string[], string, object]>([
    ['on our subnet', ['192.0.2.9'], CIDR, { kind: 'direct', gateway: '192.0.2.9', link: 'eth0' }],
    [
      'on the narrower of two',
      ['192.0.2.200'],
      CIDR,
      { kind: 'direct', gateway: '192.0.2.200', link: 'eth1' },
    ],
    ['behind a router', ['203.0.113.9'], CIDR, { kind: 'vxlan', to: '203.0.113.9' }],
    ['anywhere else', ['198.51.100.9'], CIDR, { kind: 'vxlan', to: '198.51.100.9' }],
    ['that says it is in our pod block', ['10.244.0.9'], CIDR, { kind: 'vxlan', to: '10.244.0.9' }],
    [
      'with several addresses',
      ['198.51.100.9', '192.0.2.9'],
      CIDR,
      { kind: 'direct', gateway: '192.0.2.9', link: 'eth0' },
    ],
    [
      'of IPv6 pods on our subnet',
      ['192.0.2.9', 'fd00:1::9'],
      'fd00:2::/64',
      { kind: 'direct', gateway: 'fd00:1::9', link: 'eth0' },
    ],
    ['of IPv6 pods with an IPv4 address', ['192.0.2.9'], 'fd00:2::/64', { kind: 'vxlan', to: '192.0.2.9' }],
    ['with addresses of the other family only', ['fd00:9::9'], CIDR, { kind: 'none' }],
    ['without addresses', [], CIDR, { kind: 'none' }],
    ['with nonsense for an address', ['nowhere'], CIDR, { kind: 'none' }],
  ])('%s', (_, addresses, cidr, way) => {
    expect(wayTo(TEST_CONFIG, peer(addresses, cidr), cidr, STATE)).toEqual(way);
  });
});

describe('the plan', () => {
  test('for a near node is a route', () => {
    const plan = peersPlan(TEST_CONFIG, [peer(['192.0.2.9'], CIDR)], STATE, 1500);
    expect(plan).toEqual({
      overlay: false,
      unreachable: [],
      steps: [{ op: 'route', destination: CIDR, link: 'eth0', gateway: '192.0.2.9', metric: PEER_METRIC }],
    });
  });

  test('for a far node is a device and what it has to know', () => {
    const plan = peersPlan(TEST_CONFIG, [peer(['198.51.100.9'], CIDR)], STATE, 1500);
    const mac = '0a:59:c6:33:64:09';
    expect(plan).toEqual({
      overlay: true,
      unreachable: [],
      steps: [
        {
          op: 'vxlan',
          name: 'gtst001v',
          mac: vtepMac('192.0.2.1'),
          mtu: 1450,
          vxlan: { id: 1, port: 8472, local: '192.0.2.1' },
        },
        { op: 'forward', link: 'gtst001v', mac, to: '198.51.100.9' },
        { op: 'neighbour', link: 'gtst001v', address: '10.244.1.0', mac },
        {
          ...{ op: 'route', destination: CIDR, link: 'gtst001v', gateway: '10.244.1.0' },
          ...{ source: '10.244.0.1', metric: PEER_METRIC },
        },
      ],
    });
  });

  test('names whom it cannot reach, and does the rest', () => {
    const lost = { ...peer([], '10.244.2.0/24'), name: 'lost' };
    const odd = { ...peer(['192.0.2.8'], 'nonsense'), name: 'odd' };
    const plan = peersPlan(TEST_CONFIG, [lost, odd, peer(['192.0.2.9'], CIDR)], STATE, 1500);
    expect(plan.unreachable).toEqual(['lost', 'odd']);
    expect(plan.steps).toHaveLength(1);
  });

  test('leaves VXLAN room for its headers, and pods enough for IPv6', () => {
    expect(vxlanMtu(TEST_CONFIG, 9000)).toBe(8950);
    expect(vxlanMtu({ ...TEST_CONFIG, addresses: ['fd00::1'] }, 1500)).toBe(1430);
    expect(vxlanMtu(TEST_CONFIG, 1300)).toBe(1280);
  });
});

describe('what is left of nodes that have gone', () => {
  const nobody = peersPlan(TEST_CONFIG, [], STATE, 1500);
  test('are routes of ours, and no others', () => {
    const state = {
      ...STATE,
      routes: [
        ...STATE.routes,
        route('10.244.7.0/24', 2, { gateway: '192.0.2.9', metric: PEER_METRIC }),
        route('10.244.8.0/24', 2, { gateway: '192.0.2.9' }),
        route('10.99.0.0/24', 2, { gateway: '192.0.2.9', metric: PEER_METRIC }),
      ],
    };
    expect(peersLeft(TEST_CONFIG, nobody, state)).toEqual([
      {
        op: 'delete-route',
        destination: '10.244.7.0/24',
        link: 'eth0',
        gateway: '192.0.2.9',
        metric: PEER_METRIC,
      },
    ]);
  });

  test('is the device when nobody needs it, or it is of another kind', () => {
    const state = { ...STATE, links: [...STATE.links, { ...link(9, 'gtst001v'), kind: 'vxlan' }] };
    const gone = [{ op: 'delete-link', link: 'gtst001v' }];
    expect(peersLeft(TEST_CONFIG, nobody, state)).toEqual(gone);
    const far = peersPlan(TEST_CONFIG, [peer(['198.51.100.9'], CIDR)], state, 1500);
    expect(peersLeft(TEST_CONFIG, far, state)).toEqual(gone);
  });
});
