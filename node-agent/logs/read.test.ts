import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
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
