import { runFuzzer } from './run.ts';
import { SEEDS, type Target } from './seeds.ts';

/** `make -C runtime/helper fuzz SECONDS=600`: each target that long, one after another, with another seed each time. */
const seconds = Number(process.argv[2] ?? 60);
for (const target of Object.keys(SEEDS) as Target[]) {
  const { ok, runs, coverage, output } = await runFuzzer(target, seconds, 0);
  console.log(`${target}: ${ok ? 'nothing found' : 'FAILED'}, ${runs} inputs, ${coverage} places reached`);
  if (ok) continue;
  console.log(output);
  process.exitCode = 1;
}
