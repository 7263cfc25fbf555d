import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '#machinery/clock.ts';
import { type LogOptions, readLog } from './read.ts';

let directory: string;
let path: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gantry-logs-'));
  path = join(directory, '0.log');
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const entry = (second: number, text: string, stream = 'stdout', tag = 'F') =>
  `2026-01-01T00:00:${String(second).padStart(2, '0')}.000000001Z ${stream} ${tag} ${text}\n`;
const THREE = entry(1, 'one') + entry(2, 'two', 'stderr') + entry(3, 'three');
const PARTIAL = entry(1, 'one') + entry(2, 'tw', 'stdout', 'P') + entry(2, 'o') + entry(3, 'three');

async function read(options: Partial<LogOptions> = {}, isLive = () => false): Promise<string> {
  let text = '';
  const signal = AbortSignal.timeout(10_000);
  for await (const chunk of readLog(
    { path, isLive },
    { follow: false, timestamps: false, ...options },
    systemClock,
    signal,
  )) {
    text += Buffer.from(chunk);
  }
  return text;
}

describe('logs', () => {
  test('a log that is not there is empty', async () => {
    expect(await read()).toBe('');
  });

  test.each<[string, string, Partial<LogOptions>, string]>([
    ['everything', THREE, {}, 'one\ntwo\nthree\n'],
    ['the last line', THREE, { tailLines: 1 }, 'three\n'],
    ['the last two', THREE, { tailLines: 2 }, 'two\nthree\n'],
    ['more than there are', THREE, { tailLines: 9 }, 'one\ntwo\nthree\n'],
    ['none', THREE, { tailLines: 0 }, ''],
    ['parts joined', PARTIAL, {}, 'one\ntwo\nthree\n'],
    ['parts counted as one line', PARTIAL, { tailLines: 2 }, 'two\nthree\n'],
    ['a line that has not ended', entry(1, 'one') + entry(2, 'tw', 'stdout', 'P'), { tailLines: 1 }, 'tw'],
    ['one stream', THREE, { stream: 'stderr' }, 'two\n'],
    ['what is not older', THREE, { since: '2026-01-01T00:00:02Z' }, 'two\nthree\n'],
    ['so many bytes', THREE, { limitBytes: 5 }, 'one\nt'],
    ['times', entry(1, 'one'), { timestamps: true }, '2026-01-01T00:00:01.000000001Z one\n'],
    [
      'times once for parts',
      PARTIAL,
      { timestamps: true, tailLines: 2 },
      '2026-01-01T00:00:02.000000001Z two\n2026-01-01T00:00:03.000000001Z three\n',
    ],
    ['lines that are no entries left out', `${THREE}garbage\n`, { tailLines: 2 }, 'three\n'],
  ])('%s', async (_, text, options, expected) => {
    writeFileSync(path, text);
    expect(await read(options)).toBe(expected);
  });

  test('the tail of a long log is found over many chunks', async () => {
    writeFileSync(path, Array.from({ length: 20_000 }, (_, i) => entry(i % 60, `line ${i}`)).join(''));
    expect(await read({ tailLines: 3 })).toBe('line 19997\nline 19998\nline 19999\n');
    expect((await read({ tailLines: 15_000 })).startsWith('line 5000\n')).toBe(true);
  });

  test.each<[string, Partial<LogOptions>, string]>([
    ['everything', {}, 'one\ntwo\nthree\nfour\n'],
    ['the last of the newest file', { tailLines: 1 }, 'four\n'],
    ['the last of both files, a line that is in two', { tailLines: 2 }, 'three\nfour\n'],
    ['the last of all files', { tailLines: 3 }, 'two\nthree\nfour\n'],
    ['nothing of the past', { tailLines: 0 }, ''],
  ])('of a log that was rotated: %s', async (_, options, expected) => {
    writeFileSync(`${path}.20260101-000000`, entry(1, 'one'));
    writeFileSync(`${path}.20260101-000010`, entry(2, 'two') + entry(3, 'th', 'stdout', 'P'));
    writeFileSync(path, entry(3, 'ree') + entry(4, 'four'));
    writeFileSync(join(directory, '0.log.bak'), entry(5, 'of somebody else'));
    expect(await read(options)).toBe(expected);
  });

  test('a log that is being rotated just now is read from its old part', async () => {
    writeFileSync(`${path}.20260101-000000`, entry(1, 'one'));
    expect(await read()).toBe('one\n');
  });

  test('a follower loses nothing and repeats nothing over many rotations, however slow it is', async () => {
    writeFileSync(path, entry(1, 'line 0'));
    let live = true;
    const text = read({ follow: true }, () => live);
    for (let i = 1; i < 40; i++) {
      // The writer still adds to the file that was renamed, until it is told.
      if (i % 7 === 0) renameSync(path, `${path}.20260101-0000${String(i).padStart(2, '0')}`);
      const written = i % 7 === 0 ? `${path}.20260101-0000${String(i).padStart(2, '0')}` : path;
      appendFileSync(written, entry(1, `line ${i}`));
      if (i % 3 === 0) await new Promise((resolve) => setTimeout(resolve, 2));
    }
    appendFileSync(path, entry(2, 'end'));
    live = false;
    const lines = Array.from({ length: 40 }, (_, i) => `line ${i}\n`).join('');
    expect(await text).toBe(`${lines}end\n`);
  });

  test('a follower sees what is written later, and ends with the container', async () => {
    writeFileSync(path, entry(1, 'one'));
    let live = true;
    const text = read({ follow: true }, () => live);
    appendFileSync(path, entry(2, 'two').slice(0, 20));
    await new Promise((resolve) => setImmediate(resolve));
    appendFileSync(path, entry(2, 'two').slice(20));
    appendFileSync(path, entry(3, 'last words'));
    live = false;
    expect(await text).toBe('one\ntwo\nlast words\n');
  });
});
