import { describe, expect, test } from 'vitest';
import type { PodSpec } from '#api/objects.ts';
import { StatusError } from '#machinery/errors.ts';
import { type CrashPoint, TestNode } from './test-node.ts';

/** The pods of one node, whole: roster, workers, hooks, executor and status over fakes and a clock that stands still. */

async function started(): Promise<TestNode> {
  const node = new TestNode();
  await node.start();
  return node;
}

const container = (...command: string[]) => ({ name: 'main', image: 'busybox:1', command });
const only = (...command: string[]): Partial<PodSpec> => ({ containers: [container(...command)] });

describe('the life of a pod', () => {
  test('hostUsers: false gives a pod ids of its own, and the same to nobody else, also after a restart', async () => {
    const node = await started();
    await node.create('one', { hostUsers: false });
    await node.create('shared');
    await node.run(1000);
    node.crash();
    await node.start();
    await node.create('two', { hostUsers: false });
    await node.run(1000);
    for (const name of ['one', 'shared', 'two']) expect(node.isReady(name), name).toBe(true);
    const states = await node.runtime.list();
    const idsOf = (name: string) =>
      states.find(({ labels }) => labels['io.kubernetes.pod.name'] === name)!.userNamespace;
    expect(idsOf('shared')).toBeUndefined();
    expect(idsOf('one')).toMatchObject({ size: 65_536 });
    expect(idsOf('two')!.hostId).not.toBe(idsOf('one')!.hostId);
  });

  test('is created, runs, has an address, becomes ready, and is deleted without a trace', async () => {
    const node = await started();
    await node.create('web');
    await node.run(500);
    expect(node.pod('web')?.status).toMatchObject({
      phase: 'Running',
      podIP: '10.244.0.2',
      hostIP: '192.0.2.1',
    });
    expect(node.status('web')).toMatchObject({ ready: true, started: true, restartCount: 0 });
    expect(node.isReady('web')).toBe(true);
    await node.delete('web');
    await node.run(500);
    expect(node.pod('web')).toBeUndefined();
    expect(await node.traces()).toEqual([]);
    expect(node.calls.filter((call) => call === 'runtime.stopContainer')).toHaveLength(1);
  });

  test('a program that ends is started again at once, then after a delay that doubles', async () => {
    const node = await started();
    await node.create('crash', only('false'));
    await node.run(500);
    expect(node.status('crash')).toMatchObject({
      restartCount: 1,
      state: { waiting: { reason: 'CrashLoopBackOff', message: expect.stringContaining('back-off 10s') } },
      lastState: { terminated: { exitCode: 1, reason: 'Error' } },
    });
    await node.run(9_400);
    expect(node.status('crash')?.restartCount).toBe(1);
    await node.run(1_000);
    expect(node.status('crash')).toMatchObject({
      restartCount: 2,
      state: { waiting: { message: expect.stringContaining('back-off 20s') } },
    });
    expect(node.events).toContainEqual(expect.objectContaining({ reason: 'BackOff' }));
  });

  test('a pod that is not to be restarted succeeds or fails, and lets go of the node', async () => {
    const node = await started();
    await node.create('good', { ...only('true'), restartPolicy: 'Never' });
    await node.create('bad', { ...only('sh', '-c', 'exit 3'), restartPolicy: 'Never' });
    await node.run(500);
    expect(node.pod('good')?.status?.phase).toBe('Succeeded');
    expect(node.pod('bad')?.status?.phase).toBe('Failed');
    expect(node.status('bad')?.state?.terminated).toMatchObject({ exitCode: 3, reason: 'Error' });
    expect((await node.traces()).filter((one) => !one.includes('/agent/pods'))).toEqual([]);
  });

  test('a process of it that the kernel kills for want of memory is named, though the container goes on', async () => {
    const node = await started();
    await node.create('web');
    await node.run(500);
    node.runtime.killForMemory(node.pod('web')!.metadata.uid!, 'main.0', 'worker', 77);
    await node.run(100);
    const message = 'Memory cgroup out of memory: Killed process 77 (worker)';
    expect(node.events).toContainEqual({ reason: 'OOMKilling', message });
    expect(node.status('web')).toMatchObject({ ready: true, restartCount: 0 });
  });

  test('a program that does not exist says so', async () => {
    const node = await started();
    await node.create('typo', { ...only('nosuch'), restartPolicy: 'Never' });
    await node.run(500);
    expect(node.pod('typo')?.status?.phase).toBe('Failed');
    expect(node.status('typo')?.state?.terminated).toMatchObject({
      exitCode: 128,
      reason: 'StartError',
      message: expect.stringContaining('executable file not found'),
    });
  });

  test('an image that cannot be had is waited for', async () => {
    const node = await started();
    const here = node.image;
    node.image = () => ({
      failed: { reason: 'ErrImagePull', message: 'manifest unknown' },
      retryAtMs: node.clock.now() + 1000,
    });
    await node.create('web');
    await node.run(500);
    expect(node.status('web')?.state?.waiting).toEqual({
      reason: 'ErrImagePull',
      message: 'manifest unknown',
    });
    node.image = here;
    await node.run(1000);
    expect(node.isReady('web')).toBe(true);
  });

  test('init containers run one after the other, before the others', async () => {
    const node = await started();
    const init = (name: string) => ({ ...container('sleep', '1'), name });
    await node.create('web', { ...only('obedient'), initContainers: [init('a'), init('b')] });
    await node.run(1_500);
    const states = () =>
      node.pod('web')?.status?.initContainerStatuses?.map(({ state }) => Object.keys(state!)[0]);
    expect(states()).toEqual(['terminated', 'running']);
    expect(node.status('web')?.state?.waiting?.reason).toBe('PodInitializing');
    await node.run(1_000);
    expect(states()).toEqual(['terminated', 'terminated']);
    expect(node.isReady('web')).toBe(true);
  });

  test('readiness follows its probe; a failed liveness probe restarts the container', async () => {
    const node = await started();
    const probe = { httpGet: { port: 80, path: '/' }, periodSeconds: 1, failureThreshold: 2 };
    node.httpStatus = 500;
    await node.create('web', { containers: [{ ...container('obedient'), readinessProbe: probe }] });
    await node.run(1_500);
    expect(node.isReady('web')).toBe(false);
    node.httpStatus = 200;
    await node.run(1_000);
    expect(node.isReady('web')).toBe(true);
    await node.create('live', { containers: [{ ...container('obedient'), livenessProbe: probe }] });
    await node.run(1_500);
    node.httpStatus = 500;
    await node.run(3_000);
    expect(node.status('live')?.restartCount).toBe(1);
    expect(node.events).toContainEqual({
      reason: 'Killing',
      message: 'Container main failed liveness probe, will be restarted',
    });
  });
});

