/**
 * What a Prometheus would make of real metrics: some scrapes of a server are gone on with as they began, and promtool, Prometheus's own
 * judge of rules, says which alerts fire at the end. Source: Prometheus, "Unit testing for rules".
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { run } from './run.ts';

/** What was told at a moment, by series: `name{labels}`. */
export interface Scrape {
  atMs: number;
  series: ReadonlyMap<string, number>;
}

/** Of the rules; and how long the series are, longer than any alert waits. */
const EVERY_S = 15;
const LENGTH_S = 45 * 60;
const SAMPLES = LENGTH_S / EVERY_S;

/** Why rules cannot be judged here. */
export function whyNoPromtool(): string | undefined {
  try {
    execFileSync('promtool', ['--version'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'needs promtool, of Debian\u2019s prometheus';
  }
}

/** The series of a text in Prometheus's format whose metrics are wanted, with the labels that a scrape adds. */
export function seriesOf(text: string, wanted: ReadonlySet<string>, labels: string): Map<string, number> {
  const found = new Map<string, number>();
  for (const [, name, own, value] of text.matchAll(/^([a-zA-Z_:]\w*)(?:\{(.*)\})? (\S+)$/gm)) {
    const number = Number(value);
    if (wanted.has(name!) && Number.isFinite(number))
      found.set(`${name}{${[own, labels].filter(Boolean).join()}}`, number);
  }
  return found;
}

/** The metrics that rules look at. */
export function metricsOf(rules: string): Set<string> {
  return new Set([...rules.matchAll(/\b([a-z_]+)\{job=/g)].map(([, name]) => name!));
}

/** The alerts that fire in the end, when all goes on for long as it did between two scrapes. */
export async function firing(rules: string, before: Scrape, after: Scrape): Promise<string[]> {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-rules-'));
  try {
    const file = join(directory, 'test.yaml');
    writeFileSync(file, rulesTest(rules, before, after));
    const { code, stdout, stderr } = await run('promtool', ['test', 'rules', file]);
    if (code === 0) return [];
    // It expects none, and tells which there are.
    const told = [...`${stdout}${stderr}`.matchAll(/__name__="ALERTS", alertname="(\w+)"/g)].map(
      ([, name]) => name!,
    );
    if (told.length === 0) throw new Error(`promtool: ${stdout}${stderr}`);
    return [...new Set(told)].sort();
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function rulesTest(rules: string, before: Scrape, after: Scrape): string {
  const seconds = (after.atMs - before.atMs) / 1000;
  const series = [...after.series].map(([name, value]) => {
    const earlier = before.series.get(name) ?? value;
    // What only grows goes on growing; all else stays as it is.
    const grows = /^\w+_(total|bucket|count|sum|timestamp_seconds)\{/.test(name);
    const step = grows ? (Math.max(0, value - earlier) / seconds) * EVERY_S : 0;
    // There time begins at 0.
    const start = /^\w+_timestamp_seconds\{/.test(name) ? value - after.atMs / 1000 : value;
    return { series: name, values: `${start}+${step}x${SAMPLES}` };
  });
  const expectation = { expr: 'ALERTS{alertstate="firing"}', eval_time: `${LENGTH_S}s`, exp_samples: [] };
  return stringify(
    {
      ...{ rule_files: [rules], evaluation_interval: `${EVERY_S}s` },
      tests: [{ interval: `${EVERY_S}s`, input_series: series, promql_expr_test: [expectation] }],
    },
    { lineWidth: 0 },
  );
}
