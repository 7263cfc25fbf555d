/** What a suite found. `failures`, `skips` and `flaky` name each test, with the reason. */
export interface Outcome {
  passed: number;
  failures: string[];
  skips: string[];
  /** Passed, but only at the second try. */
  flaky: string[];
}

/**
 * One step of `hack/test`. A `command` suite passes or fails as a whole; a `vitest` suite counts its tests. `gate`: what
 * follows makes no sense when it fails.
 */
export type Suite =
  | { name: string; kind: 'command'; command: string[]; gate?: true }
  | { name: string; kind: 'vitest'; args: string[]; full?: true };

/** In order: the cheap ones first, so that a mistake is told within seconds. */
export const SUITES: readonly Suite[] = [
  { name: 'generate', kind: 'command', command: ['node', 'hack/generate/index.ts'], gate: true },
  { name: 'types', kind: 'command', command: ['tsc'], gate: true },
  { name: 'build', kind: 'command', command: ['node', 'hack/build.ts'], gate: true },
  { name: 'lint', kind: 'command', command: ['biome', 'check', '.'] },
  { name: 'tidy', kind: 'command', command: ['node', 'hack/tidy/index.ts'] },
  { name: 'unit and conformance', kind: 'vitest', args: ['--config', 'vitest.config.ts'] },
  { name: 'e2e', kind: 'vitest', args: ['--config', 'test/vitest.config.ts'] },
  {
    name: 'soak',
    kind: 'vitest',
    args: ['--config', 'test/vitest.soak.config.ts', '--passWithNoTests'],
    full: true,
  },
];