describe('deletion', () => {
  test('waits for the grace of a program that does not end', async () => {
    const node = await started();
    await node.create('slow', { ...only('stubborn'), terminationGracePeriodSeconds: 20 });
    await node.run(500);
    await node.delete('slow');
    await node.run(19_500);
    expect(node.pod('slow')?.metadata.deletionTimestamp).toBeDefined();
    await node.run(1_000);
    expect(node.pod('slow')).toBeUndefined();
    expect(await node.traces()).toEqual([]);
  });

  test('a second, shorter one cuts the grace', async () => {
    const node = await started();
    await node.create('slow', { ...only('stubborn'), terminationGracePeriodSeconds: 300 });
    await node.run(500);
    await node.delete('slow');
    await node.run(1_000);
    await node.delete('slow', 2);
    await node.run(2_500);
    expect(node.pod('slow')).toBeUndefined();
  });

  test('a postStart hook that does not end does not hold it up', async () => {
    const node = await started();
    const lifecycle = { postStart: { sleep: { seconds: 3600 } } };
    await node.create('hook', { containers: [{ ...container('obedient'), lifecycle }] });
    await node.run(500);
    expect(node.isReady('hook')).toBe(false);
    await node.delete('hook');
    await node.run(1_000);
    expect(node.pod('hook')).toBeUndefined();
    expect(node.events.map(({ reason }) => reason)).not.toContain('FailedPostStartHook');
  });

  test('of a pod whose sandbox cannot be made: nothing is left', async () => {
    const node = await started();
    node.runtime.fail('createSandbox', 'Kernel', 1000);
    await node.create('web');
    await node.run(3_000);
    expect(node.events).toContainEqual(expect.objectContaining({ reason: 'FailedCreatePodSandBox' }));
    await node.delete('web');
    await node.run(61_000);
    expect(node.pod('web')).toBeUndefined();
    expect(await node.traces()).toEqual([]);
  });

  test('of a pod whose container cannot be made: its layer goes too', async () => {
    const node = await started();
    node.runtime.fail('startContainer', 'Kernel', 1000);
    await node.create('web');
    await node.run(2_000);
    expect(node.status('web')?.state?.waiting?.reason).toBe('CreateContainerError');
    expect(await node.snapshots.list()).toHaveLength(1);
    await node.delete('web');
    await node.run(61_000);
    expect(await node.traces()).toEqual([]);
  });

  test('a pod whose object is gone at once (forced) ends too', async () => {
    const node = await started();
    await node.create('web', only('stubborn'));
    await node.run(500);
    await node.delete('web', 0);
    expect(node.pod('web')).toBeUndefined();
    await node.run(2_000);
    expect(await node.traces()).toEqual([]);
  });

  test('a namesake that takes its place is another pod', async () => {
    const node = await started();
    const first = await node.create('web', only('stubborn'));
    await node.run(500);
    await node.delete('web', 0);
    const second = await node.create('web');
    await node.run(3_000);
    expect(second.metadata.uid).not.toBe(first.metadata.uid);
    expect(node.pod('web')?.metadata.uid).toBe(second.metadata.uid);
    expect(node.isReady('web')).toBe(true);
    expect((await node.runtime.list()).map(({ id }) => id)).toEqual([second.metadata.uid]);
  });

  test('a status the server does not take holds nothing up', async () => {
    const node = await started();
    await node.create('web');
    node.cluster.intercept((call) =>
      call.subresource === 'status' ? new StatusError('Invalid', 'no such phase') : undefined,
    );
    await node.run(500);
    await node.delete('web');
    await node.run(2_000);
    expect(node.pod('web')).toBeUndefined();
  });
});

