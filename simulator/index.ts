/**
 * `node simulator/index.ts --seed N [--steps M] [--replay]`: one run; a failure is made small and printed. With
 * --replay the run is repeated and must be the same.
 */
import { parseArgs } from 'node:util';
import { planFor, shrink, simulate, transcript } from './run.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    steps: { type: 'string', default: '60' },
    replay: { type: 'boolean', default: false },
  },
});
const seed = Number(values.seed);
const plan = planFor(seed, Number(values.steps));
const outcome = await simulate(seed, plan);
process.stdout.write(`seed ${seed}: ${outcome.revisions} revisions, ${outcome.hash}\n`);
if (values.replay) {
  const again = await simulate(seed, plan);
  process.stdout.write(again.hash === outcome.hash ? 'the same again\n' : `another run: ${again.hash}\n`);
  if (again.hash !== outcome.hash) process.exitCode = 1;
}
if (outcome.fault) {
  process.stdout.write(`${outcome.fault}\n${transcript(await shrink(outcome))}\n`);
  process.exitCode = 1;
}
