import { defineConfig } from 'vitest/config';

/** Whole clusters in network namespaces of their own: one at a time, with long waits bounded in the tests themselves. */
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/soak/**', 'test/machines/**'],
    pool: 'forks',
    maxWorkers: 1,
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 240_000,
  },
});
