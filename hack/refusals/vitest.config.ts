import { relative } from 'node:path';
import { defineConfig, type Plugin } from 'vitest/config';
import { isJudging, withMarks } from './sites.ts';

const root = new URL('../..', import.meta.url).pathname;

const marks: Plugin = {
  name: 'refusals',
  enforce: 'pre',
  transform(code, id) {
    const path = relative(root, id);
    return isJudging(path) ? { code: withMarks(path, code), map: null } : undefined;
  },
};

/** The tests of validation, with every refusal noted. */
export default defineConfig({
  root,
  plugins: [marks],
  test: {
    include: ['api/**/*.test.ts'],
    globalSetup: ['hack/generate/global-setup.ts'],
    setupFiles: ['hack/refusals/setup.ts'],
    pool: 'forks',
    maxWorkers: 2,
    isolate: false,
    testTimeout: 20_000,
  },
});
