import { expect, test } from 'vitest';
import { parseAddress } from '#machinery/values/cidr.ts';
import { announcement } from './announce.ts';

const MAC = '02:00:00:00:00:0a';

test('IPv4 is announced to everybody by an ARP request for the address itself, from it', () => {
  const frame = announcement(MAC, parseAddress('192.0.2.100')!);
  expect(frame).toHaveLength(60);
  expect(frame.subarray(0, 42).toString('hex')).toBe(
    [
      ...['ffffffffffff', '02000000000a', '0806'],
      ...['0001', '0800', '06', '04', '0001'],
      ...['02000000000a', 'c0000264', '000000000000', 'c0000264'],
    ].join(''),
  );
});

test('IPv6 is announced to all nodes by an advertisement that overrides what they know', () => {
  const frame = announcement(MAC, parseAddress('2001:db8::64')!);
  const own = '20010db8000000000000000000000064';
  const nodes = 'ff020000000000000000000000000001';
  expect(frame.toString('hex')).toBe(
    [
      ...['333300000001', '02000000000a', '86dd'],
      ...['60000000', '0020', '3a', 'ff', own, nodes],
      ...['88', '00', 'f85b', '20000000', own, '02', '01', '02000000000a'],
    ].join(''),
  );
});
