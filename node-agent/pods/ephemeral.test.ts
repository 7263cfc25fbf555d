/** Containers that people add to a pod that runs. Source: Kubernetes documentation, "Ephemeral Containers". */
import { describe, expect, test } from 'vitest';
import type { PodSpec } from '#api/objects.ts';
import { imagesInUse } from '../images/in-use.ts';
import { podReferences } from '../sources/references.ts';
import { adopt } from './adopt.ts';
import { fieldPath } from './context.ts';
import { effectKey } from './effects.ts';
import type { Observed } from './observed.ts';
import { podStatus } from './status.ts';
import { ending, step } from './step.ts';
import { MAIN, NOW, podWith, prepared, run, viewOf } from './views.ts';

const SPEC: Partial<PodSpec> = {
  ephemeralContainers: [
    { name: 'other', image: 'busybox:1', envFrom: [{ configMapRef: { name: 'settings' } }] },
  ],
};
const NODE = { hostIPs: ['192.0.2.1'] };

const keys = (observed: Observed, spec: Partial<PodSpec> = SPEC) =>
  step(viewOf(podWith(spec), observed)).effects.map(effectKey);
const statusOf = (observed: Observed) => podStatus(viewOf(podWith(SPEC), observed), NODE);

describe('an ephemeral container', () => {
  test('is started in a pod that runs, and beside init containers', () => {
    expect(keys(prepared({ main: { run: run(), probing: true } }))).toEqual(['startContainer:other.0']);
    const init = { ...SPEC, initContainers: [{ name: 'init', image: 'busybox:1' }] };
    expect(keys(prepared(), init)).toEqual(['startContainer:init.0', 'startContainer:other.0']);
  });

  test('waits for its image alone', () => {
    const observed = prepared({ main: { run: run(), probing: true } });
    observed.images.delete('other');
    expect(keys(observed)).toEqual(['resolveImage:other']);
    observed.images.set('other', { failed: { reason: 'ErrImagePull', message: 'gone' } });
    observed.images.delete('main');
    expect(keys(observed)).toContain('resolveImage:main');
  });

  test('is never started again, whatever the policy of the pod', () => {
    for (const code of [0, 1])
      expect(
        keys(prepared({ main: { run: run(), probing: true }, other: { run: run(0, { code }) } })),
      ).toEqual([]);
    const lost = { run: run(0, { reason: 'Lost' }) };
    expect(keys(prepared({ main: { run: run(), probing: true }, other: lost }))).toEqual([]);
  });

  test('decides nothing about the pod', () => {
    const failed = prepared({ main: { run: run() }, other: { run: run(0, { code: 3 }) } });
    const { phase, conditions, ephemeralContainerStatuses } = statusOf(failed);
    expect(phase).toBe('Running');
    expect(conditions?.find(({ type }) => type === 'Ready')?.status).toBe('True');
    expect(ephemeralContainerStatuses).toMatchObject([
      {
        name: 'other',
        ready: false,
        restartCount: 0,
        state: { terminated: { exitCode: 3, reason: 'Error' } },
      },
    ]);
    const done = prepared({ main: { run: run(0, { code: 0 }) }, other: { run: run() } });
    const view = viewOf(podWith({ ...SPEC, restartPolicy: 'Never' }), done);
    expect(ending(view)).toMatchObject({ phase: 'Succeeded' });
    // What still looks into the pod is stopped with it.
    expect(step(view).effects.map(effectKey)).toEqual(['stopContainer:other.0:30000']);
  });

  test('is told as waiting with the reason', () => {
    const observed = prepared({ main: { run: run() } });
    observed.containers.set('other', {
      ...{ backoffMs: 0, restartedAtMs: 0, hooked: false },
      waiting: { reason: 'ErrImagePull', message: 'gone' },
    });
    expect(statusOf(observed).ephemeralContainerStatuses).toMatchObject([
      { state: { waiting: { reason: 'ErrImagePull', message: 'gone' } } },
    ]);
  });

  test('is recalled from the status of the pod', () => {
    const status = statusOf(prepared({ main: { run: run() }, other: { run: run(0, { code: 3 }) } }));
    const pod = { ...podWith(SPEC), status };
    expect(adopt(pod, undefined, undefined, NOW).containers.get('other')?.run?.exit?.code).toBe(3);
  });

  test('has its image kept, its sources watched, and its place in events', () => {
    const pod = podWith(SPEC);
    const observed = prepared();
    observed.images.clear();
    const image = { id: 'sha256:2', names: ['docker.io/library/busybox:1'] };
    const worker = {
      pod: () => podWith({ ...SPEC, containers: [{ ...MAIN, image: 'else' }] }),
      observed: () => observed,
    };
    expect([...imagesInUse([worker], [image as never])]).toEqual(['sha256:2']);
    expect(podReferences(pod).configMaps).toEqual(['settings']);
    expect(fieldPath(pod, 'other')).toBe('spec.ephemeralContainers{other}');
  });
});
