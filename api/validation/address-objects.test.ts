import { describe, expect, it } from 'vitest';
import { IPAddressKind } from '../kinds/ip-address.ts';
import { ServiceCIDRKind } from '../kinds/service-cidr.ts';
import { changeFaultsOf, faultsOf } from '../specimens/made.ts';

const parentRef = { resource: 'services', name: 'web' };
const IP = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)';

describe('an address', () => {
  it.each([
    ['x', IP],
    ['10.0.0', IP],
    ['10.0.0.256', IP],
    ['08.0.0.256', IP],
    ['fe80::1%eth0', IP],
    ['010.0.0.1', 'must not have leading 0s'],
    ['10.0.0.00', 'must not have leading 0s'],
    ['::ffff:10.0.0.1', 'must not be an IPv4-mapped IPv6 address'],
    ['0:0::1', 'must be in canonical form ("::1")'],
    ['2001:DB8::1', 'must be in canonical form ("2001:db8::1")'],
  ])('is not called %s', (name, fault) => {
    expect(faultsOf(IPAddressKind, { metadata: { name }, spec: { parentRef } })).toEqual([
      `metadata.name: Invalid value: "${name}": ${fault}`,
    ]);
  });

  it.each(['10.0.0.1', '0.0.0.0', '2001:db8::1'])('may be called %s', (name) => {
    expect(faultsOf(IPAddressKind, { metadata: { name }, spec: { parentRef } })).toEqual([]);
  });

  it.each<[string, object, string[]]>([
    ['no parent', {}, ['spec.parentRef: Required value']],
    [
      'an empty parent',
      { parentRef: {} },
      ['spec.parentRef.resource: Required value', 'spec.parentRef.name: Required value'],
    ],
    [
      'a parent that fits into no path',
      { parentRef: { group: '', resource: 'a/b', name: '.', namespace: 'a%' } },
      [
        'spec.parentRef.resource: Invalid value: "a/b": may not contain \'/\'',
        'spec.parentRef.name: Invalid value: ".": may not be \'.\'',
        'spec.parentRef.namespace: Invalid value: "a%": may not contain \'%\'',
      ],
    ],
    [
      'a parent of a wrong group',
      { parentRef: { ...parentRef, group: 'A' } },
      [
        "spec.parentRef.group: Invalid value: \"A\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
      ],
    ],
  ])('does not take %s', (_what, spec, faults) => {
    expect(faultsOf(IPAddressKind, { metadata: { name: '10.0.0.1' }, spec })).toEqual(faults);
  });

  it('stays with its parent', () => {
    const other = { resource: 'services', name: 'other' };
    expect(changeFaultsOf(IPAddressKind, { spec: { parentRef } }, { spec: { parentRef: other } })).toEqual([
      'spec.parentRef: Invalid value: {"resource":"services","name":"other"}: field is immutable',
    ]);
  });
});

const CIDR = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)';
const ZEROS = 'must not have leading 0s in IP or prefix length';

describe('a range of addresses', () => {
  it.each([
    ['10.0.0.0', CIDR],
    ['x/24', CIDR],
    ['10.0.0.0/33', CIDR],
    ['10.0.0.0/', CIDR],
    ['010.0.0.0/33', CIDR],
    ['010.0.0.0/24', ZEROS],
    ['10.0.0.0/08', ZEROS],
    ['::ffff:10.0.0.0/104', 'must not have an IPv4-mapped IPv6 address'],
    ['10.0.0.1/24', 'must not have bits set beyond the prefix length'],
    ['FD00::/64', 'must be in canonical form ("fd00::/64")'],
  ])('is not %s', (cidr, fault) => {
    expect(faultsOf(ServiceCIDRKind, { spec: { cidrs: [cidr] } })).toEqual([
      `spec.cidrs[0]: Invalid value: "${cidr}": ${fault}`,
    ]);
  });

  it.each<[string, object, string[]]>([
    ['none', {}, ['spec.cidrs: Required value: at least one CIDR required']],
    [
      'three',
      { cidrs: ['a', 'b', 'c'] },
      ['spec.cidrs: Invalid value: {"cidrs":["a","b","c"]}: may only hold up to 2 values'],
    ],
    [
      'two of one family',
      { cidrs: ['10.0.0.0/24', '10.1.0.0/24'] },
      [
        'spec.cidrs: Invalid value: ["10.0.0.0/24","10.1.0.0/24"]: may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64',
      ],
    ],
  ])('does not take %s', (_what, spec, faults) => {
    expect(faultsOf(ServiceCIDRKind, { spec })).toEqual(faults);
  });

  const change = (before: string[], after: string[]) =>
    changeFaultsOf(ServiceCIDRKind, { spec: { cidrs: before } }, { spec: { cidrs: after } });

  it('stays as it is', () => {
    expect(change(['10.0.0.0/24'], ['10.1.0.0/24'])).toEqual([
      'spec.cidrs[0]: Invalid value: "10.1.0.0/24": field is immutable',
    ]);
    expect(change(['10.0.0.0/24', 'fd00::/64'], ['10.0.0.0/24'])).toEqual([
      'spec.cidrs: Invalid value: ["10.0.0.0/24"]: field is immutable',
    ]);
  });

  it('may get one of the other family', () => {
    expect(change(['10.0.0.0/24'], ['10.0.0.0/24', 'fd00::/64'])).toEqual([]);
    expect(change(['10.0.0.0/24'], ['10.1.0.0/24', 'fd00::/64'])).toEqual([
      'spec.cidrs[0]: Invalid value: "10.1.0.0/24": field is immutable',
    ]);
  });
});
