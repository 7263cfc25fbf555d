import { describe, expect, test } from 'vitest';
import type { Container, PodSpec } from '#api/objects.ts';
import { effectKey } from './effects.ts';
import { newObserved, type Observed, STAGES } from './observed.ts';
import { ending, step } from './step.ts';
import { MAIN, NOW, podWith, prepared, run, viewOf } from './views.ts';

const keys = (observed: Observed, spec: Partial<PodSpec> = {}, busy: string[] = []) =>
  step(viewOf(podWith(spec), observed, busy)).effects.map(effectKey);

const SIDECAR: Container = { name: 'side', image: 'busybox:1', restartPolicy: 'Always' };
const INIT: Container = { name: 'init', image: 'busybox:1' };

describe('a pod that is to run', () => {
  test('begins with all that needs nothing else, at the same time', () => {
    expect(keys(newObserved(NOW))).toEqual(['resolveImage:main', 'mountVolumes', 'createSandbox']);
  });

  test('what is under way is not begun again', () => {
    expect(keys(newObserved(NOW), {}, ['mountVolumes', 'createSandbox'])).toEqual(['resolveImage:main']);
  });

  test('what failed waits for its time', () => {
    const observed = newObserved(NOW);
    const fault = { reason: 'Failed', message: '' };
    observed.retries.set('createSandbox', { failures: 1, untilMs: NOW + 5_000, fault });
    const { effects, wakeAtMs } = step(viewOf(podWith(), observed));
    expect(effects.map(effectKey)).not.toContain('createSandbox');
    expect(wakeAtMs).toBe(NOW + 5_000);
    expect(step(viewOf(podWith(), observed, [], NOW + 5_000)).effects.map(effectKey)).toContain(
      'createSandbox',
    );
  });

  test('is attached once there is a sandbox, and never on the network of the node', () => {
    const bare = { attachment: undefined, attached: false };
    expect(keys(prepared({}, bare))).toEqual(['attachNetwork']);
    expect(keys(prepared({}, bare), { hostNetwork: true })).toEqual(['startContainer:main.0']);
  });

  test('a lost sandbox is removed before anything else is made in it', () => {
    expect(
      keys(
        prepared({ main: { run: run(0, { reason: 'Lost' }) } }, { sandbox: 'lost', attachment: undefined }),
      ),
    ).toEqual(['removeSandbox']);
  });

  test('containers start one after the other, as each has started', () => {
    const spec = { containers: [MAIN, { ...MAIN, name: 'other' }] };
    expect(keys(prepared(), spec)).toEqual(['startContainer:main.0']);
    expect(keys(prepared(), spec, ['startContainer:main.0'])).toEqual([]);
    expect(keys(prepared({ main: { run: run(), hooked: false } }), spec)).toEqual([]);
    expect(keys(prepared({ main: { run: run(), probing: true } }), spec)).toEqual(['startContainer:other.0']);
  });

  test('init containers come first; one that failed is tried again, and holds up the rest', () => {
    const spec = { initContainers: [INIT] };
    expect(keys(prepared(), spec)).toEqual(['startContainer:init.0']);
    expect(keys(prepared({ init: { run: { ...run(), id: 'init.0' } } }), spec)).toEqual([
      'startProbes:init.0',
    ]);
    expect(keys(prepared({ init: { run: run(0, { code: 1 }) } }), spec)).toEqual(['startContainer:init.1']);
    expect(keys(prepared({ init: { run: run(0, { code: 0 }) } }), spec)).toEqual(['startContainer:main.0']);
  });

  test('a sidecar runs on beside the others, and lets them begin when it has started', () => {
    const spec = { initContainers: [SIDECAR] };
    expect(keys(prepared({ side: { run: run(), started: false, probing: true } }), spec)).toEqual([]);
    expect(keys(prepared({ side: { run: run(), probing: true } }), spec)).toEqual(['startContainer:main.0']);
    const both = { side: { run: run(0, { code: 0 }) }, main: { run: run(), probing: true } };
    expect(keys(prepared(both), spec)).toEqual(['startContainer:side.1']);
  });

  test('an exited container is started anew after its back-off', () => {
    const waiting = prepared({ main: { run: run(1, {}), backoffMs: 10_000 } });
    expect(keys(waiting)).toEqual([]);
    expect(step(viewOf(podWith(), waiting)).wakeAtMs).toBe(NOW + 9_000);
    expect(keys(prepared({ main: { run: run(0, {}) } }))).toEqual(['startContainer:main.1']);
  });

  test('an unhealthy container is stopped with the grace its probe names', () => {
    const unhealthy = { reason: 'Killing', message: 'm', graceMs: 7_000 };
    expect(keys(prepared({ main: { run: run(), probing: true, unhealthy } }))).toEqual([
      'stopContainer:main.0:7000',
    ]);
  });

  test('older starts are forgotten', () => {
    const observed = prepared({ main: { run: run(2), probing: true } });
    observed.leftovers.add('main.0');
    expect(keys(observed)).toEqual(['forgetContainer:main.0']);
  });
});

