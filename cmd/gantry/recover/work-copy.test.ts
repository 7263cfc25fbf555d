import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { workCopy } from './work-copy.ts';

let root: string;
const at = (...names: string[]) => join(root, 'etcd', ...names);
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'gantry-recover-'));
  mkdirSync(at('data/member/wal'), { recursive: true });
  writeFileSync(at('data/member/wal/0'), 'old');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));
const TIME = Date.UTC(2026, 0, 31);
const KEPT = 'data.before-2026-01-31T00-00-00Z';

test('the data changes place with what became of its copy, and stays', async () => {
  const copy = await workCopy({ root }, { empty: false, nowMs: TIME });
  writeFileSync(join(copy.path, 'member/wal/0'), 'new');
  expect(readFileSync(at('data/member/wal/0'), 'utf8')).toBe('old');
  expect(await copy.swap()).toBe(at(KEPT));
  expect(readFileSync(at('data/member/wal/0'), 'utf8')).toBe('new');
  expect(readFileSync(at(KEPT, 'member/wal/0'), 'utf8')).toBe('old');
  expect(readdirSync(at()).sort()).toEqual(['data', KEPT]);
});

test('what is given up leaves the data as it was', async () => {
  const copy = await workCopy({ root }, { empty: false, nowMs: TIME });
  await copy.discard();
  expect(readdirSync(at())).toEqual(['data']);
});

test('an empty one begins with nothing, also where no data is left', async () => {
  rmSync(at('data'), { recursive: true });
  const copy = await workCopy({ root }, { empty: true, nowMs: TIME });
  expect(existsSync(copy.path)).toBe(false);
  mkdirSync(copy.path);
  expect(await copy.swap()).toBeUndefined();
  expect(readdirSync(at())).toEqual(['data']);
});

test('interrupted at any point, another try begins with the data of before', async () => {
  // While the copy was worked on; between the two renames.
  for (const interrupt of [
    () => writeFileSync(at('recovering/member/wal/0'), 'half'),
    () => {
      writeFileSync(at('recovering/member/wal/0'), 'half');
      renameSync(at('data'), at('replaced'));
    },
  ]) {
    await workCopy({ root }, { empty: false, nowMs: TIME });
    interrupt();
    const again = await workCopy({ root }, { empty: false, nowMs: TIME });
    expect(readFileSync(join(again.path, 'member/wal/0'), 'utf8')).toBe('old');
    await again.discard();
    expect(readdirSync(at())).toEqual(['data']);
  }
});

test('one that had come to its end is not undone', async () => {
  const copy = await workCopy({ root }, { empty: false, nowMs: TIME });
  writeFileSync(join(copy.path, 'member/wal/0'), 'new');
  renameSync(await copy.swap().then((kept) => kept!), at('replaced'));
  const again = await workCopy({ root }, { empty: false, nowMs: TIME });
  expect(readFileSync(join(again.path, 'member/wal/0'), 'utf8')).toBe('new');
  await again.swap();
  expect(readdirSync(at()).sort()).toEqual(['data', KEPT, 'data.before-earlier-than-2026-01-31T00-00-00Z']);
});

test('without data there is nothing to copy', async () => {
  rmSync(at('data'), { recursive: true });
  await expect(workCopy({ root }, { empty: false, nowMs: TIME })).rejects.toThrow('could not be copied');
  expect(readdirSync(at())).toEqual([]);
});
