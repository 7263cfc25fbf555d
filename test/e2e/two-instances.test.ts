import { rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Pod } from '#api/objects.ts';
import { TestCluster } from '../harness/cluster.ts';
import { whyNoHost } from '../harness/host.ts';
import { eventually } from '../harness/run.ts';

/** Everything in the kernel is named after the data directory: two instances on one machine never meet. */
describe.skipIf(whyNoHost())('two instances on one machine', () => {
  const one = new TestCluster();
  const two = new TestCluster(one.host);
  const flags = [
    ['--listen', '127.0.0.1:7443'],
    ['--pod-cidr', '10.245.0.0/16'],
    ['--service-cidr', '10.97.0.0/16'],
    ['--node-port-range', '31000-31999'],
  ].flat();
  const instances = [one, two];

  beforeAll(async () => {
    await one.start();
    await two.up(flags);
    for (const cluster of instances) {
      await cluster.loadImages(['gantry/hello:1']);
      await cluster.must(['create', 'deployment', 'web', '--image=gantry/hello:1', '--port=8080']);
      await cluster.must(['expose', 'deployment', 'web', '--port=80', '--target-port=8080']);
      await cluster.must(['rollout', 'status', 'deployment/web', '--timeout=60s']);
    }
  });
  afterAll(async () => {
    // The host goes with the first, so the second is taken down before it; harmless when its test has done that.
    await two.stop();
    await two.removeEtcd();
    await two.gantry(['purge', '--yes']);
    rmSync(two.logFile, { force: true });
    expect(await one.destroy()).toEqual([]);
  });

  const podIp = async (cluster: TestCluster) =>
    (await cluster.json<{ items: Pod[] }>(['get', 'pods', '-l', 'app=web'])).items[0]!.status!.podIP!;
  const answers = (cluster: TestCluster) =>
    eventually('the Service answers', async () => {
      const ip = (await cluster.must(['get', 'service', 'web', '-o', 'jsonpath={.spec.clusterIP}'])).trim();
      const { code, stdout } = await cluster.inside('curl', ['-sS', '-m', '2', `http://${ip}/healthz`]);
      return code === 0 && stdout === 'ok\n' ? true : undefined;
    });

  test('each has its own pods, addresses and Services', async () => {
    expect(await podIp(one)).toMatch(/^10\.244\./);
    expect(await podIp(two)).toMatch(/^10\.245\./);
    for (const cluster of instances) await answers(cluster);
  });

  test('purging one leaves the other alone', async () => {
    await two.stop();
    await two.gantry(['purge', '--yes']);
    expect(two.traces()).toEqual([]);
    await answers(one);
    await one.must(['exec', 'deployment/web', '--', 'true']);
  });
});
