import { defineConfig } from 'vitest/config';
import { beginWith } from './hack/suites/order.ts';

/** What takes ten seconds or more. */
const LONGEST = [
  'hack/fuzz/fuzz.test.ts',
  'hack/hosts-lab/hosts.test.ts',
  'network/peers/native.test.ts',
  'runtime/native/oci.test.ts',
  'runtime/native/kills.test.ts',
  'store/etcd/faults.test.ts',
  'store/sqlite/damage.test.ts',
  'store/sqlite/crash.test.ts',
  'network/attacks.test.ts',
  'simulator/simulator.test.ts',
  'store/sqlite/power-cut.test.ts',
  'runtime/native/execs.test.ts',
  'apiserver/http/limits.test.ts',
  'apiserver/tunnel/node-link.test.ts',
  'cmd/gantry/managed-etcd/run.test.ts',
  'store/sqlite/disk-faults.test.ts',
];

/** Rooms of which no module keeps anything but what it has made out of constants: their test files can share workers. */
const PURE = ['api', 'machinery', 'client', 'controllers', 'scheduler', 'oci', 'apiserver'];
const pure = PURE.map((room) => `${room}/**/*.test.ts`);

/** Unit tests sit beside the source they test; what crosses rooms lives in test/ and has its own runner. */
export default defineConfig({
  test: {
    globalSetup: ['hack/generate/global-setup.ts'],
    pool: 'forks',
    maxWorkers: 2,
    sequence: { sequencer: beginWith(LONGEST) },
    testTimeout: 20_000,
    // Some build programs or several nodes.
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'kernel',
          include: ['**/*.test.ts'],
          exclude: ['node_modules/**', 'dist/**', 'test/**', ...pure],
        },
      },
      // To begin a process and load the same modules once more for each file costs as much as its tests.
      { extends: true, test: { name: 'pure', include: pure, isolate: false } },
    ],
  },
});