describe('a new agent', () => {
  test('takes over what runs: no restart, same address, ready all the time', async () => {
    const node = await started();
    await node.create('web');
    await node.run(1_000);
    const before = node.pod('web')?.status;
    node.crash();
    await node.start();
    await node.run(5_000);
    expect(node.starts).toBe(1);
    expect(node.status('web')).toEqual(before?.containerStatuses?.[0]);
    expect(node.pod('web')?.status?.podIP).toBe(before?.podIP);
    expect(node.pod('web')?.status?.conditions).toEqual(before?.conditions);
  });

  test('learns what ended meanwhile', async () => {
    const node = await started();
    const pod = await node.create('web');
    await node.run(1_000);
    node.crash();
    node.runtime.exitContainer(pod.metadata.uid!, 'main.0', 137, 9, 'OOMKilled');
    await node.start();
    await node.run(1_000);
    expect(node.status('web')).toMatchObject({
      restartCount: 1,
      lastState: { terminated: { reason: 'OOMKilled', exitCode: 137 } },
    });
    expect(node.isReady('web')).toBe(true);
  });

  test('removes what belongs to pods that were deleted meanwhile', async () => {
    const node = await started();
    await node.create('web', { volumes: [{ name: 'v', emptyDir: {} }] });
    await node.run(1_000);
    node.crash();
    await node.delete('web', 0);
    await node.start();
    await node.run(3_000);
    expect(await node.traces()).toEqual([]);
  });

  test('removes directories, layers and logs that no pod owns', async () => {
    const node = await started();
    node.crash();
    await node.files.mkdir('/data/pods/dead-1');
    await node.files.mkdir('/memory/pods/dead-2');
    await node.files.mkdir('/data/logs/pods/default_web_dead-3');
    await node.snapshots.prepare('dead-4.main.0', ['/layers/x']);
    await node.start();
    await node.run(1_000);
    expect(await node.traces()).toEqual([]);
  });

  test('goes on without the server: a container that crashes is started, and the server hears of it later', async () => {
    const node = await started();
    const pod = await node.create('web');
    await node.run(2_000);
    node.crash();
    const back = node.cluster.intercept(() => new StatusError('ServiceUnavailable', 'away'));
    await node.start();
    await node.run(1_000);
    node.runtime.exitContainer(pod.metadata.uid!, 'main.0', 1);
    await node.run(1_000);
    expect(node.starts).toBe(2);
    back();
    await node.run(15_000);
    expect(node.status('web')?.restartCount).toBe(1);
    expect(node.isReady('web')).toBe(true);
  });

  test('removes nothing as long as the server has not spoken', async () => {
    const node = await started();
    await node.create('web');
    await node.run(2_000);
    node.crash();
    node.cluster.intercept(() => new StatusError('ServiceUnavailable', 'away'));
    await node.start();
    await node.run(60_000);
    expect(await node.runtime.list()).toHaveLength(1);
  });
});

