import { defineConfig } from 'vitest/config';

/** Unit tests sit beside the source they test; what crosses rooms lives in test/ and has its own runner. */
export default defineConfig({
  test: {
    include: ['**/*.test.ts'],
    exclude: ['node_modules/**', 'dist/**', 'test/**'],
    globalSetup: ['hack/generate/global-setup.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 20_000,
  },
});
