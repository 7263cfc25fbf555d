import { expect, test } from 'vitest';
import { collect } from '#machinery/transport.ts';
import { LineQueue } from './line-queue.ts';

const queue = () => new LineQueue<{ n: number }>((next, last) => next.n === last.n);
const textOf = async (lines: LineQueue<{ n: number }>) => Buffer.from(await collect(lines)).toString();

test('lines come in order, as they are said and after the end', async () => {
  const lines = queue();
  const read = textOf(lines);
  lines.push({ n: 1 });
  await new Promise((resolve) => setImmediate(resolve));
  lines.push({ n: 1 });
  lines.push({ n: 2 });
  lines.end();
  expect(await read).toBe('{"n":1}\n{"n":1}\n{"n":2}\n');
});

test('what nobody has read is superseded', async () => {
  const lines = queue();
  for (let i = 0; i < 1000; i++) lines.push({ n: 1 });
  lines.push({ n: 2 });
  lines.end();
  expect(await textOf(lines)).toBe('{"n":1}\n{"n":2}\n');
  expect(lines.unread.aborted).toBe(false);
});

test('a reader who goes is noticed', async () => {
  const lines = queue();
  lines.push({ n: 1 });
  for await (const _ of lines) break;
  expect(lines.unread.aborted).toBe(true);
});
