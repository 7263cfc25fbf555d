import { existsSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { KINDS } from '#api/kinds/index.ts';

const root = new URL('..', import.meta.url);
const text = readFileSync(new URL('docs/kubernetes-compatibility.md', root), 'utf8');

/** The row of a group and version: kinds that act, kinds that are kept. */
function rowOf(groupVersion: string): string[] {
  const line = text.split('\n').find((each) => each.startsWith(`| ${groupVersion} |`));
  return (line ?? '').split('|').slice(2, 4);
}

it.each(KINDS.map((kind) => [`${kind.group || 'core'}/${kind.version}`, kind] as const))(
  'the page on compatibility knows a kind of %s, and whether anything acts on it',
  (groupVersion, kind) => {
    const [acts = '', kept = ''] = rowOf(groupVersion);
    expect(kind.inert ? kept : acts).toMatch(new RegExp(`\\b${kind.kind}\\b`));
    expect(kind.inert ? acts : kept).not.toMatch(new RegExp(`\\b${kind.kind}\\b`));
  },
);

it('names only tests that are there', () => {
  const named = [...text.matchAll(/(?:apiserver|api|machinery|test|hack)\/[\w./-]+\.(?:test\.ts|http)/g)];
  expect(named.length).toBeGreaterThan(20);
  expect(named.map(([path]) => path).filter((path) => !existsSync(new URL(path, root)))).toEqual([]);
});
