import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { runFuzzer } from './run.ts';
import type { Target } from './seeds.ts';

const HELPER = join(import.meta.dirname, '../../runtime/helper');

/** A few seconds of each here; `make -C runtime/helper fuzz SECONDS=600` by hand. */
const SECONDS = 8;
/** A machine with much else to do gets less done in that time: so often again, from what was found before. */
const ROUNDS = 4;

/** Less than this and the seeds or the target no longer reach what they are for. */
const LEAST_COVERAGE: Record<Target, number> = { tar: 180, frame: 350, netlink: 40 };

const missing = [
  '/usr/bin/clang',
  '/usr/lib/llvm-14/lib/clang/14.0.6/lib/linux/libclang_rt.fuzzer-x86_64.a',
].find((path) => !existsSync(path));

test('gcc finds nothing wrong in the programs by itself', { timeout: 120_000 }, () => {
  execFileSync('make', ['-s', '-C', HELPER, 'analyse'], { stdio: 'pipe' });
});

describe.skipIf(missing !== undefined)(`any bytes (${missing ? `needs ${missing}` : 'libFuzzer'})`, () => {
  beforeAll(() => {
    execFileSync('make', ['-s', '-C', HELPER, 'fuzzers'], { stdio: 'pipe' });
  }, 120_000);

  test.each(['tar', 'frame', 'netlink'] as const)(
    'given to %s break nothing',
    async (target) => {
      let [runs, coverage] = [0, 0];
      for (let round = 1; round <= ROUNDS && coverage <= LEAST_COVERAGE[target]; round++) {
        const found = await runFuzzer(target, SECONDS, round);
        expect(found.ok, found.output).toBe(true);
        runs += found.runs;
        coverage = found.coverage;
      }
      expect(runs).toBeGreaterThan(1000);
      expect(coverage).toBeGreaterThan(LEAST_COVERAGE[target]);
    },
    60_000,
  );
});
