import { existsSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { readTree } from './tidy/tree.ts';

const root = new URL('..', import.meta.url);
const ROW = /^\| (CVE-\d{4}-\d+) \|[^|]+\|[^|]+\| ([\w./, -]+) \|$/gm;
/** A test, or an entry of a list of them, that is named after what it tries. */
const NAMED = /(?:\bname:|\b(?:test|it|describe|attack)\()\s*['"`](CVE-\d{4}-\d+)/g;

/** `<id> <file>`: the table's rows, and what the tests say of themselves. */
const rows = [...readFileSync(new URL('docs/security.md', root), 'utf8').matchAll(ROW)].flatMap(
  ([, id, files]) => files!.split(', ').map((file) => `${id} ${file}`),
);
const tests = readTree(root.pathname)
  .paths.filter((path) => path.endsWith('.test.ts'))
  .flatMap((path) =>
    [...readFileSync(new URL(path, root), 'utf8').matchAll(NAMED)].map(([, id]) => `${id} ${path}`),
  );

it('the table of attacks in docs/security.md names the tests there are, and all of them', () => {
  expect(rows.length).toBeGreaterThan(2);
  expect(rows.filter((row) => !existsSync(new URL(row.split(' ')[1]!, root)))).toEqual([]);
  expect([...new Set(rows)].sort()).toEqual([...new Set(tests)].sort());
});
