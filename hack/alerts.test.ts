import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { parse } from 'yaml';

const root = new URL('../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), 'utf8');

it('each alert has its cure in docs/operations.md, and there are no others', () => {
  const { groups } = parse(read('manifests/monitoring/alerts.yaml'));
  const alerts = groups.flatMap(({ rules }: { rules: { alert: string }[] }) =>
    rules.map(({ alert }) => alert),
  );
  const cures = [...read('docs/operations.md').matchAll(/^\| (Gantry\w+) \| \S/gm)].map(([, name]) => name);
  expect(alerts.length).toBeGreaterThan(10);
  expect(cures).toEqual(alerts);
});
