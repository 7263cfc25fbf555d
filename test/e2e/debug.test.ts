import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestCluster } from '../harness/cluster.ts';
import { whyNoHost } from '../harness/host.ts';
import { TestPods } from '../harness/pods.ts';
import { eventually } from '../harness/run.ts';

/** `kubectl debug` of a pod: a container that is added to it while it runs. */
describe.skipIf(whyNoHost())('kubectl debug', () => {
  const cluster = new TestCluster();
  const pods = new TestPods(cluster);
  const debug = (container: string, image: string, ...command: string[]) =>
    cluster.must([
      ...['debug', 'pod/web', `--image=${image}`, `--container=${container}`, '--profile=general'],
      ...['--image-pull-policy=IfNotPresent', '--', ...command],
    ]);
  const stateOf = async (container: string) =>
    (await pods.get('web')).status?.ephemeralContainerStatuses?.find(({ name }) => name === container)?.state;

  beforeAll(async () => {
    await cluster.start();
    await cluster.loadImages(['gantry/busybox:1']);
    await pods.run('web', {
      containers: [pods.container('mkdir /w; echo hello > /w/index.html; exec httpd -f -p 8080 -h /w')],
    });
  });
  afterAll(async () => expect(await cluster.destroy()).toEqual([]));

  test('a container joins the network of the pod, and its end is told', async () => {
    await debug('look', 'gantry/busybox:1', 'sh', '-c', 'wget -q -O - http://127.0.0.1:8080/; exit 3');
    await eventually('it has ended', async () => (await stateOf('look'))?.terminated);
    expect((await stateOf('look'))?.terminated).toMatchObject({ exitCode: 3, reason: 'Error' });
    expect(await cluster.must(['logs', 'web', '-c', 'look'])).toBe('hello\n');
    const [status] = (await pods.get('web')).status!.containerStatuses!;
    expect(status).toMatchObject({ ready: true, restartCount: 0 });
  });

  test('an image that does not exist is told, and the pod stays Ready', async () => {
    await debug('missing', 'localhost:1/nothing:1', 'true');
    await eventually(
      'it is told',
      async () =>
        /ErrImagePull|ImagePullBackOff/.test((await stateOf('missing'))?.waiting?.reason ?? '') || undefined,
    );
    await cluster.must(['wait', '--for=condition=Ready', 'pod/web', '--timeout=30s']);
  });

  test('it can be entered, and runs on while the agent is away', async () => {
    await debug('stay', 'gantry/busybox:1', 'sh', '-c', 'exec sleep 1000');
    await eventually('it runs', async () => (await stateOf('stay'))?.running);
    const [agent] = cluster.pids('agent');
    process.kill(agent!, 'SIGKILL');
    // A call that met the agent on its way out is given up and made anew.
    const enter = () =>
      cluster.kubectl(['exec', 'web', '-c', 'stay', '--', 'cat', '/proc/1/comm'], { timeoutMs: 10_000 });
    await eventually(
      'another agent serves',
      async () => {
        const { code, stdout } = await enter();
        return (code === 0 && stdout === 'sleep\n') || undefined;
      },
      { timeoutMs: 90_000 },
    );
    expect((await stateOf('stay'))?.running).toBeDefined();
    await pods.delete('web');
  });
});
