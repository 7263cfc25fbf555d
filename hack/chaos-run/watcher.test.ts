import { expect, test } from 'vitest';
import type { ApiAnswer } from './api-writer.ts';
import { Watcher, type WatchLine } from './watcher.ts';

const event = (type: WatchLine['type'], name: string, version: number): WatchLine => ({
  ...{ type, object: { metadata: { name, resourceVersion: `${version}` } } },
});
const LIST: ApiAnswer = {
  status: 200,
  body: { metadata: { resourceVersion: '10' }, items: [{ metadata: { name: 'a1-1' } }] } as never,
};

/** Runs through one watch after the other; what it asked for, what it has missed, and what was broken. */
async function follow(...watches: WatchLine[][]) {
  const asked: string[] = [];
  const broken: string[] = [];
  const watcher = new Watcher({
    ...{ writer: 'i1', namespace: 'n', servers: ['https://h1', 'https://h2'] },
    list: async (server) => {
      asked.push(`${server} list`);
      return LIST;
    },
    watch: async (server, path, take) => {
      asked.push(`${server} ${/resourceVersion=(\d+)/.exec(path)![1]}`);
      for (const line of watches.shift() ?? []) take(line);
    },
    say: (line) => broken.push('why' in line ? line.why! : ''),
  });
  const steps = watches.length + 1;
  for (let at = 0; at < steps; at++) await watcher.step();
  return { asked, broken, missing: watcher.missing(['a1-1', 'a1-2', 'a1-3']) };
}

test('each watch goes on where the last one ended, at another server', async () => {
  const seen = await follow(
    [event('ADDED', 'a1-2', 11), event('BOOKMARK', '', 15)],
    [event('ADDED', 'a1-3', 16)],
  );
  expect(seen).toEqual({
    asked: ['https://h1 list', 'https://h2 10', 'https://h1 15'],
    broken: [],
    missing: [],
  });
});

test('a past that is gone is listed anew', async () => {
  const gone: WatchLine = { type: 'ERROR', object: { code: 410 } };
  const { asked, broken } = await follow([event('ADDED', 'a1-2', 9 + 1 + 1), gone], []);
  expect(asked).toEqual(['https://h1 list', 'https://h2 10', 'https://h1 list']);
  // This list is older than the event before it.
  expect(broken).toEqual(['a list is of 10, after an event of 11']);
});

test('what is told twice, goes back or is left out is found', async () => {
  expect((await follow([event('ADDED', 'a1-2', 11), event('MODIFIED', 'a1-2', 11)])).broken).toEqual([
    'MODIFIED of a1-2 at 11, after 11',
  ]);
  expect((await follow([event('ADDED', 'a1-2', 12)], [event('ADDED', 'a1-3', 11)])).broken).toEqual([
    'ADDED of a1-3 at 11, after 12',
  ]);
  expect((await follow([event('DELETED', 'a1-1', 12)])).broken).toHaveLength(1);
  expect((await follow([event('ADDED', 'a1-3', 12)])).missing).toEqual(['a1-2']);
});
