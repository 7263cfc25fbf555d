import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { blocksOf, isAsShown, withWords } from '#test/harness/handbook.ts';

const root = new URL('../', import.meta.url);
const blocks = blocksOf(readFileSync(new URL('docs/operations.md', root), 'utf8'));
/** As tests call for blocks: play('name', ...). */
const played = readdirSync(new URL('test/e2e/', root))
  .map((name) => readFileSync(new URL(`test/e2e/${name}`, root), 'utf8'))
  .flatMap((text) => [...text.matchAll(/\bplay\('([a-z-]+)'/g)].map(([, name]) => name!));

test('each block of docs/operations.md is played by a test, or says why it is not', () => {
  const where = ({ section, line }: { section: string; line: number }) => `line ${line}, ${section}`;
  expect(blocks.filter(({ name, notPlayed }) => !name && !notPlayed).map(where)).toEqual([]);
  const wanted = blocks.flatMap(({ name }) => name ?? []);
  expect(new Set(wanted).size).toBe(wanted.length);
  expect([...new Set(played)].sort()).toEqual(wanted.toSorted());
});

test('nearly all are played', () => {
  expect(blocks.length).toBeGreaterThan(50);
  expect(blocks.filter(({ name }) => name).length / blocks.length).toBeGreaterThan(0.9);
});

test('no command stands in an indented block, where nobody would count it', () => {
  const text = readFileSync(new URL('docs/operations.md', root), 'utf8');
  expect(text.match(/^ {4,}(gantry|kubectl|curl|systemctl|journalctl) .*/gm)).toBeNull();
});

test('what it refers to is there', () => {
  const text = readFileSync(new URL('docs/operations.md', root), 'utf8');
  const headings = [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\w -]/g, '')
      .replaceAll(' ', '-'),
  );
  const links = [...text.matchAll(/\]\(#([^)]*)\)/g)].map(([, link]) => link!);
  expect(links.length).toBeGreaterThan(20);
  expect(links.filter((link) => !headings.includes(link))).toEqual([]);
});

test('a block has the mark above it and the output below it', () => {
  const text = [
    ...['# One', '<!-- played: a -->', '```sh', 'gantry x', '```', '', '```text', 'shown', '```'],
    ...['## Two', '<!-- not played: no disk -->', '```sh', 'gantry y', '```', 'Then:', '```text', 'z', '```'],
    ...['<!-- played: far -->', '', '```sh', 'gantry z', '```'],
  ].join('\n');
  expect(blocksOf(text)).toEqual([
    { section: 'One', line: 3, name: 'a', commands: 'gantry x', output: 'shown' },
    { section: 'Two', line: 12, notPlayed: 'no disk', commands: 'gantry y' },
    { section: 'Two', line: 21, commands: 'gantry z' },
  ]);
  expect(() => blocksOf('```sh\ngantry x')).toThrow('line 1: a block has no end');
});

test.each([
  ['the same', 'a\nb', 'a\nb\n', true],
  ['another line', 'a\nb', 'a\nc\n', false],
  ['a line more', 'a', 'a\nb\n', false],
  ['anything in a line', 'wrote ... entries', 'wrote 12 entries\n', true],
  ['nothing across lines', 'wrote ...', 'wrote\n12\n', false],
  ['any lines', '...\nb', 'a\na\nb\n', true],
  ['no lines', '...\nb', 'b\n', true],
  ['other ages and versions', 'node-1   Ready   3s   v0.1.0', 'node-1  Ready  12m  v0.2.3\n', true],
  ['what means something to patterns', 'a.b (c) [-]', 'axb (c) [-]\n', false],
])('printed as it is shown: %s', (_, shown, printed, expected) => {
  expect(isAsShown(shown, printed)).toBe(expected);
});

test('the longest word is taken first', () => {
  expect(withWords('10.0.0.1 10.0.0.11', { '10.0.0.1': 'a', '10.0.0.11': 'b' })).toBe('a b');
  expect(withWords('same', {})).toBe('same');
});
