import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestCluster } from '../harness/cluster.ts';
import { whyNoHost } from '../harness/host.ts';
import { conditionOf, statusOf, TestPods } from '../harness/pods.ts';
import { eventually } from '../harness/run.ts';

/** Probes, hooks, restarts, and how a pod comes to its end. */
describe.skipIf(whyNoHost())('lifecycle', () => {
  const cluster = new TestCluster();
  const pods = new TestPods(cluster);
  const { container } = pods;

  beforeAll(async () => {
    await cluster.start();
    await cluster.loadImages(['gantry/busybox:1']);
  });
  afterAll(async () => {
    expect(await cluster.destroy()).toEqual([]);
  });

  describe('probes', () => {
    test('liveness: a container that fails it is started anew, and it is said', async () => {
      await pods.run('liveness', {
        containers: [
          container('touch /tmp/well; exec sleep 1000', {
            livenessProbe: {
              exec: { command: ['cat', '/tmp/well'] },
              periodSeconds: 1,
              timeoutSeconds: 10,
              failureThreshold: 2,
            },
          }),
        ],
      });
      await pods.sh('liveness', 'rm /tmp/well');
      const pod = await pods.until('liveness', (found) => statusOf(found)?.restartCount === 1);
      expect(statusOf(pod)?.lastState?.terminated?.exitCode).toBe(137);
      // Events are written beside the status, not before it.
      await eventually('it is said', async () => {
        const events = await pods.events('liveness');
        const failed = events.some((event) => event.includes('Unhealthy: Liveness probe failed: cat: can'));
        return (
          (failed && events.includes('Killing: Container c failed liveness probe, will be restarted')) ||
          undefined
        );
      });
    });

    test('readiness: the Service has only those that pass it', async () => {
      await pods.create(
        'readiness',
        {
          containers: [
            container('mkdir /w; exec httpd -f -p 8080 -h /w', {
              readinessProbe: { httpGet: { path: '/ok', port: 8080 }, periodSeconds: 1, failureThreshold: 1 },
            }),
          ],
        },
        { labels: { app: 'readiness' } },
      );
      await cluster.must(['expose', 'pod', 'readiness', '--port=80', '--target-port=8080']);
      const endpoints = () =>
        cluster.must([
          ...['get', 'endpoints', 'readiness', '-o'],
          'jsonpath={range .subsets[*]}{.addresses[*].ip};{.notReadyAddresses[*].ip}{end}',
        ]);
      const { podIP } = (await pods.until('readiness', (found) => statusOf(found)?.started === true)).status!;
      await eventually('not ready', async () => (await endpoints()) === `;${podIP}` || undefined);
      expect(conditionOf(await pods.get('readiness'), 'Ready')).toBe('False');
      await pods.sh('readiness', 'echo ok > /w/ok');
      await eventually('ready', async () => (await endpoints()) === `${podIP};` || undefined);
      const ip = await cluster.must(['get', 'service', 'readiness', '-o', 'jsonpath={.spec.clusterIP}']);
      const answer = () => cluster.inside('curl', ['-s', '-m', '2', `http://${ip}/ok`]);
      await eventually('it answers', async () => (await answer()).stdout === 'ok\n' || undefined);
      await pods.sh('readiness', 'rm /w/ok');
      await eventually('it refuses', async () => (await answer()).code === 7 || undefined);
      expect(statusOf(await pods.get('readiness'))?.restartCount).toBe(0);
    });

    test('startup: holds the other probes back until it passes', async () => {
      await pods.create('startup', {
        containers: [
          container('sleep 3; touch /tmp/started; exec sleep 1000', {
            startupProbe: {
              exec: { command: ['cat', '/tmp/started'] },
              periodSeconds: 1,
              timeoutSeconds: 10,
              failureThreshold: 30,
            },
            livenessProbe: {
              exec: { command: ['cat', '/tmp/started'] },
              periodSeconds: 1,
              timeoutSeconds: 10,
              failureThreshold: 1,
            },
          }),
        ],
      });
      const early = await pods.until('startup', (found) => statusOf(found)?.state?.running !== undefined);
      expect(statusOf(early)).toMatchObject({ started: false, ready: false });
      await pods.ready('startup');
      expect(statusOf(await pods.get('startup'))).toMatchObject({
        started: true,
        ready: true,
        restartCount: 0,
      });
    });

    test('a readiness gate holds the pod back until its condition is true', async () => {
      await pods.create('gate', {
        readinessGates: [{ conditionType: 'example.com/door' }],
        containers: [container('exec sleep 1000')],
      });
      await pods.until('gate', (found) => conditionOf(found, 'ContainersReady') === 'True');
      expect(conditionOf(await pods.get('gate'), 'Ready')).toBe('False');
      const status = { conditions: [{ type: 'example.com/door', status: 'True' }] };
      await cluster.must([
        ...['patch', 'pod', 'gate', '--subresource=status', '--type=strategic'],
        ...['-p', JSON.stringify({ status })],
      ]);
      await pods.ready('gate');
      expect(conditionOf(await pods.get('gate'), 'example.com/door')).toBe('True');
    });
  });

  describe('hooks', () => {
    const volumes = [
      { name: 'v', hostPath: { path: `${cluster.directory}-hooks`, type: 'DirectoryOrCreate' } },
    ];
    const volumeMounts = [{ name: 'v', mountPath: '/v' }];
    const notes = async () => (await cluster.inside('cat', [`${cluster.directory}-hooks/notes`])).stdout;
    afterAll(() => cluster.inside('rm', ['-rf', `${cluster.directory}-hooks`]));

    test('postStart runs beside the program, preStop before SIGTERM, both to their end', async () => {
      await pods.run('hooks', {
        terminationGracePeriodSeconds: 20,
        containers: [
          container('trap "echo term >> /v/notes; exit 0" TERM; while true; do sleep 0.1; done', {
            volumeMounts,
            lifecycle: {
              postStart: { exec: { command: ['sh', '-c', 'echo started >> /v/notes'] } },
              preStop: { exec: { command: ['sh', '-c', 'sleep 1; echo stopping >> /v/notes'] } },
            },
          }),
        ],
        volumes,
      });
      expect(await notes()).toBe('started\n');
      await pods.delete('hooks');
      expect(await notes()).toBe('started\nstopping\nterm\n');
    });

    test('a postStart hook that fails ends its container', async () => {
      await pods.create('bad-hook', {
        containers: [
          container('exec sleep 1000', { lifecycle: { postStart: { exec: { command: ['false'] } } } }),
        ],
      });
      await pods.until('bad-hook', (found) => (statusOf(found)?.restartCount ?? 0) > 0);
      await eventually('it is said', async () => {
        const events = await pods.events('bad-hook');
        return events.some((event) => event.includes('FailedPostStartHook')) || undefined;
      });
    });
  });

  describe('the end of a pod', () => {
    test('Never: it has Succeeded when all containers end with 0', async () => {
      await pods.create('done', { restartPolicy: 'Never', containers: [container('echo bye')] });
      const pod = await pods.until('done', (found) => found.status?.phase === 'Succeeded');
      expect(statusOf(pod)).toMatchObject({ ready: false, restartCount: 0 });
      expect(pod.status?.conditions?.find(({ type }) => type === 'Ready')).toMatchObject({
        status: 'False',
        reason: 'PodCompleted',
      });
      expect(await cluster.must(['logs', 'done'])).toBe('bye\n');
    });

    test('Never: it has Failed when one of them does not, after the others have ended', async () => {
      await pods.create('mixed', {
        restartPolicy: 'Never',
        containers: [
          { ...container('exit 4'), name: 'bad' },
          { ...container('sleep 5'), name: 'good' },
        ],
      });
      // It is Pending as long as the other has not started.
      await pods.until('mixed', (found) => {
        const [bad, good] = [statusOf(found, 'bad')?.state, statusOf(found, 'good')?.state];
        return (
          bad?.terminated !== undefined && good?.running !== undefined && found.status?.phase === 'Running'
        );
      });
      const pod = await pods.until('mixed', (found) => found.status?.phase === 'Failed');
      expect(statusOf(pod, 'bad')?.state?.terminated).toMatchObject({ exitCode: 4, reason: 'Error' });
      expect(statusOf(pod, 'good')?.state?.terminated).toMatchObject({ exitCode: 0, reason: 'Completed' });
    });

    test('OnFailure: what fails starts again, what succeeds does not', async () => {
      await pods.create('retry', {
        restartPolicy: 'OnFailure',
        containers: [
          container('n=$(wc -l < /v/n 2>/dev/null || echo 0); echo x >> /v/n; [ $n -ge 1 ]', {
            volumeMounts: [{ name: 'v', mountPath: '/v' }],
          }),
        ],
        volumes: [{ name: 'v', emptyDir: {} }],
      });
      const pod = await pods.until('retry', (found) => found.status?.phase === 'Succeeded');
      expect(statusOf(pod)?.restartCount).toBe(1);
      expect(statusOf(pod)?.state?.terminated?.exitCode).toBe(0);
    });

    test('a failed init container ends a pod that is never restarted', async () => {
      await pods.create('bad-init', {
        restartPolicy: 'Never',
        initContainers: [{ ...container('exit 5'), name: 'init' }],
        containers: [container('exec sleep 1000')],
      });
      const pod = await pods.until('bad-init', (found) => found.status?.phase === 'Failed');
      expect(pod.status?.initContainerStatuses?.[0]?.state?.terminated?.exitCode).toBe(5);
      expect(statusOf(pod)?.state?.waiting?.reason).toBe('PodInitializing');
    });

    test('a sidecar starts before the others, runs beside them, and does not keep the pod from its end', async () => {
      await pods.create('sidecar', {
        restartPolicy: 'Never',
        initContainers: [
          {
            ...container('trap "exit 0" TERM; while true; do sleep 0.1; done'),
            name: 'side',
            restartPolicy: 'Always',
          },
        ],
        containers: [container('sleep 1')],
      });
      await pods.until('sidecar', (found) => statusOf(found)?.state?.running !== undefined);
      const pod = await pods.until('sidecar', (found) => found.status?.phase === 'Succeeded');
      expect(pod.status?.initContainerStatuses?.[0]?.state?.terminated?.exitCode).toBe(0);
    });

    test('activeDeadlineSeconds: its time is over', async () => {
      await pods.create('deadline', { activeDeadlineSeconds: 2, containers: [container('exec sleep 1000')] });
      const pod = await pods.until('deadline', (found) => found.status?.phase === 'Failed');
      expect(pod.status?.reason).toBe('DeadlineExceeded');
    });

    test('the last words of a program are in its status', async () => {
      await pods.create('words', {
        restartPolicy: 'Never',
        containers: [
          { ...container('echo because > /dev/termination-log; exit 1'), name: 'file' },
          {
            ...container('echo from the log; exit 1', { terminationMessagePolicy: 'FallbackToLogsOnError' }),
            name: 'log',
          },
        ],
      });
      const pod = await pods.until('words', (found) => found.status?.phase === 'Failed');
      expect(statusOf(pod, 'file')?.state?.terminated?.message).toBe('because\n');
      expect(statusOf(pod, 'log')?.state?.terminated?.message).toBe('from the log\n');
    });

    test('a container that goes on failing waits 10 s, then 20 s, between starts', async () => {
      await pods.create('backoff', { containers: [container('exit 1')] });
      // While it waits, lastState is the newest start; while it runs, the one before.
      const waiting = (restarts: number) =>
        pods.until(
          'backoff',
          (found) =>
            statusOf(found)?.restartCount === restarts && statusOf(found)?.state?.waiting !== undefined,
          20_000,
        );
      const second = statusOf(await waiting(1));
      expect(second?.state?.waiting?.message).toContain('back-off 10s restarting failed container=c');
      const finished = Date.parse(String(second?.lastState?.terminated?.finishedAt));
      const third = statusOf(await waiting(2));
      const started = Date.parse(String(third?.lastState?.terminated?.startedAt));
      expect(started - finished).toBeGreaterThanOrEqual(9_000);
      expect(started - finished).toBeLessThanOrEqual(13_000);
      expect(third?.state?.waiting?.message).toContain('back-off 20s restarting failed container=c');
    });
  });
});
