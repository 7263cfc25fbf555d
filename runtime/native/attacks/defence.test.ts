import { globSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { buildPrograms } from '../test-root.ts';
import { makeWeakPrograms } from '../weak-programs.ts';

const ROOT = join(import.meta.dirname, '../../..');
const SWITCH = /\b(?:defended|race_point)\("([^"]+)"\)/g;
const PROGRAMS = ['helper', 'monitor', 'unpack'];

const switches = globSync(join(ROOT, 'runtime/helper/*.c')).flatMap((path) =>
  [...readFileSync(path, 'utf8').matchAll(SWITCH)].map(([, name]) => name!),
);
const held = (directory: string) =>
  PROGRAMS.map((program) => readFileSync(join(ROOT, 'dist', directory, program), 'latin1')).join('\0');

test('no defence can be switched off in what is shipped', async () => {
  buildPrograms();
  const scratch = await mkdtemp(join(tmpdir(), 'gantry-weak-'));
  await makeWeakPrograms(scratch, { off: [] });
  await rm(scratch, { recursive: true });
  const [shipped, weak] = [held('bin'), held('bin-weak')];
  const traces = [...switches, 'WEAKEN'];
  expect(switches.length).toBeGreaterThan(4);
  // The same search finds each of them where they are.
  expect(traces.filter((name) => !weak.includes(`${name}\0`))).toEqual([]);
  expect(traces.filter((name) => shipped.includes(name))).toEqual([]);
}, 120_000);
