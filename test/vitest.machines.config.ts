import { defineConfig } from 'vitest/config';

/** Clusters of virtual machines, only with hack/test --full: a processor that is only imagined takes ten times as long. */
export default defineConfig({
  test: {
    include: ['test/machines/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 1,
    testTimeout: 900_000,
    hookTimeout: 1_200_000,
  },
});