describe('what is lost', () => {
  test('a lost sandbox is made again, and its containers started in it', async () => {
    const node = await started();
    const pod = await node.create('web');
    await node.run(15_000);
    node.runtime.loseSandbox(pod.metadata.uid!);
    await node.run(500);
    expect(node.status('web')).toMatchObject({
      restartCount: 1,
      lastState: { terminated: { reason: 'ContainerStatusUnknown', exitCode: 137 } },
    });
    expect(node.isReady('web')).toBe(true);
    expect(node.pod('web')?.status?.podIP).toBe('10.244.0.2');
  });

  test('one that is lost again and again is made with growing delays', async () => {
    const node = await started();
    const pod = await node.create('web');
    for (let i = 0; i < 3; i++) {
      await node.run(500);
      node.runtime.loseSandbox(pod.metadata.uid!);
    }
    await node.run(500);
    expect(node.starts).toBeLessThanOrEqual(2);
    expect(node.status('web')?.state?.waiting?.reason).toBe('CrashLoopBackOff');
  });

  test('after a reboot everything is started again', async () => {
    const node = await started();
    const pod = await node.create('web');
    await node.run(15_000);
    node.crash();
    await node.runtime.removeSandbox(pod.metadata.uid!);
    await node.start();
    await node.run(1_000);
    expect(node.status('web')?.restartCount).toBe(1);
    expect(node.isReady('web')).toBe(true);
  });
});

