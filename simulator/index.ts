/**
 * `node simulator/index.ts --seed N [--steps M] [--replay]`: one run; a failure is made small and told. With --replay the
 * run is repeated and must be the same. `--seeds A..B`: many runs and a summary. `--store sqlite`: on the embedded store
 * instead of memory.
 */
import { parseArgs } from 'node:util';
import { type Outcome, planFor, type SimulateOptions, shrink, simulate, transcript } from './run.ts';
import { SqliteWithoutThread } from './sqlite-store.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string' },
    steps: { type: 'string', default: '60' },
    replay: { type: 'boolean', default: false },
    store: { type: 'string', default: 'memory' },
  },
});
const steps = Number(values.steps);
if (values.store !== 'memory' && values.store !== 'sqlite') throw new Error('--store is memory or sqlite');
const options: SimulateOptions =
  values.store === 'sqlite' ? { store: (clock) => new SqliteWithoutThread(clock) } : {};
const run = (seed: number) => simulate(seed, planFor(seed, steps), options);
const say = (line: string) => process.stdout.write(`${line}\n`);

async function one(seed: number): Promise<void> {
  const outcome = await run(seed);
  say(`seed ${seed}: ${outcome.revisions} revisions, ${outcome.hash}`);
  if (values.replay) {
    const again = await run(seed);
    say(again.hash === outcome.hash ? 'the same again' : `another run: ${again.hash}`);
    if (again.hash !== outcome.hash) process.exitCode = 1;
  }
  if (!outcome.fault) return;
  process.exitCode = 1;
  say(outcome.fault);
  say(transcript(await shrink(outcome, options)));
}

async function many(from: number, to: number): Promise<void> {
  const failed: Outcome[] = [];
  for (let seed = from; seed <= to; seed++) {
    const outcome = await run(seed);
    if (!outcome.fault) continue;
    failed.push(outcome);
    say(`seed ${seed}: ${outcome.fault}`);
  }
  say(`${to - from + 1} seeds, ${failed.length} failed`);
  if (failed.length > 0) process.exitCode = 1;
}

const range = /^(\d+)\.\.(\d+)$/.exec(values.seeds ?? '');
if (values.seeds !== undefined && !range) throw new Error('--seeds is written as 1..100');
if (range) await many(Number(range[1]), Number(range[2]));
else await one(Number(values.seed));
