import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterSecondTry, type Outcome, SUITES, type Suite, worthSecondTry } from './suites.ts';

const USAGE = `hack/test [--quick | --full] [filter]

Runs everything from a fresh machine: tidy, types, lint, unit tests, conformance suites and e2e tests with real
kubectl and a real registry.

  --quick   all but the long soaks, under 30 minutes (default; what CI runs)
  --full    the soaks too, e2e once more on etcd, every alert, and virtual machines that join by cloud-config
  filter    only test files whose path contains it (the build is made all the same)

The last line reads "N passed, N failed, N skipped"; the reason of each skip stands above it.
`;

const MAX_LISTED = 40;
/** A machine that takes longer hangs: its tests take two to four minutes, and all of them, with --full, ten. */
const MACHINE_SECONDS = 1200;

const none = (failures: string[] = []): Outcome => ({
  ...{ passed: [], failures, skips: [], flaky: [], failedFiles: [] },
});

async function main(args: string[]): Promise<number> {
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(USAGE);
    return 0;
  }
  const full = args.includes('--full');
  // Tests with a long variant look for this.
  if (full) process.env['GANTRY_FULL'] = '1';
  const filter = args.filter((arg) => !arg.startsWith('--'));
  const total = none();
  const add = (outcome: Outcome) => {
    total.passed.push(...outcome.passed);
    total.failures.push(...outcome.failures);
    total.skips.push(...outcome.skips);
    total.flaky.push(...outcome.flaky);
  };
  const besides: Promise<Told>[] = [];
  const tellBesides = async () => {
    for (const { text, outcome } of await Promise.all(besides.splice(0))) {
      process.stdout.write(text);
      add(outcome);
    }
  };
  for (const suite of SUITES) {
    if (suite.kind === 'vitest' && suite.full && !full) continue;
    if (suite.kind === 'command' && !suite.gate && filter.length > 0) continue;
    if (suite.kind === 'vitest' && suite.beside) {
      console.log(`\n== ${suite.name}: begins, and is told at its end`);
      besides.push(runBeside(suite, filter));
      continue;
    }
    const outcome = await run(suite, filter);
    add(outcome);
    if (suite.kind === 'command' && suite.gate && outcome.failures.length > 0) break;
    await tellBesides();
  }
  await tellBesides();
  summarize(total);
  return total.failures.length > 0 || total.passed.length === 0 ? 1 : 0;
}

async function run(suite: Suite, filter: string[]): Promise<Outcome> {
  console.log(`\n== ${suite.name}`);
  const started = performance.now();
  const outcome =
    suite.kind === 'command' ? await runCommand(suite) : await runTwiceAtMost(suite, filter, 'inherit');
  console.log(endOf(suite, outcome, started));
  return outcome;
}

/** What a suite printed while others had the terminal, and what it found. */
interface Told {
  text: string;
  outcome: Outcome;
}

async function runBeside(suite: Suite & { kind: 'vitest' }, filter: string[]): Promise<Told> {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-test-'));
  const path = join(directory, 'output');
  const output = openSync(path, 'a');
  try {
    const started = performance.now();
    const outcome = await runTwiceAtMost(suite, filter, output);
    const printed = readFileSync(path, 'utf8');
    return { text: `\n== ${suite.name}\n${printed}${endOf(suite, outcome, started)}\n`, outcome };
  } finally {
    closeSync(output);
    rmSync(directory, { recursive: true, force: true });
  }
}

function endOf({ name }: Suite, { failures }: Outcome, started: number): string {
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  return `== ${name}: ${failures.length === 0 ? 'ok' : 'FAILED'} in ${seconds} s`;
}

async function runCommand(suite: Suite & { kind: 'command' }): Promise<Outcome> {
  const [command, ...args] = suite.command;
  const ok = (await runProgram(command!, args, 'inherit')) === 0;
  return ok ? { ...none(), passed: [suite.name] } : none([suite.name]);
}

/**
 * On shared CI machines a file that failed is run once more, from scratch, so that what the first try left behind cannot
 * make it fail again. The summary names what passed only then.
 */
async function runTwiceAtMost(
  suite: Suite & { kind: 'vitest' },
  filter: string[],
  output: Output,
): Promise<Outcome> {
  const outcome = await runVitest(suite, filter, output);
  const files = process.env['CI'] ? worthSecondTry(outcome) : [];
  if (files.length === 0) return outcome;
  const line = `\n== ${suite.name}: a second try of ${files.join(', ')}\n`;
  writeSync(output === 'inherit' ? process.stdout.fd : output, line);
  return afterSecondTry(outcome, await runVitest(suite, [...files], output));
}

async function runVitest(
  suite: Suite & { kind: 'vitest' },
  filter: string[],
  output: Output,
): Promise<Outcome> {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-test-'));
  const path = join(directory, 'outcome.json');
  try {
    const reporters = ['--reporter=default', '--reporter=./hack/suites/reporter.ts', '--passWithNoTests'];
    const args = ['run', ...suite.args, ...reporters, ...filter];
    const code = suite.machine
      ? await runProgram('hack/vms', [...inMachine(directory), ...args], output)
      : await runProgram('vitest', args, output, { ...suite.env, GANTRY_OUTCOME: path });
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

/** Where a program's output goes: the terminal, or an open file. */
type Output = 'inherit' | number;

/** Its exit code; 1 when it could not be started or was killed. */
function runProgram(
  command: string,
  args: string[],
  output: Output,
  env: Record<string, string> = {},
): Promise<number> {
  const path = [join(process.cwd(), 'node_modules', '.bin'), process.env['PATH'], '/usr/sbin', '/sbin'].join(
    delimiter,
  );
  const child = spawn(command, args, {
    stdio: ['inherit', output, output],
    env: { ...process.env, PATH: path, ...env },
  });
  return new Promise((resolve) => {
    child.on('error', (error) => {
      console.error(`${command}: ${error.message}`);
      resolve(1);
    });
    child.on('close', (code) => resolve(code ?? 1));
  });
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

process.exitCode = await main(process.argv.slice(2));
