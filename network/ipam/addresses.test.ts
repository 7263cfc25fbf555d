import { expect, test } from 'vitest';
import { MemoryFiles } from '#machinery/files-memory.ts';
import { Addresses, gatewayOf } from './addresses.ts';

const open = (files: MemoryFiles, ...blocks: string[]) => Addresses.open(files, '/state/addresses', blocks);
const first = async (addresses: Addresses, sandbox: string) =>
  (await addresses.lease(sandbox, '/proc/1/ns/net')).addresses[0];

test('addresses start after the gateway and stay with their sandbox', async () => {
  const addresses = await open(new MemoryFiles(), '10.244.0.0/24', 'fd00::/64');
  expect(gatewayOf('10.244.0.0/24')).toBe('10.244.0.1');
  expect((await addresses.lease('a', '/n')).addresses).toEqual(['10.244.0.2', 'fd00::2']);
  expect((await addresses.lease('a', '/other')).addresses).toEqual(['10.244.0.2', 'fd00::2']);
  expect(addresses.all().get('a')?.networkNamespace).toBe('/other');
});

test('a full block says so, and a release makes room', async () => {
  const addresses = await open(new MemoryFiles(), '10.244.0.0/29');
  for (const name of ['a', 'b', 'c', 'd', 'e']) await first(addresses, name);
  await expect(addresses.lease('f', '/n')).rejects.toMatchObject({ code: 'Exhausted' });
  await addresses.release('c');
  expect(await first(addresses, 'f')).toBe('10.244.0.4');
});

test('a released address is used again only after all others, also after a restart', async () => {
  const files = new MemoryFiles();
  const before = await open(files, '10.244.0.0/29');
  await first(before, 'a');
  await first(before, 'b');
  await before.release('a');
  const after = await open(files, '10.244.0.0/29');
  expect([await first(after, 'c'), await first(after, 'd'), await first(after, 'e')]).toEqual([
    '10.244.0.4',
    '10.244.0.5',
    '10.244.0.6',
  ]);
  expect(await first(after, 'f')).toBe('10.244.0.2');
});

test('an address that could not be written down is not held', async () => {
  const files = new MemoryFiles();
  const addresses = await open(files, '10.244.0.0/30');
  files.failNext('write', 'ENOSPC');
  await expect(addresses.lease('a', '/n')).rejects.toMatchObject({ code: 'ENOSPC' });
  expect(addresses.all().size).toBe(0);
  expect(await first(addresses, 'b')).toBe('10.244.0.2');
});

test('two leases at the same time get different addresses', async () => {
  const addresses = await open(new MemoryFiles(), '10.244.0.0/24');
  const both = await Promise.all([first(addresses, 'a'), first(addresses, 'b')]);
  expect(new Set(both).size).toBe(2);
});

test('names that would leave the directory and damaged records are refused', async () => {
  const files = new MemoryFiles();
  const addresses = await open(files, '10.244.0.0/24');
  await expect(addresses.lease('../x', '/n')).rejects.toMatchObject({ code: 'InvalidConfig' });
  await files.write('/state/addresses/bad', '{');
  await expect(open(files, '10.244.0.0/24')).rejects.toThrow('/state/addresses/bad is damaged');
});
