/** What a suite found: the names of tests, in `skips` with the reason. */
export interface Outcome {
  passed: string[];
  failures: string[];
  skips: string[];
  /** Passed, but only at the second try. */
  flaky: string[];
  /** Test files in which something failed. */
  failedFiles: string[];
}

/** More files than this that fail are no accident of a noisy machine. */
const MAX_SECOND_TRIES = 3;

/** Test files that are worth a second try, each from scratch: none when too many failed, or when it was no file's fault. */
export function worthSecondTry({ failures, failedFiles }: Outcome): readonly string[] {
  const told = failures.every((failure) => failedFiles.some((file) => failure.startsWith(`${file}: `)));
  return told && failedFiles.length <= MAX_SECOND_TRIES ? failedFiles : [];
}

/** The outcome when the failed files of `first` were run again: of their tests the second run counts. */
export function afterSecondTry(first: Outcome, second: Outcome): Outcome {
  const elsewhere = (name: string) => !first.failedFiles.some((file) => name.startsWith(`${file}: `));
  const failedAgain = new Set(second.failures);
  return {
    passed: [...first.passed.filter(elsewhere), ...second.passed],
    failures: second.failures,
    skips: [...first.skips.filter(elsewhere), ...second.skips],
    flaky: [...first.flaky, ...first.failures.filter((failure) => !failedAgain.has(failure))],
    failedFiles: second.failedFiles,
  };
}

/**
 * One step of `hack/test`. A `command` suite passes or fails as a whole; a `vitest` suite counts its tests. `gate`: what
 * follows makes no sense when it fails; `machine`: runs in a virtual machine with another kernel (hack/vms); `beside`: runs
 * at the same time as the suite that follows.
 */
export type Suite =
  | { name: string; kind: 'command'; command: string[]; gate?: true }
  | {
      name: string;
      kind: 'vitest';
      args: string[];
      env?: Record<string, string>;
      full?: true;
      machine?: true;
      beside?: true;
    };

/** In order: the cheap ones first, so that a mistake is told within seconds. */
export const SUITES: readonly Suite[] = [
  { name: 'generate', kind: 'command', command: ['node', 'hack/generate/index.ts'], gate: true },
  { name: 'types', kind: 'command', command: ['tsc'], gate: true },
  { name: 'build', kind: 'command', command: ['node', 'hack/build.ts'], gate: true },
  { name: 'lint', kind: 'command', command: ['biome', 'check', '.'] },
  { name: 'tidy', kind: 'command', command: ['node', 'hack/tidy/index.ts'] },
  { name: 'unit and conformance', kind: 'vitest', args: ['--config', 'vitest.config.ts'] },
  { name: 'runtime, sanitized', kind: 'vitest', args: ['--config', 'test/vitest.sanitize.config.ts'] },
  {
    name: 'runtime on cgroup v2 and Debian\u2019s kernel',
    kind: 'vitest',
    args: ['--config', 'hack/machines/vitest.config.ts'],
    machine: true,
    beside: true,
  },
  { name: 'e2e', kind: 'vitest', args: ['--config', 'test/vitest.config.ts'] },
  {
    name: 'e2e on etcd',
    kind: 'vitest',
    args: ['--config', 'test/vitest.config.ts', 'test/e2e'],
    env: { GANTRY_E2E_STORE: 'etcd' },
    full: true,
  },
  {
    name: 'virtual machines that join by cloud-config',
    kind: 'vitest',
    args: ['--config', 'test/vitest.machines.config.ts'],
    full: true,
  },
  {
    name: 'soak',
    kind: 'vitest',
    args: ['--config', 'test/vitest.soak.config.ts', '--passWithNoTests'],
    full: true,
  },
];
