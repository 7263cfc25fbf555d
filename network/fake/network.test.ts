import { expect, test } from 'vitest';
import { MemoryFiles } from '#machinery/files-memory.ts';
import { networkConformance, TEST_CONFIG } from '../conformance.ts';
import { FakeNetwork } from './network.ts';

networkConformance('the fake network', async () => {
  const files = new MemoryFiles();
  let namespaces = 0;
  return {
    network: new FakeNetwork(files),
    restart: () => new FakeNetwork(files),
    namespace: async () => `/proc/${++namespaces}/ns/net`,
    close: async () => {},
  };
});

test('a failure that was asked for comes once and changes nothing', async () => {
  const network = new FakeNetwork();
  await network.start(TEST_CONFIG);
  network.failNext('attach');
  await expect(network.attach('a', '/n')).rejects.toMatchObject({ code: 'Kernel' });
  expect((await network.attached()).size).toBe(0);
  expect((await network.attach('a', '/n')).addresses).toEqual(['10.244.0.2']);
});
