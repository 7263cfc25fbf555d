import { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { nodeAddress } from '../addresses.ts';
import {
  clusterFault,
  type Interfaces,
  linkOf,
  mergeVirtualAddresses,
  parseVirtualAddress,
  type VirtualAddress,
  virtualAddressArguments,
  virtualAddressOption,
} from './address.ts';
import { leaseName } from './keeper.ts';

describe('a virtual address', () => {
  test.each([
    ['192.0.2.100', { address: '192.0.2.100' }],
    ['192.0.2.100%eth0', { address: '192.0.2.100', link: 'eth0' }],
    ['2001:DB8:0::64', { address: '2001:db8::64' }],
    ['2001:db8::64%bond0.12', { address: '2001:db8::64', link: 'bond0.12' }],
  ])('is written %s', (text, wanted) => expect(parseVirtualAddress(text)).toEqual(wanted));

  test.each([
    '',
    '192.0.2',
    '192.0.2.1/24',
    '%eth0',
    '127.0.0.1',
    '0.0.0.0',
    '224.0.0.18',
    'fe80::1',
    '::1',
    'ff02::1',
    '1.2.3.4%a b',
  ])('is not %j', (text) => expect(parseVirtualAddress(text)).toBeUndefined());

  test('is given as flags and told again as such', () => {
    const parse = (args: string[]) =>
      new Command().exitOverride().addOption(virtualAddressOption()).parse(args, { from: 'user' }).opts<{
        virtualAddress: VirtualAddress[];
      }>().virtualAddress;
    const args = ['--virtual-address', '192.0.2.100%eth0', '--virtual-address', '2001:db8::64'];
    expect(virtualAddressArguments(parse(args)).flat()).toEqual(args);
    expect(parse([])).toEqual([]);
  });

  test('of the cluster is on another interface where the machine says so', () => {
    const ofCluster = [{ address: '192.0.2.100' }, { address: '2001:db8::64' }];
    const own = [{ address: '192.0.2.100', link: 'eth1' }];
    expect(mergeVirtualAddresses(ofCluster, own)).toEqual([{ address: '2001:db8::64' }, own[0]]);
  });

  test('has a Lease whose name is one', () => {
    expect(leaseName('192.0.2.100')).toBe('virtual-address-192-0-2-100');
    expect(leaseName('2001:db8::')).toBe('virtual-address-2001-db8--0');
  });

  test.each([
    ['10.244.3.4', 'among those of pods (10.244.0.0/16)'],
    ['10.96.0.9', 'among those of Services (10.96.0.0/16)'],
    ['192.0.2.1', "is this machine's own"],
  ])('is refused: %s', (address, why) => {
    const cluster = { podCidr: '10.244.0.0/16', serviceCidr: '10.96.0.0/16', advertiseAddress: '192.0.2.1' };
    expect(clusterFault({ ...cluster, virtualAddress: [{ address }] })).toContain(why);
    expect(clusterFault({ ...cluster, virtualAddress: [{ address: '192.0.2.100' }] })).toBeUndefined();
  });
});

describe('the interface of a virtual address', () => {
  const on = (cidr: string, internal = false) => ({ address: cidr.split('/')[0]!, cidr, internal });
  const interfaces: Interfaces = {
    lo: [on('127.0.0.1/8', true)],
    gabc123: [on('203.0.113.1/24')],
    eth0: [on('192.0.2.7/16'), on('2001:db8::7/64')],
    eth1: [on('192.0.2.8/24'), on('192.0.2.100/32'), on('fe80::1/64')],
    eth2: [on('198.51.100.1/31')],
  };
  const of = (address: string, link?: string) =>
    linkOf({ address, ...(link && { link }) }, interfaces, 'gabc123');

  test.each([
    ['192.0.2.100', undefined, 'eth1'],
    ['192.0.2.100', 'eth0', 'eth0'],
    ['192.0.3.1', undefined, 'eth0'],
    ['2001:db8::64', undefined, 'eth0'],
    ['198.51.100.0', undefined, 'eth2'],
  ])('of %s, %s named: %s', (address, link, wanted) => expect(of(address, link)).toEqual({ link: wanted }));

  test.each([
    ['203.0.113.9', undefined, 'no interface of this machine has a subnet that contains 203.0.113.9'],
    ['192.0.2.100', 'eth2', 'the interface eth2 of this machine has a subnet'],
    ['192.0.2.8', undefined, "192.0.2.8 is this machine's own"],
    ['192.0.2.255', undefined, 'the first or last of 192.0.2.8/24'],
    ['2001:db8::', undefined, 'the first or last of 2001:db8::7/64'],
  ])('of %s, %s named: none', (address, link, why) =>
    expect(of(address, link)).toEqual({ why: expect.stringContaining(why) }),
  );
});

test('a machine takes no virtual address for its own, whichever comes first', () => {
  const one = (address: string, netmask: string) =>
    ({ address, netmask, family: 'IPv4', internal: false, cidr: null, mac: '' }) as const;
  const [virtual, own] = [one('192.0.2.100', '255.255.255.255'), one('192.0.2.7', '255.255.255.0')];
  expect(nodeAddress('g', { eth0: [virtual, own] }, 'eth0')).toBe('192.0.2.7');
  expect(nodeAddress('g', { eth0: [virtual] }, 'eth0')).toBe('192.0.2.100');
});
