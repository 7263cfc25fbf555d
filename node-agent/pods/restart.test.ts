import { describe, expect, test } from 'vitest';
import type { Container } from '#api/objects.ts';
import { learn, learnFailure } from './learn.ts';
import { containerObserved, newObserved } from './observed.ts';
import { backoffAfter, nextBackoffMs, restartAtMs, restarts } from './restart.ts';
import { containerWith, MAIN, NOW, podWith, run } from './views.ts';

describe('whether a container restarts', () => {
  const sidecar: Container = { ...MAIN, restartPolicy: 'Always' };
  test.each([
    ['Always', MAIN, false, 0, true],
    ['Always', MAIN, true, 0, false],
    ['Always', MAIN, true, 1, true],
    ['OnFailure', MAIN, false, 0, false],
    ['OnFailure', MAIN, false, 1, true],
    ['OnFailure', MAIN, true, 1, true],
    ['Never', MAIN, false, 1, false],
    ['Never', MAIN, true, 1, false],
    ['Never', sidecar, true, 0, true],
  ] as const)('%s, init %#', (restartPolicy, container, isInit, code, expected) => {
    expect(restarts(podWith({ restartPolicy }), container, isInit, code)).toBe(expected);
  });
});

describe('the delay', () => {
  test('doubles from ten seconds to five minutes', () => {
    expect([0, 1, 2, 3, 4, 5, 6, 7, 50].map(backoffAfter)).toEqual([
      0, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000, 300_000,
    ]);
    const delays: number[] = [];
    let backoffMs = 0;
    for (let i = 0; i < 7; i++) {
      backoffMs = nextBackoffMs(containerWith({ backoffMs, run: run(i, {}) }));
      delays.push(backoffMs);
    }
    expect(delays).toEqual([1, 2, 3, 4, 5, 6, 7].map(backoffAfter));
  });

  test('counts from the end of the container', () => {
    expect(restartAtMs(containerWith({ backoffMs: 20_000, run: run(2, { finishedAtMs: NOW }) }))).toBe(
      NOW + 20_000,
    );
    expect(restartAtMs(containerWith({ backoffMs: 20_000, run: run(2) }))).toBe(0);
  });

  test('is forgiven after ten quiet minutes', () => {
    const quiet = { backoffMs: 300_000, restartedAtMs: NOW - 700_000, run: run(9, { finishedAtMs: NOW }) };
    expect(restartAtMs(containerWith(quiet))).toBe(0);
    expect(nextBackoffMs(containerWith(quiet))).toBe(10_000);
  });

  test('is not for containers that were lost, unless they are lost at once each time', () => {
    const lost = (ranMs: number) =>
      containerWith({
        backoffMs: 40_000,
        run: { ...run(3, { reason: 'Lost', finishedAtMs: NOW }), startedAtMs: NOW - ranMs },
      });
    expect(restartAtMs(lost(60_000))).toBe(0);
    expect(nextBackoffMs(lost(60_000))).toBe(40_000);
    expect(restartAtMs(lost(1_000))).toBe(NOW + 40_000);
  });
});

describe('what becomes known', () => {
  test('a restart keeps one start back and lets go of the one before', () => {
    const observed = newObserved(NOW);
    for (const attempt of [0, 1, 2]) {
      learn(observed, { is: 'started', container: 'main', run: run(attempt) });
      learn(observed, {
        is: 'exited',
        container: 'main',
        attempt,
        exit: { code: 1, reason: 'Error', finishedAtMs: NOW },
      });
    }
    const state = containerObserved(observed, 'main');
    expect([state.run?.attempt, state.last?.attempt]).toEqual([2, 1]);
    expect([...observed.leftovers]).toEqual(['main.0']);
    expect(state.backoffMs).toBe(20_000);
  });

  test('an exit is told once: the first word counts, and one of another start is not this one', () => {
    const observed = newObserved(NOW);
    learn(observed, { is: 'started', container: 'main', run: run(1) });
    const exit = (code: number, attempt: number) =>
      learn(observed, {
        is: 'exited',
        container: 'main',
        attempt,
        exit: { code, reason: 'Error', finishedAtMs: NOW },
      });
    exit(9, 0);
    expect(containerObserved(observed, 'main').run?.exit).toBeUndefined();
    exit(1, 1);
    exit(2, 1);
    expect(containerObserved(observed, 'main').run?.exit?.code).toBe(1);
  });

  test('news of an older start changes nothing', () => {
    const observed = newObserved(NOW);
    learn(observed, { is: 'started', container: 'main', run: run(1) });
    learn(observed, { is: 'probed', container: 'main', attempt: 0, ready: true });
    learn(observed, { is: 'hooked', container: 'main', attempt: 0 });
    learn(observed, { is: 'unhealthy', container: 'main', attempt: 0, why: { reason: '', message: '' } });
    const state = containerObserved(observed, 'main');
    expect([state.ready, state.hooked, state.unhealthy]).toEqual([undefined, false, undefined]);
  });

  test('a lost sandbox ends what ran, and what had ended keeps its exit', () => {
    const observed = newObserved(NOW);
    learn(observed, { is: 'started', container: 'main', run: run() });
    learn(observed, { is: 'started', container: 'done', run: run(0, { code: 0, reason: 'Completed' }) });
    learn(observed, { is: 'sandboxLost', nowMs: NOW });
    expect(containerObserved(observed, 'main').run?.exit).toMatchObject({ code: 137, reason: 'Lost' });
    expect(containerObserved(observed, 'done').run?.exit?.reason).toBe('Completed');
  });

  test('a failed step is tried again after a delay that doubles up to its limit', () => {
    const observed = newObserved(NOW);
    const delays: number[] = [];
    for (let i = 0; i < 6; i++) {
      learnFailure(observed, 'createSandbox', { reason: 'Failed', message: '' }, NOW, { maxMs: 10_000 });
      delays.push(observed.retries.get('createSandbox')!.untilMs - NOW);
    }
    expect(delays).toEqual([1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
  });

  test('a changed ConfigMap lets everything that may have waited for it be tried at once', () => {
    const observed = newObserved(NOW);
    for (const key of ['mountVolumes', 'startContainer:main.0', 'createSandbox']) {
      learnFailure(observed, key, { reason: 'Failed', message: '' }, NOW);
    }
    learn(observed, { is: 'volumesChanged' });
    expect([...observed.retries.keys()]).toEqual(['createSandbox']);
  });

  test('what failed because of a ConfigMap that came meanwhile is tried again at once', () => {
    const observed = newObserved(NOW);
    const { sourcesRevision } = observed;
    learn(observed, { is: 'volumesChanged' });
    for (const key of ['mountVolumes', 'startContainer:main.0', 'createSandbox'])
      learnFailure(observed, key, { reason: 'Failed', message: '' }, NOW, { sourcesRevision });
    expect([...observed.retries.keys()]).toEqual(['createSandbox']);
  });
});
