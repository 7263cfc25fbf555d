import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { makePrivate } from './memory-dir.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'gantry-memory-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const modeOf = (path: string) => statSync(path).mode & 0o777;

test('a private directory is entered by its owner alone, also one that was there before', () => {
  const path = join(home, 'new');
  makePrivate(path);
  expect(modeOf(path)).toBe(0o700);
  chmodSync(path, 0o755);
  makePrivate(path);
  expect(modeOf(path)).toBe(0o700);
});

test('a link in its place is refused, and what it leads to is left alone', () => {
  const other = join(home, 'other');
  mkdirSync(other, { mode: 0o755 });
  symlinkSync(other, join(home, 'link'));
  expect(() => makePrivate(join(home, 'link'))).toThrow('somebody else made it');
  expect(modeOf(other)).toBe(0o755);
});
