import { beforeEach, expect, test } from 'vitest';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { MemoryFiles } from '#machinery/files-memory.ts';
import { type LogLine, memoryLogger } from '#machinery/log.ts';
import { type Checkpoints, checkpoints } from './checkpoint.ts';
import { podWith } from './views.ts';

const PATHS = { dataDir: '/data', memoryDir: '/memory' };
const FILE = '/data/agent/pods/uid-1.json';

let clock: VirtualClock;
let files: MemoryFiles;
let lines: LogLine[];
let kept: Checkpoints;

beforeEach(async () => {
  clock = new VirtualClock();
  files = new MemoryFiles();
  lines = [];
  kept = checkpoints(files, PATHS, clock, memoryLogger(lines));
  await kept.load();
});

test('pods are written a moment after they change, once, readable only by root, and read again', async () => {
  kept.save(podWith());
  kept.save(podWith({ hostNetwork: true }));
  await clock.advance(500);
  expect(files.operations.filter(({ operation }) => operation === 'write')).toHaveLength(1);
  expect(files.mode(FILE)).toBe(0o600);
  expect(await kept.load()).toEqual([{ pod: podWith({ hostNetwork: true }) }]);
});

test('a pod removed before it was written is not written', async () => {
  kept.save(podWith());
  await kept.remove('uid-1');
  await clock.advance(1_000);
  expect(await kept.load()).toEqual([]);
});

test('a clean stop writes what waits', async () => {
  kept.save(podWith());
  await kept.flush();
  expect(await kept.load()).toHaveLength(1);
});

test('a damaged file, or one of a newer version, is left out and left alone', async () => {
  await files.write('/data/agent/pods/a.json', '{');
  await files.write('/data/agent/pods/b.json', JSON.stringify({ version: 2, pod: podWith() }));
  expect(await kept.load()).toEqual([]);
  expect(lines.map(({ fields }) => fields['file'])).toEqual(['a.json', 'b.json']);
  expect(await files.list('/data/agent/pods')).toHaveLength(2);
});

test('a full disk is said, and the next change is tried again', async () => {
  files.failNext('write', 'ENOSPC');
  kept.save(podWith());
  await clock.advance(500);
  expect(lines[0]).toMatchObject({ level: 'warn', fields: { uid: 'uid-1' } });
  kept.save(podWith());
  await clock.advance(500);
  expect(await kept.load()).toHaveLength(1);
});
