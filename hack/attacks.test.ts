import { existsSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { readTree } from './tidy/tree.ts';

const root = new URL('..', import.meta.url);
const ROW = /^\| (CVE-\d{4}-\d+) \|[^|]+\|[^|]+\| ([\w./, -]+) \|$/gm;
/** A test, or an entry of a list of them, that is named after what it tries. */
const NAMED = /(?:\bname:|\b(?:test|it|describe|attack)\()\s*['"`](CVE-\d{4}-\d+)/g;

/** Those of runc and of the kernel that a runtime of containers must know. */
const RUNTIME = `2016-9962 2019-5736 2019-16884 2019-19921 2021-30465 2021-43784 2022-0492 2022-0811 2022-29162 2023-25809
  2023-27561 2023-28642 2024-21626 2024-45310 2025-31133 2025-52565 2025-52881`;
/** Those of containerd, CRI-O and Docker: of whoever unpacks images, makes volumes and runs commands for the node. */
const ENGINES = `2018-15664 2019-14271 2020-15257 2021-32760 2021-43816 2022-23648 2022-31030 2023-25153 2024-25621
  2024-40635 2025-47290`;
/** Those of Kubernetes: of its agent and of its server. */
const KUBERNETES = `2017-1002101 2018-1002105 2020-8558 2020-8559 2021-25741`;

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

it('has a test of each published attack on what we are', () => {
  const known = new Set(tests.map((test) => test.split(' ')[0]));
  const wanted = `${RUNTIME} ${ENGINES} ${KUBERNETES}`.split(/\s+/).map((id) => `CVE-${id}`);
  expect(wanted.filter((id) => !known.has(id))).toEqual([]);
});
