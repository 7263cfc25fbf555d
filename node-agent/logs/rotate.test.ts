import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { settle, VirtualClock } from '#machinery/clock-virtual.ts';
import { MemoryFiles } from '#machinery/files-memory.ts';
import { silentLogger } from '#machinery/log.ts';
import { RuntimeError } from '#runtime/contract.ts';
import type { PodWorker } from '../pods/worker.ts';
import { keepLogsSmall, LOG_LIMIT_BYTES, planRotation, removeLog } from './rotate.ts';
import { rotatedPath, rotatedPaths } from './rotated.ts';

const PATH = '/data/logs/pods/shop_web_u1/main/0.log';
const NOW = Date.UTC(2026, 0, 1, 12, 30, 5);
const old = (second: number) => `${PATH}.20260101-0000${String(second).padStart(2, '0')}`;

describe('the plan of a rotation', () => {
  const state = (sizeBytes: number | undefined, rotated: string[] = []) => ({
    path: PATH,
    sizeBytes,
    rotated,
  });

  test('leaves a small log alone', () => {
    expect(planRotation(state(LOG_LIMIT_BYTES - 1, [1, 2, 3, 4, 5, 6].map(old)), NOW)).toEqual([]);
  });

  test('puts a large one away under the time and has a new one begun', () => {
    const to = `${PATH}.20260101-123005`;
    expect(planRotation(state(LOG_LIMIT_BYTES), NOW)).toEqual([
      { op: 'rename', from: PATH, to },
      { op: 'reopen' },
    ]);
  });

  test('removes the oldest, so that five are left with the new one', () => {
    const removed = (count: number) =>
      planRotation(
        state(
          LOG_LIMIT_BYTES,
          Array.from({ length: count }, (_, i) => old(i)),
        ),
        NOW,
      ).flatMap((step) => (step.op === 'remove' ? [step.path] : []));
    expect(removed(3)).toEqual([]);
    expect(removed(4)).toEqual([old(0)]);
    expect(removed(6)).toEqual([old(0), old(1), old(2)]);
  });

  test('never puts two away under one name', () => {
    expect(planRotation(state(LOG_LIMIT_BYTES, [rotatedPath(PATH, NOW)]), NOW)).toEqual([]);
  });

  test('tells the writer of a log that was put away and nobody told it', () => {
    expect(planRotation(state(undefined, [old(1)]), NOW)).toEqual([{ op: 'reopen' }]);
  });
});

test('the old parts of a log are told from other files', () => {
  const names = [
    '1.log.20260101-000000',
    '0.log',
    '0.log.20260102-000000',
    '0.log.gz',
    '0.log.20260101-000000',
  ];
  expect(rotatedPaths('/logs/0.log', names)).toEqual([
    '/logs/0.log.20260101-000000',
    '/logs/0.log.20260102-000000',
  ]);
});

describe('rotation on a node', () => {
  let clock: VirtualClock;
  let files: MemoryFiles;
  let stop: AbortController;
  let refuse: RuntimeError | undefined;
  let reopened: string[];
  let run: { id: string; attempt: number; exit?: object };

  beforeEach(async () => {
    clock = new VirtualClock();
    files = new MemoryFiles();
    stop = new AbortController();
    refuse = undefined;
    reopened = [];
    run = { id: 'main.0', attempt: 0 };
    await files.mkdir('/data/logs/pods/shop_web_u1/main');
    const worker = {
      uid: 'u1',
      pod: () => ({ metadata: { namespace: 'shop', name: 'web', uid: 'u1' } }),
      observed: () => ({ sandbox: 'ready', containers: new Map([['main', { run }]]) }),
    } as unknown as PodWorker;
    void keepLogsSmall({
      ...{ clock, files, log: silentLogger, signal: stop.signal, roster: { list: () => [worker] } },
      paths: { dataDir: '/data', memoryDir: '/memory' },
      runtime: {
        async reopenLog(sandbox, container) {
          if (refuse) throw refuse;
          reopened.push(`${sandbox}/${container}`);
          await files.write(PATH, '');
        },
      },
    });
  });
  afterEach(() => stop.abort());

  const grow = () => files.write(PATH, new Uint8Array(LOG_LIMIT_BYTES));
  const look = async () => {
    await clock.advance(10_000);
    for (let i = 0; i < 10; i++) await settle();
  };
  const left = () => files.list('/data/logs/pods/shop_web_u1/main');

  test('keeps five files of a container that never stops writing', async () => {
    for (let i = 0; i < 8; i++) {
      await grow();
      await look();
    }
    expect(reopened).toHaveLength(8);
    expect(await left()).toEqual([
      '0.log',
      '0.log.20260101-000050',
      '0.log.20260101-000100',
      '0.log.20260101-000110',
      '0.log.20260101-000120',
    ]);
  });

  test('leaves the log of an ended container alone', async () => {
    run.exit = {};
    await grow();
    await look();
    expect(await left()).toEqual(['0.log']);
  });

  test('puts the log back when its writer cannot be told, and tries again', async () => {
    refuse = new RuntimeError('Unavailable', 'the monitor does not answer');
    await grow();
    await look();
    expect(await left()).toEqual(['0.log']);
    refuse = undefined;
    await look();
    expect(await left()).toEqual(['0.log', '0.log.20260101-000020']);
  });

  test('a rotation that a crash cut in two is ended', async () => {
    await files.write(old(1), 'text');
    await look();
    expect(reopened).toEqual(['u1/main.0']);
    expect(await left()).toEqual(['0.log', '0.log.20260101-000001']);
  });

  test('a log goes with its old parts', async () => {
    await files.write(PATH, '');
    await files.write(old(1), '');
    await files.write('/data/logs/pods/shop_web_u1/main/1.log', '');
    await removeLog(files, PATH);
    expect(await left()).toEqual(['1.log']);
  });
});
