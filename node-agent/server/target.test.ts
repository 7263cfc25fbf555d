import { describe, expect, test } from 'vitest';
import type { Observed } from '../pods/observed.ts';
import { podWith, prepared, run } from '../pods/views.ts';
import type { PodWorker } from '../pods/worker.ts';
import { containerNameOf, logRunOf, parseTarget, runningOf, workerOf } from './target.ts';

const worker = (observed: Observed) =>
  ({ pod: () => podWith(), observed: () => observed }) as unknown as PodWorker;

test('a path names what is wanted, and nothing else passes', () => {
  expect(parseTarget('/exec/default/web?container=main&command=ls')).toMatchObject({
    action: 'exec',
    namespace: 'default',
    pod: 'web',
  });
  for (const path of ['/', '/exec', '/exec/default', '/exec/default/web/more', '//default/web']) {
    expect(parseTarget(path)).toBeUndefined();
  }
});

test('a pod that is elsewhere, or a container it does not have, is not found', () => {
  const target = parseTarget('/exec/default/web?container=nosuch')!;
  expect(() => workerOf({ find: () => undefined }, target)).toThrow('pod "web" is not on this node');
  expect(() => containerNameOf(worker(prepared()), target)).toThrow('container not found ("nosuch")');
  expect(containerNameOf(worker(prepared()), parseTarget('/exec/default/web')!)).toBe('main');
});

test('only a container that runs can be entered', () => {
  expect(runningOf(worker(prepared({ main: { run: run() } })), 'main').id).toBe('main.0');
  expect(() => runningOf(worker(prepared({ main: { run: run(0, {}) } })), 'main')).toThrow(
    'container not found',
  );
});

describe('the log', () => {
  const crashed = { run: run(1, {}), last: run(0, {}) };
  const waiting = { reason: 'CrashLoopBackOff', message: '' };
  const cases: [string, Parameters<typeof prepared>[0], boolean, number][] = [
    ['of what runs', { main: { run: run(1), last: run(0, {}) } }, false, 1],
    ['of the start before', { main: { run: run(1), last: run(0, {}) } }, true, 0],
    ['of what ended', { main: crashed }, false, 1],
    ['of the start before what ended', { main: crashed }, true, 0],
    ['previous, while it waits for its next start', { main: { ...crashed, waiting } }, true, 1],
  ];
  test.each(cases)('%s', (_, containers, previous, attempt) => {
    expect(logRunOf(worker(prepared(containers)), 'main', previous).attempt).toBe(attempt);
  });

  test.each([
    [{}, true, 'previous terminated container "main" in pod "web" not found'],
    [{}, false, 'container "main" in pod "web" is waiting to start: ContainerCreating'],
    [
      { main: { waiting: { reason: 'ImagePullBackOff', message: '' } } },
      false,
      'container "main" in pod "web" is waiting to start: trying and failing to pull image',
    ],
  ])('that is not there says why: %#', (containers, previous, message) => {
    expect(() => logRunOf(worker(prepared(containers)), 'main', previous)).toThrow(message);
  });
});