describe('a pod that is to go', () => {
  const gone = { deletionTimestamp: '2026-01-01T12:00:30Z', deletionGracePeriodSeconds: 30 };
  const going = (observed: Observed, busy: string[] = [], spec: Partial<PodSpec> = {}) => {
    const { next, effects } = step(viewOf(podWith(spec, gone), observed, busy));
    return [next, ...effects.map(effectKey)];
  };

  test('is stopped, undone in reverse, and its object deleted last', () => {
    const observed = prepared({ main: { run: run() } });
    expect(going(observed)).toEqual(['stop', 'stopContainer:main.0:30000']);
    observed.containers.get('main')!.run!.exit = { code: 0, reason: 'Completed', finishedAtMs: NOW };
    expect(going(observed)).toEqual(['teardown', 'detachNetwork']);
    observed.attached = false;
    expect(going(observed)).toEqual(['teardown', 'removeSandbox']);
    observed.sandbox = 'none';
    expect(going(observed)).toEqual(['teardown', 'unmountVolumes']);
    observed.mounted = false;
    expect(going(observed)).toEqual(['finished', 'deleteObject']);
    observed.deleted = true;
    expect(going(observed)).toEqual(['gone']);
  });

  test('what is being made is finished first, so that it can be undone', () => {
    for (const busy of ['createSandbox', 'attachNetwork', 'mountVolumes', 'startContainer:main.0']) {
      expect(going(prepared(), [busy])).toEqual(['stop']);
    }
    expect(going(prepared(), ['resolveImage:main'])[0]).toBe('teardown');
  });

  test('sidecars are stopped after the others, the last one first', () => {
    const spec = { initContainers: [SIDECAR, { ...SIDECAR, name: 'other' }] };
    const exit = { code: 0, reason: 'Completed', finishedAtMs: NOW } as const;
    const observed = prepared({ main: { run: run() }, side: { run: run() }, other: { run: run() } });
    expect(going(observed, [], spec)).toEqual(['stop', 'stopContainer:main.0:30000']);
    observed.containers.get('main')!.run!.exit = exit;
    expect(going(observed, [], spec)).toEqual(['stop', 'stopContainer:other.0:30000']);
    observed.containers.get('other')!.run!.exit = exit;
    expect(going(observed, [], spec)).toEqual(['stop', 'stopContainer:side.0:30000']);
  });

  test('never goes back, whatever becomes known', () => {
    for (const stage of STAGES) {
      const observed = prepared({ main: { run: run() } }, { stage });
      expect(STAGES.indexOf(step(viewOf(podWith(), observed)).next)).toBeGreaterThanOrEqual(
        STAGES.indexOf(stage),
      );
    }
  });

  test('one whose object is gone already has no object to delete', () => {
    const observed = prepared({}, { removed: true, sandbox: 'none', attached: false, mounted: false });
    expect(step(viewOf(podWith(), observed))).toMatchObject({ next: 'gone', effects: [] });
  });
});

describe('the end of a pod that nobody deletes', () => {
  const cases: [string, Partial<PodSpec>, Parameters<typeof prepared>[0], string | undefined][] = [
    ['runs', {}, { main: { run: run() } }, undefined],
    ['exited, restarted always', {}, { main: { run: run(0, { code: 0 }) } }, undefined],
    ['succeeded', { restartPolicy: 'Never' }, { main: { run: run(0, { code: 0 }) } }, 'Succeeded'],
    ['failed', { restartPolicy: 'Never' }, { main: { run: run(0, { code: 2 }) } }, 'Failed'],
    [
      'failed, restarted on failure',
      { restartPolicy: 'OnFailure' },
      { main: { run: run(0, { code: 2 }) } },
      undefined,
    ],
    [
      'lost, restarted on failure',
      { restartPolicy: 'OnFailure' },
      { main: { run: run(0, { code: 137, reason: 'Lost' }) } },
      undefined,
    ],
    [
      'lost, never restarted',
      { restartPolicy: 'Never' },
      { main: { run: run(0, { code: 137, reason: 'Lost' }) } },
      'Failed',
    ],
    [
      'init failed',
      { restartPolicy: 'Never', initContainers: [INIT] },
      { init: { run: run(0, { code: 1 }) } },
      'Failed',
    ],
    [
      'done beside a sidecar that runs',
      { restartPolicy: 'Never', initContainers: [SIDECAR] },
      { side: { run: run() }, main: { run: run(0, { code: 0 }) } },
      'Succeeded',
    ],
  ];
  test.each(cases)('%s', (_, spec, containers, phase) => {
    expect(ending(viewOf(podWith(spec), prepared(containers)))?.phase).toBe(phase);
  });

  test('its deadline', () => {
    const observed = prepared({ main: { run: run(), probing: true } });
    const view = viewOf(podWith({ activeDeadlineSeconds: 200 }), observed);
    expect(ending(view)).toBeUndefined();
    expect(step(view).wakeAtMs).toBe(NOW + 80_000);
    expect(ending({ ...view, nowMs: NOW + 80_000 })).toMatchObject({
      phase: 'Failed',
      reason: 'DeadlineExceeded',
    });
  });
});
