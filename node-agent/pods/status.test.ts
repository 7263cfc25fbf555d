import { describe, expect, test } from 'vitest';
import type { PodSpec } from '#api/objects.ts';
import { newObserved, type Observed } from './observed.ts';
import { podStatus } from './status.ts';
import { MAIN, NOW, podWith, prepared, run, viewOf } from './views.ts';

const NODE = { hostIPs: ['192.0.2.1'] };

const statusOf = (observed: Observed, spec: Partial<PodSpec> = {}) =>
  podStatus(viewOf(podWith(spec), observed), NODE);

const conditions = (observed: Observed, spec: Partial<PodSpec> = {}) =>
  Object.fromEntries((statusOf(observed, spec).conditions ?? []).map(({ type, status }) => [type, status]));

describe('the phase', () => {
  const cases: [string, Partial<PodSpec>, Observed, string][] = [
    ['nothing is there', {}, newObserved(NOW), 'Pending'],
    ['the container runs', {}, prepared({ main: { run: run() } }), 'Running'],
    [
      'the container is started again',
      {},
      prepared({ main: { run: run(1, {}), backoffMs: 10_000 } }),
      'Running',
    ],
    [
      'one of two has not run yet',
      { containers: [MAIN, { ...MAIN, name: 'other' }] },
      prepared({ main: { run: run() } }),
      'Pending',
    ],
    [
      'an init container runs',
      { initContainers: [{ ...MAIN, name: 'init' }] },
      prepared({ init: { run: run() } }),
      'Pending',
    ],
    [
      'all are done',
      { restartPolicy: 'Never' },
      prepared({ main: { run: run(0, { code: 0 }) } }),
      'Succeeded',
    ],
    ['one failed', { restartPolicy: 'Never' }, prepared({ main: { run: run(0, { code: 1 }) } }), 'Failed'],
    [
      'it was stopped and ended well',
      {},
      prepared({ main: { run: run(0, { code: 0 }) } }, { stage: 'teardown' }),
      'Succeeded',
    ],
    [
      'it was stopped and killed',
      {},
      prepared({ main: { run: run(0, { code: 137 }) } }, { stage: 'teardown' }),
      'Failed',
    ],
    ['it is being stopped', {}, prepared({ main: { run: run() } }, { stage: 'stop' }), 'Running'],
  ];
  test.each(cases)('when %s', (_, spec, observed, phase) => {
    expect(statusOf(observed, spec).phase).toBe(phase);
  });
});

describe('a container', () => {
  test('that was never started is being created', () => {
    expect(statusOf(newObserved(NOW)).containerStatuses).toEqual([
      {
        name: 'main',
        image: 'busybox:1',
        imageID: '',
        ready: false,
        started: false,
        restartCount: 0,
        state: { waiting: { reason: 'ContainerCreating' } },
        lastState: {},
        resources: {},
      },
    ]);
  });

  test('that runs has an id, and is ready as its probes say', () => {
    const [status] = statusOf(prepared({ main: { run: run(2) } })).containerStatuses!;
    expect(status).toMatchObject({
      containerID: 'gantry://uid-1.main.2',
      restartCount: 2,
      ready: true,
      started: true,
      state: { running: { startedAt: '2026-01-01T11:59:00Z' } },
    });
    for (const part of [{ ready: false }, { started: false }, { hooked: false }]) {
      expect(statusOf(prepared({ main: { run: run(), ...part } })).containerStatuses![0]!.ready).toBe(false);
    }
  });

  test('that has run says how its volumes are mounted', () => {
    const mounts = [
      { name: 'a', mountPath: '/a' },
      { name: 'b', mountPath: '/b', readOnly: true, recursiveReadOnly: 'IfPossible' },
    ];
    const spec = { containers: [{ ...MAIN, volumeMounts: mounts }] };
    expect(statusOf(newObserved(NOW), spec).containerStatuses![0]).not.toHaveProperty('volumeMounts');
    expect(statusOf(prepared({ main: { run: run() } }), spec).containerStatuses![0]!.volumeMounts).toEqual([
      { name: 'a', mountPath: '/a' },
      { name: 'b', mountPath: '/b', readOnly: true, recursiveReadOnly: 'Enabled' },
    ]);
  });

  test('that waits for its restart says for how long, and how it ended', () => {
    const observed = prepared({ main: { run: run(4, { code: 3 }), backoffMs: 80_000 } });
    const [status] = statusOf(observed).containerStatuses!;
    expect(status!.state).toEqual({
      waiting: {
        reason: 'CrashLoopBackOff',
        message: 'back-off 1m20s restarting failed container=main pod=web_default(uid-1)',
      },
    });
    expect(status!.lastState?.terminated).toMatchObject({ exitCode: 3, reason: 'Error' });
  });

  test('tells its own last words before those of the runtime', () => {
    const words = (message: string | undefined) => {
      const one = { ...run(0, { message: 'runtime' }), ...(message !== undefined && { message }) };
      return statusOf(prepared({ main: { run: one } }), { restartPolicy: 'Never' }).containerStatuses![0]!
        .state?.terminated?.message;
    };
    expect([words('own'), words(''), words(undefined)]).toEqual(['own', 'runtime', 'runtime']);
  });

  test('whose image is missing says so, but not while init containers run', () => {
    const waiting = { reason: 'ErrImagePull', message: 'no' };
    const spec = { initContainers: [{ ...MAIN, name: 'init' }] };
    expect(statusOf(prepared({ main: { waiting } })).containerStatuses![0]!.state?.waiting).toEqual(waiting);
    expect(statusOf(prepared({ main: { waiting } }), spec).containerStatuses![0]!.state?.waiting).toEqual({
      reason: 'PodInitializing',
    });
  });
});

