import { describe, expect, test } from 'vitest';
import { CHECKS } from './checks.ts';
import { TRANSCRIPTS } from './rules.ts';
import { type Tree, toSource } from './tree.ts';

/** A tree in which everything is in its place, and the files a test plants in it. */
function tree(planted: Record<string, string> = {}): Tree {
  const files = {
    'cmd/gantry/index.ts': "import { a } from '#machinery/a.ts';\n",
    'machinery/a.ts': 'export const a = 1;\n',
    ...planted,
  };
  const transcripts = TRANSCRIPTS.map((name) => `test/transcripts/${name}.txt`);
  return {
    root: '/',
    files: Object.entries(files).map(([path, text]) => toSource(path, text)),
    paths: [...Object.keys(files), ...transcripts],
  };
}

const findings = (planted?: Record<string, string>) => CHECKS.flatMap((check) => check.run(tree(planted)));

describe('tidy', () => {
  test('finds nothing in a tidy tree', () => {
    expect(findings()).toEqual([]);
  });

  test.each<[string, Record<string, string>, string]>([
    [
      'a layering violation',
      { 'api/x.test.ts': "import { s } from '#store/s.ts';" },
      'api must not import store',
    ],
    [
      'an import of cmd',
      { 'apiserver/x.test.ts': "import { s } from '#cmd/s.ts';" },
      'apiserver must not import cmd',
    ],
    [
      'a relative path out of a room',
      { 'api/x.test.ts': "import { a } from '../machinery/a.ts';" },
      'as #machinery/a.ts',
    ],
    [
      'an alias inside a room',
      { 'machinery/x.test.ts': "import { a } from '#machinery/a.ts';" },
      'relative path',
    ],
    [
      'a controller that imports another',
      {
        'controllers/a/index.ts': "import { b } from '../b/plan.ts';",
        'controllers/b/plan.ts': '',
        'cmd/gantry/c.ts': "import '#controllers/a/index.ts'",
      },
      'must not import its sibling controllers/b',
    ],
    [
      'a look at the clock',
      { 'api/x.ts': 'const t = Date.now();', 'cmd/gantry/c.ts': "import '#api/x.ts'" },
      'take a Clock',
    ],
    ['a file nobody imports', { 'api/dead.ts': 'export {};' }, 'api/dead.ts: nothing imports it'],
    ['a file that is too long', { 'hack/x.ts': '\n'.repeat(500) }, 'split it'],
    [
      'a function that is too long',
      { 'hack/x.ts': `export function f(\n  a: number,\n): void {\n${'  a++;\n'.repeat(90)}}\n` },
      'hack/x.ts:1: a function of 94 lines',
    ],
    [
      'a function of C that is too long',
      { 'hack/x.c': `static int f(void)\n{\n${'\tx++;\n'.repeat(50)}}\n` },
      'hack/x.c:1: a function of 53 lines',
    ],
    [
      'a contract without a suite',
      { 'store/contract.ts': '', 'cmd/gantry/c.ts': "import '#store/contract.ts'" },
      'store/contract.ts has no conformance.ts beside it',
    ],
    [
      'a contract that does not say what its functions are for',
      { 'store/value.ts': 'export function decode() {}\n', 'cmd/gantry/c.ts': "import '#store/value.ts'" },
      'store/value.ts:1: exported by a contract without a word',
    ],
    [
      'much code and no word',
      {
        'hack/x.ts': 'f();\n'.repeat(350),
        'hack/y.ts': 'f();\n'.repeat(350),
        'hack/z.ts': 'f();\n'.repeat(350),
      },
      'are comments',
    ],
    ['a name that says nothing', { 'hack/string-utils.ts': '' }, 'a name says what a thing is'],
  ])('finds %s', (_, planted, message) => {
    expect(findings(planted).join('\n')).toContain(message);
  });

  test('finds a command without a transcript', () => {
    const without = tree();
    without.paths = without.paths.filter((path) => path !== 'test/transcripts/get.txt');
    expect(CHECKS.flatMap((check) => check.run(without)).join()).toContain(
      'test/transcripts/get.txt is missing',
    );
  });
});
