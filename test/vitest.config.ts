import { defineConfig } from 'vitest/config';
import { beginWith } from '#hack/suites/order.ts';

/** What takes a minute or more. */
const LONGEST = [
  'test/e2e/chaos.test.ts',
  'test/e2e/transcripts.test.ts',
  'test/clients/kubectl.test.ts',
  'test/e2e/managed-etcd.test.ts',
  'test/e2e/upgrade.test.ts',
  'test/e2e/join.test.ts',
  'test/e2e/servers.test.ts',
];

/**
 * Whole clusters in network namespaces of their own, two at a time: for half of it they wait, for probes, leases and elections.
 * Each test file has names of its own for all that it makes, and its waits are bounded.
 */
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/soak/**', 'test/machines/**'],
    pool: 'forks',
    maxWorkers: 2,
    sequence: { sequencer: beginWith(LONGEST) },
    testTimeout: 240_000,
    hookTimeout: 240_000,
  },
});
