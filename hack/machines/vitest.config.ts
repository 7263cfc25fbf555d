import { defineConfig } from 'vitest/config';

/** What depends most on the kernel. A processor that is only imagined takes ten times as long: the rest is for --full. */
const FIRST = [
  ...[
    'apparmor',
    'native',
    'isolation',
    'limits',
    'processes',
    'propagation',
    'survival',
    'sweep',
    'user-namespace',
  ],
].map((name) => `runtime/native/${name}.test.ts`);

/** Tests of the runtime as they run in the machine of hack/vms, one after the other. */
export default defineConfig({
  test: {
    root: '.',
    include: [
      'hack/machines/kernel.test.ts',
      ...(process.env['GANTRY_FULL'] ? ['runtime/native/**/*.test.ts'] : FIRST),
    ],
    // It starts hundreds of Node processes, of which one or two die by SIGSEGV or SIGTRAP in an emulated processor.
    exclude: ['runtime/native/kills.test.ts'],
    pool: 'forks',
    maxWorkers: 1,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
