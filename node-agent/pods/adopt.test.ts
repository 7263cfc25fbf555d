import { describe, expect, test } from 'vitest';
import type { Pod } from '#api/objects.ts';
import type { ContainerState, SandboxState } from '#runtime/contract.ts';
import { LABELS } from '../spec/sandbox.ts';
import { adopt } from './adopt.ts';
import { podStatus } from './status.ts';
import { NOW, podWith, prepared, run, viewOf } from './views.ts';

const ATTACHMENT = { addresses: ['10.244.0.2'], gateway: '10.244.0.1', interface: 'eth0' };

function running(attempt = 0): ContainerState {
  return {
    id: `main.${attempt}`,
    labels: { [LABELS.container]: 'main', [LABELS.attempt]: String(attempt), [LABELS.imageId]: 'sha256:1' },
    state: 'running',
    pid: 7,
    startedAtMs: NOW - 60_000,
  };
}

const exited = (attempt = 0): ContainerState => ({
  ...running(attempt),
  state: 'exited',
  exit: { code: 3, reason: 'Error', finishedAtMs: NOW - 500 },
});

const sandbox = (containers: ContainerState[], state: SandboxState['state'] = 'ready'): SandboxState => ({
  id: 'uid-1',
  labels: {},
  state,
  networkNamespace: '/proc/7/ns/net',
  createdAtMs: 0,
  containers,
});

/** The pod with the status an earlier agent has written of it. */
function podThatRan(attempt = 0, ready = true): Pod {
  const pod = podWith();
  const last = attempt > 0 ? { last: run(attempt - 1, { code: 9 }) } : {};
  pod.status = podStatus(viewOf(pod, prepared({ main: { run: run(attempt), ready, ...last } })), {
    hostIPs: ['192.0.2.1'],
  });
  return pod;
}

const main = (pod: Pod, found: SandboxState | undefined) => {
  const observed = adopt(pod, found, found && ATTACHMENT, NOW);
  return { observed, state: observed.containers.get('main') };
};

describe('a container that runs', () => {
  test('is taken over as it is, with what its probes had said', () => {
    const { observed, state } = main(podThatRan(2), sandbox([running(2)]));
    expect(state).toMatchObject({ ready: true, started: true, hooked: true, backoffMs: 20_000 });
    expect(state?.run).toMatchObject({ id: 'main.2', attempt: 2 });
    expect(state?.run?.exit).toBeUndefined();
    expect(state?.last?.exit?.code).toBe(9);
    expect(observed.attachment).toEqual(ATTACHMENT);
  });

  test('of which the server has not heard yet is taken over too', () => {
    const { state } = main(podThatRan(0), sandbox([exited(0), running(1)]));
    expect([state?.run?.attempt, state?.last?.attempt, state?.ready]).toEqual([1, 0, undefined]);
  });

  test('leaves starts before the last one to be forgotten', () => {
    const { observed } = main(podThatRan(3), sandbox([exited(0), exited(1), exited(2), running(3)]));
    expect([...observed.leftovers]).toEqual(['main.0', 'main.1']);
  });
});

test('a container that ended meanwhile has its exit', () => {
  expect(main(podThatRan(), sandbox([exited()])).state?.run?.exit).toMatchObject({
    code: 3,
    reason: 'Error',
  });
});

test('a container the runtime does not know any more is lost', () => {
  expect(main(podThatRan(), sandbox([])).state?.run?.exit).toMatchObject({ code: 137, reason: 'Lost' });
});

test('a lost sandbox has lost its containers; after a reboot there is not even that', () => {
  const lost = main(podThatRan(), sandbox([running()], 'lost'));
  expect(lost.observed).toMatchObject({ sandbox: 'lost', attached: true });
  expect(lost.state?.run?.exit?.reason).toBe('Lost');
  const rebooted = main(podThatRan(), undefined);
  expect(rebooted.observed).toMatchObject({ sandbox: 'none', attached: false });
  expect(rebooted.state?.run?.exit?.reason).toBe('Lost');
});

test('before its first container a pod is attached again: files may not have been written', () => {
  const { observed } = main(podWith(), sandbox([]));
  expect(observed).toMatchObject({ sandbox: 'ready', attached: true });
  expect(observed.attachment).toBeUndefined();
});

test('a pod that ended stays so', () => {
  const pod = podWith({ restartPolicy: 'Never' });
  const status = { phase: 'Failed', reason: 'Evicted', message: 'm' };
  const image = { name: 'main', image: 'i', imageID: '', ready: false, restartCount: 0 };
  pod.status = { ...status, containerStatuses: [image] };
  expect(adopt(pod, undefined, undefined, NOW).terminal).toEqual(status);
  // It was never taken: nothing was said of its containers.
  pod.status = status;
  expect(adopt(pod, undefined, undefined, NOW).terminal).toEqual({ ...status, rejected: true });
});
