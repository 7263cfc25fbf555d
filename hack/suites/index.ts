import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterSecondTry, type Outcome, SUITES, type Suite, worthSecondTry } from './suites.ts';

const USAGE = `hack/test [--quick | --full] [filter]

Runs everything from a fresh machine: tidy, types, lint, unit tests, conformance suites and e2e tests with real
kubectl and a real registry.

  --quick   all but the long soaks, under 30 minutes (default; what CI runs)
  --full    the soaks too, e2e once more on etcd, and virtual machines that join by cloud-config
  filter    only test files whose path contains it (the build is made all the same)

The last line reads "N passed, N failed, N skipped"; the reason of each skip stands above it.
`;

const MAX_LISTED = 40;
/** A machine that takes longer hangs: its tests take two to four minutes, and all of them, with --full, ten. */
const MACHINE_SECONDS = 1200;

const none = (failures: string[] = []): Outcome => ({
  ...{ passed: [], failures, skips: [], flaky: [], failedFiles: [] },
});

function main(args: string[]): number {
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(USAGE);
    return 0;
  }
  const full = args.includes('--full');
  // Tests with a long variant look for this.
  if (full) process.env['GANTRY_FULL'] = '1';
  const filter = args.filter((arg) => !arg.startsWith('--'));
  const total = none();
  for (const suite of SUITES) {
    if (suite.kind === 'vitest' && suite.full && !full) continue;
    if (suite.kind === 'command' && !suite.gate && filter.length > 0) continue;
    const outcome = run(suite, filter);
    total.passed.push(...outcome.passed);
    total.failures.push(...outcome.failures);
    total.skips.push(...outcome.skips);
    total.flaky.push(...outcome.flaky);
    if (suite.kind === 'command' && suite.gate && outcome.failures.length > 0) break;
  }
  summarize(total);
  return total.failures.length > 0 || total.passed.length === 0 ? 1 : 0;
}

function run(suite: Suite, filter: string[]): Outcome {
  console.log(`\n== ${suite.name}`);
  const started = performance.now();
  const outcome = suite.kind === 'command' ? runCommand(suite) : runTwiceAtMost(suite, filter);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`== ${suite.name}: ${outcome.failures.length === 0 ? 'ok' : 'FAILED'} in ${seconds} s`);
  return outcome;
}

function runCommand(suite: Suite & { kind: 'command' }): Outcome {
  const [command, ...args] = suite.command;
  const ok = spawn(command!, args, {}) === 0;
  return ok ? { ...none(), passed: [suite.name] } : none([suite.name]);
}

/**
 * On shared CI machines a file that failed is run once more, from scratch, so that what the first try left behind cannot
 * make it fail again. The summary names what passed only then.
 */
function runTwiceAtMost(suite: Suite & { kind: 'vitest' }, filter: string[]): Outcome {
  const outcome = runVitest(suite, filter);
  const files = process.env['CI'] ? worthSecondTry(outcome) : [];
  if (files.length === 0) return outcome;
  console.log(`\n== ${suite.name}: a second try of ${files.join(', ')}`);
  return afterSecondTry(outcome, runVitest(suite, [...files]));
}

function runVitest(suite: Suite & { kind: 'vitest' }, filter: string[]): Outcome {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-test-'));
  const path = join(directory, 'outcome.json');
  try {
    const reporters = ['--reporter=default', '--reporter=./hack/suites/reporter.ts', '--passWithNoTests'];
    const args = ['run', ...suite.args, ...reporters, ...filter];
    const code = suite.machine
      ? spawn('hack/vms', [...inMachine(directory), ...args], {})
      : spawn('vitest', args, { ...suite.env, GANTRY_OUTCOME: path });
    const outcome = JSON.parse(readFileSync(path, 'utf8')) as Outcome;
    if (code !== 0 && outcome.failures.length === 0)
      outcome.failures.push(`${suite.name}: vitest ended with ${code}`);
    return outcome;
  } catch (error) {
    return none([`${suite.name}: no outcome: ${(error as Error).message}`]);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** vitest in a virtual machine, where what it leaves in /out comes to `directory`. */
function inMachine(directory: string): string[] {
  const full = process.env['GANTRY_FULL'] ? ['GANTRY_FULL=1'] : [];
  return [
    ...['run', '--timeout', String(MACHINE_SECONDS), '--out', directory, '--'],
    ...['env', 'GANTRY_OUTCOME=/out/outcome.json', ...full, 'node', 'node_modules/vitest/vitest.mjs'],
  ];
}

function spawn(command: string, args: string[], env: Record<string, string>): number {
  const path = [join(process.cwd(), 'node_modules', '.bin'), process.env['PATH'], '/usr/sbin', '/sbin'].join(
    delimiter,
  );
  const result = spawnSync(command, args, { stdio: 'inherit', env: { ...process.env, PATH: path, ...env } });
  if (result.error) console.error(`${command}: ${result.error.message}`);
  return result.status ?? 1;
}

function summarize({ passed, failures, skips, flaky }: Outcome): void {
  console.log('');
  for (const skip of skips.slice(0, MAX_LISTED)) console.log(`skipped  ${skip}`);
  if (skips.length > MAX_LISTED) console.log(`skipped  ... and ${skips.length - MAX_LISTED} more`);
  for (const name of flaky) console.log(`flaky    ${name}: passed at the second try`);
  for (const failure of failures) console.log(`FAILED   ${failure}`);
  console.log(
    `${passed.length} passed, ${failures.length} failed${skips.length > 0 ? `, ${skips.length} skipped` : ''}`,
  );
}

process.exitCode = main(process.argv.slice(2));
