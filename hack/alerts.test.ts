import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { blocksOf } from '#test/harness/handbook.ts';

const root = new URL('../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), 'utf8');
const handbook = read('docs/operations.md');
const { groups } = parse(read('manifests/monitoring/alerts.yaml'));
const alerts: string[] = groups.flatMap(({ rules }: { rules: { alert: string }[] }) =>
  rules.map(({ alert }) => alert),
);

it('each alert has its cure in docs/operations.md, and there are no others', () => {
  expect(alerts.length).toBeGreaterThan(10);
  const cures = [...handbook.matchAll(/^#### (Gantry\w+)$/gm)].map(([, name]) => name);
  expect(cures).toEqual(alerts);
});

it('each begins with what to look at, which a test plays', () => {
  const played = new Set(blocksOf(handbook).flatMap(({ section, name }) => (name ? [section] : [])));
  expect(alerts.filter((alert) => !played.has(alert))).toEqual([]);
});
