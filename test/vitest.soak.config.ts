import { defineConfig } from 'vitest/config';

/** Long runs, only with hack/test --full. */
export default defineConfig({
  test: {
    include: ['test/soak/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 1,
    testTimeout: 3_600_000,
    hookTimeout: 240_000,
  },
});
