import { defineConfig } from 'vitest/config';

/** What drives the C programs hardest. */
const FILES = [
  'helper-client',
  'isolation',
  'native',
  'processes',
  'protocol',
  'survival',
  'unpacker*',
  'upgrade',
];

/** The tests of the runtime's C programs once more, with builds that abort at the first wrong access or overflow. */
export default defineConfig({
  test: {
    include: FILES.map((name) => `runtime/native/${name}.test.ts`),
    env: { SANITIZE: 'yes' },
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
