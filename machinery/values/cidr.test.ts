import { describe, expect, test } from 'vitest';
import {
  addressBytes,
  addressIndex,
  addressOfBytes,
  canonicalAddress,
  canonicalCidr,
  cidrContains,
  cidrSize,
  cidrsOverlap,
  formatAddress,
  formatCidr,
  nthAddress,
  nthSubnet,
  parseAddress,
  parseCidr,
} from './cidr.ts';

describe('addresses', () => {
  test.each([
    ['10.0.0.1', '10.0.0.1'],
    ['255.255.255.255', '255.255.255.255'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['::ffff:10.0.0.1', '::ffff:10.0.0.1'],
    ['fd00:0:0:0:0:0:0:0', 'fd00::'],
    ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
  ])('%s is written %s', (text, canonical) => {
    expect(canonicalAddress(text)).toBe(canonical);
    expect(formatAddress(addressOfBytes(addressBytes(parseAddress(text)!)))).toBe(canonical);
  });

  test.each([
    '',
    '1.2.3',
    '1.2.3.256',
    '01.2.3.4',
    '1.2.3.4.5',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '12345::',
    '::g',
    '1:2:3:4:5:6:7:8::',
    'fe80::1%eth0',
    '1.2.3.4::',
  ])('%j is refused', (text) => expect(parseAddress(text)).toBeUndefined());
});

describe('prefixes', () => {
  test('host bits are cleared', () => {
    expect(canonicalCidr('10.1.2.3/16')).toBe('10.1.0.0/16');
    expect(canonicalCidr('fd00::1/64')).toBe('fd00::/64');
    expect(canonicalCidr('0.0.0.0/0')).toBe('0.0.0.0/0');
  });

  test.each(['10.0.0.0', '10.0.0.0/33', '10.0.0.0/', '10.0.0.0/08', '::/129', 'x/8'])(
    '%j is refused',
    (text) => expect(parseCidr(text)).toBeUndefined(),
  );

  test('holds its addresses and smaller prefixes, of its own family only', () => {
    const ten = parseCidr('10.0.0.0/8')!;
    expect(cidrContains(ten, parseAddress('10.255.0.1')!)).toBe(true);
    expect(cidrContains(ten, parseAddress('11.0.0.0')!)).toBe(false);
    expect(cidrContains(ten, parseAddress('::a00:1')!)).toBe(false);
    expect(cidrContains(ten, parseCidr('10.2.0.0/16')!)).toBe(true);
    expect(cidrContains(parseCidr('10.2.0.0/16')!, ten)).toBe(false);
    expect(cidrsOverlap(parseCidr('10.2.0.0/16')!, ten)).toBe(true);
    expect(cidrsOverlap(parseCidr('11.0.0.0/8')!, ten)).toBe(false);
  });

  test('counts addresses and blocks', () => {
    const pods = parseCidr('10.244.0.0/16')!;
    expect(cidrSize(pods)).toBe(65536n);
    expect(formatAddress(nthAddress(pods, 257)!)).toBe('10.244.1.1');
    expect(nthAddress(pods, 65536)).toBeUndefined();
    expect(addressIndex(pods, parseAddress('10.244.1.1')!)).toBe(257n);
    expect(formatCidr(nthSubnet(pods, 24, 3)!)).toBe('10.244.3.0/24');
    expect(nthSubnet(pods, 24, 256)).toBeUndefined();
    expect(formatAddress(nthAddress(parseCidr('fd00::/64')!, 2n ** 63n)!)).toBe('fd00::8000:0:0:0');
  });
});
