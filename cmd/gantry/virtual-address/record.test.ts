import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemFiles } from '#machinery/files.ts';
import type { AddressKernel } from '#network/virtual-address/kernel.ts';
import { type Paths, pathsOf } from '../paths.ts';
import { readVirtualAddresses, takeOff, virtualUrl, writeVirtualAddresses } from './record.ts';

let paths: Paths;
beforeEach(() => {
  paths = pathsOf(mkdtempSync(join(tmpdir(), 'gantry-record-')));
});
afterEach(() => rmSync(paths.root, { recursive: true, force: true }));
const write = (...addresses: string[]) =>
  writeVirtualAddresses(
    systemFiles(),
    paths,
    addresses.map((address) => ({ address })),
  );

test('others are told of the first virtual address, at the port of the server', async () => {
  expect(virtualUrl(paths, 'https://127.0.0.1:7443')).toBeUndefined();
  await write('2001:db8::64', '192.0.2.100');
  expect(virtualUrl(paths, 'https://127.0.0.1:7443')).toBe('https://[2001:db8::64]:7443');
  await write();
  expect(readVirtualAddresses(paths)).toEqual([]);
});

test('what a killed server left is taken off, and nothing that is not there', async () => {
  const done: string[] = [];
  const kernel = {
    link: async (name: string) => ({ name, index: 1, mac: '' }),
    release: async ({ name }: { name: string }, address: string) => void done.push(`${address} ${name}`),
  } as unknown as AddressKernel;
  // Every machine has the one, and none the other.
  await write('127.0.0.1', '192.0.2.254');
  await takeOff(paths, kernel);
  expect(done).toEqual(['127.0.0.1 lo']);
});
