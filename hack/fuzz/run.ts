import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Target, writeSeeds } from './seeds.ts';

const ROOT = join(import.meta.dirname, '../..');
export const FUZZ_DIRECTORY = join(ROOT, 'dist/fuzz');

export interface FuzzResult {
  ok: boolean;
  /** Inputs tried. */
  runs: number;
  /** Places of the program that were reached, as libFuzzer counts them. */
  coverage: number;
  /** What the fuzzer wrote, its end. */
  output: string;
}

const MAX_OUTPUT = 20_000;

/** Runs a target built by `make fuzzers`, from its seeds and what earlier runs have found. */
export async function runFuzzer(target: Target, seconds: number, seed = 1): Promise<FuzzResult> {
  const corpus = join(FUZZ_DIRECTORY, 'corpus', target);
  const seeds = join(FUZZ_DIRECTORY, 'seeds', target);
  mkdirSync(corpus, { recursive: true });
  writeSeeds(target, seeds);
  const flags = {
    max_total_time: seconds,
    seed,
    max_len: 65_536,
    timeout: 10,
    rss_limit_mb: 1024,
    artifact_prefix: `${FUZZ_DIRECTORY}/${target}-`,
    print_final_stats: 1,
  };
  const options = Object.entries(flags).map(([name, value]) => `-${name}=${value}`);
  const child = spawn(join(FUZZ_DIRECTORY, target), [corpus, seeds, ...options], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let output = '';
  child.stderr.on('data', (chunk: Buffer) => {
    output = (output + chunk).slice(-MAX_OUTPUT);
  });
  const [code] = (await once(child, 'close')) as [number | null];
  const coverage = [...output.matchAll(/cov: (\d+)/g)].at(-1)?.[1];
  const runs = /number_of_executed_units: (\d+)/.exec(output)?.[1];
  return { ok: code === 0, runs: Number(runs ?? 0), coverage: Number(coverage ?? 0), output };
}