describe('the conditions', () => {
  test('of a ready pod', () => {
    expect(conditions(prepared({ main: { run: run() } }))).toEqual({
      PodReadyToStartContainers: 'True',
      Initialized: 'True',
      Ready: 'True',
      ContainersReady: 'True',
      PodScheduled: 'True',
    });
  });

  test('of one without a network', () => {
    const observed = prepared({}, { attachment: undefined });
    expect(conditions(observed)).toMatchObject({ PodReadyToStartContainers: 'False', Ready: 'False' });
  });

  test('readiness gates of others count, and their conditions stay', () => {
    const spec = { readinessGates: [{ conditionType: 'example.com/gate' }] };
    const observed = prepared({ main: { run: run() } });
    expect(conditions(observed, spec)).toMatchObject({ Ready: 'False', ContainersReady: 'True' });
    const pod = podWith(spec);
    pod.status = { conditions: [{ type: 'example.com/gate', status: 'True' }] };
    const { conditions: found } = podStatus(viewOf(pod, observed), NODE);
    expect(found).toContainEqual({ type: 'example.com/gate', status: 'True' });
    expect(found!.find(({ type }) => type === 'Ready')?.status).toBe('True');
  });

  test('keep the time of their last change', () => {
    const pod = podWith();
    const observed = prepared({ main: { run: run() } });
    pod.status = podStatus(viewOf(pod, observed), NODE);
    const later = podStatus(viewOf(pod, observed, [], NOW + 60_000), NODE);
    expect(later.conditions).toEqual(pod.status.conditions);
    observed.containers.get('main')!.ready = false;
    const unready = podStatus(viewOf(pod, observed, [], NOW + 60_000), NODE).conditions!;
    expect(unready.find(({ type }) => type === 'Ready')).toMatchObject({
      status: 'False',
      reason: 'ContainersNotReady',
      message: 'containers with unready status: [main]',
      lastTransitionTime: '2026-01-01T12:01:00Z',
    });
  });
});

test('addresses are those of the pod, of the node on its network, and stay with a pod that ended', () => {
  expect(statusOf(prepared()).podIPs).toEqual([{ ip: '10.244.0.2' }]);
  expect(statusOf(prepared(), { hostNetwork: true }).podIP).toBe('192.0.2.1');
  const pod = podWith({ restartPolicy: 'Never' });
  pod.status = { podIPs: [{ ip: '10.244.0.9' }] };
  const ended = prepared(
    { main: { run: run(0, { code: 0 }) } },
    { attachment: undefined, stage: 'finished' },
  );
  expect(podStatus(viewOf(pod, ended), NODE).podIP).toBe('10.244.0.9');
});