describe('a machine that goes down', () => {
  test('ends containers as their pods ask for, within its own time, and starts nothing', async () => {
    const node = await started();
    const preStop = { sleep: { seconds: 3 } };
    const lifecycle = { preStop };
    await node.create('web', { containers: [{ ...container('obedient'), lifecycle }] });
    await node.create('stubborn', { ...only('stubborn'), terminationGracePeriodSeconds: 300 });
    await node.run(1_000);
    let halted = false;
    void node.roster.halt({ regularMs: 10_000, criticalMs: 2_000 }).then(() => {
      halted = true;
    });
    await node.run(2_000);
    expect(node.isReady('web')).toBe(true);
    await node.create('late');
    await node.run(3_000);
    expect(node.isReady('web')).toBe(false);
    expect(halted).toBe(false);
    await node.run(6_000);
    expect(halted).toBe(true);
    // They are neither deleted nor failed.
    for (const name of ['web', 'stubborn', 'late']) expect(node.pod(name)?.status?.phase).not.toBe('Failed');
    expect(node.starts).toBe(2);
  });

  test('ends those that keep the cluster going last, in a time of their own', async () => {
    const node = await started();
    await node.create('web', { ...only('stubborn'), terminationGracePeriodSeconds: 300 });
    await node.create('vital', {
      ...only('stubborn'),
      terminationGracePeriodSeconds: 300,
      priority: 2_000_000_000,
    });
    await node.run(1_000);
    let halted = false;
    void node.roster.halt({ regularMs: 5_000, criticalMs: 3_000 }).then(() => {
      halted = true;
    });
    await node.run(5_500);
    expect([node.isReady('web'), node.isReady('vital')]).toEqual([false, true]);
    await node.run(2_000);
    expect([node.isReady('vital'), halted]).toEqual([true, false]);
    await node.run(1_500);
    expect([node.isReady('vital'), halted]).toEqual([false, true]);
  });

  test('starts its pods anew when it is back', async () => {
    const node = await started();
    const { uid } = (await node.create('web')).metadata;
    await node.run(1_000);
    void node.roster.halt({ regularMs: 10_000, criticalMs: 2_000 });
    await node.run(1_000);
    node.crash();
    await node.runtime.removeSandbox(uid!);
    await node.start();
    await node.run(1_000);
    expect(node.isReady('web')).toBe(true);
    expect(node.status('web')?.restartCount).toBe(1);
  });

  test('deletes what is being deleted, in less time', async () => {
    const node = await started();
    await node.create('stubborn', { ...only('stubborn'), terminationGracePeriodSeconds: 300 });
    await node.run(1_000);
    await node.delete('stubborn');
    await node.run(1_000);
    void node.roster.halt({ regularMs: 5_000, criticalMs: 2_000 });
    await node.run(6_000);
    expect(node.pod('stubborn')).toBeUndefined();
  });
});

describe('a crash at any step', () => {
  const spec: Partial<PodSpec> = {
    ...only('obedient'),
    initContainers: [{ ...container('true'), name: 'init' }],
    volumes: [{ name: 'scratch', emptyDir: {} }],
  };

  /** Up, ready, deleted, gone; the agent dies where told, and a new one comes a second later. */
  async function life(crashAt?: CrashPoint): Promise<TestNode> {
    const node = await started();
    node.crashAt = crashAt;
    const { uid } = (await node.create('web', spec)).metadata;
    await settle(node);
    expect(node.isReady('web'), describeCrash(node, crashAt)).toBe(true);
    const hosts = await node.files.read(`/data/pods/${uid}/hosts`);
    expect(Buffer.from(hosts ?? '').toString(), describeCrash(node, crashAt)).toContain('10.244.0.2\tweb');
    expect(node.status('web')?.restartCount).toBe(0);
    await node.delete('web');
    await settle(node);
    return node;
  }

  async function settle(node: TestNode): Promise<void> {
    await node.run(2_000);
    if (node.alive) return;
    node.crashAt = undefined;
    await node.start();
    await node.run(5_000);
  }

  const describeCrash = (node: TestNode, at?: CrashPoint) =>
    at ? `crash ${at.when} call ${at.call}, ${node.calls[at.call]}` : 'no crash';

  test('the pod becomes what it should all the same, nothing runs twice, and nothing is left behind', async () => {
    const { calls, starts } = await life();
    expect(calls.length).toBeGreaterThan(20);
    expect(starts).toBe(2);
    for (const call of calls.keys()) {
      for (const when of ['before', 'after'] as const) {
        const node = await life({ call, when });
        const where = describeCrash(node, { call, when });
        expect(node.pod('web'), where).toBeUndefined();
        expect(await node.traces(), where).toEqual([]);
        expect(
          node.log.filter(({ level }) => level === 'error'),
          where,
        ).toEqual([]);
      }
    }
  });

  test('a failure of any step is got over as well', async () => {
    const rooms = ['createSandbox', 'startContainer', 'stopContainer', 'removeSandbox'] as const;
    for (const call of rooms) {
      const node = await started();
      node.runtime.fail(call, 'Kernel', 2);
      await node.create('web', spec);
      await node.run(10_000);
      expect(node.isReady('web'), call).toBe(true);
      await node.delete('web');
      await node.run(10_000);
      expect(node.pod('web'), call).toBeUndefined();
      expect(await node.traces(), call).toEqual([]);
    }
  });
});
