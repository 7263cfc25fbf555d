import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ConfigMap, Pod } from '#api/objects.ts';
import { TestCluster } from '../harness/cluster.ts';
import { whyNoHost } from '../harness/host.ts';
import { requestLoad, writeLoad } from '../harness/load.ts';
import { eventually } from '../harness/run.ts';

/** Self-repair: anything may be killed at any time, under load. */
describe.skipIf(whyNoHost())('faults', () => {
  const cluster = new TestCluster();
  let serviceIp: string;

  beforeAll(async () => {
    await cluster.start();
    await cluster.loadImages(['gantry/hello:1']);
    await cluster.must([
      'create',
      'deployment',
      'web',
      '--image=gantry/hello:1',
      '--replicas=3',
      '--port=8080',
    ]);
    await cluster.must(['expose', 'deployment', 'web', '--port=80', '--target-port=8080']);
    await cluster.must(['rollout', 'status', 'deployment/web', '--timeout=60s']);
    serviceIp = (await cluster.must(['get', 'service', 'web', '-o', 'jsonpath={.spec.clusterIP}'])).trim();
    await eventually('the Service answers', answers);
  });
  afterAll(async () => {
    expect(await cluster.destroy()).toEqual([]);
  });

  async function answers(): Promise<true | undefined> {
    const { code } = await cluster.inside('curl', ['-sf', '-m', '2', `http://${serviceIp}/healthz`]);
    return code === 0 ? true : undefined;
  }
  const pods = async () => (await cluster.json<{ items: Pod[] }>(['get', 'pods', '-l', 'app=web'])).items;
  const ids = async () =>
    (await pods())
      .map(
        (pod) =>
          `${pod.metadata.uid} ${pod.status?.containerStatuses?.[0]?.containerID} ${pod.status?.containerStatuses?.[0]?.restartCount}`,
      )
      .sort();
  const allReady = () =>
    eventually('all pods are ready', async () => {
      const list = await pods();
      const ready = list.filter((pod) =>
        pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True'),
      );
      return ready.length === 3 && list.length === 3 ? true : undefined;
    });
  /** Pids of the containers' first processes. */
  const programs = async () => {
    const { stdout } = await cluster.inside('sh', [
      '-c',
      `for p in /proc/[0-9]*; do grep -qz '^httpd' $p/cmdline 2>/dev/null && grep -q ${cluster.instance} $p/cgroup && echo \${p#/proc/}; done`,
    ]);
    return stdout.trim().split('\n').map(Number).sort();
  };

  test('a killed container process is started again', async () => {
    const [victim] = await programs();
    process.kill(victim!, 'SIGKILL');
    await eventually('a restart is counted', async () =>
      (await pods()).some((pod) => pod.status?.containerStatuses?.[0]?.restartCount === 1) ? true : undefined,
    );
    await allReady();
  });

  test('a deleted pod is replaced', async () => {
    const [first] = await pods();
    await cluster.must(['delete', 'pod', first!.metadata.name]);
    await allReady();
    expect((await pods()).map((pod) => pod.metadata.name)).not.toContain(first!.metadata.name);
  });

  test.each(['server', 'agent', 'helper'] as const)(
    'kill -9 of the %s: containers run on and serve, nothing acknowledged is lost',
    async (role) => {
      await allReady();
      const before = { ids: await ids(), programs: await programs() };
      const writes = writeLoad(cluster, `w-${role}`);
      const requests = requestLoad(cluster, `http://${serviceIp}/healthz`);
      await eventually('some writes are acknowledged', async () =>
        writes.ledger.size >= 5 ? true : undefined,
      );
      const [pid] = cluster.pids(role);
      expect(pid).toBeDefined();
      process.kill(pid!, 'SIGKILL');
      const killed = Date.now();
      await eventually(`a new ${role} is at work`, async () => {
        if (role === 'server')
          return (await cluster.kubectl(['get', '--raw', '/readyz'])).code === 0 ? true : undefined;
        const [next] = cluster.pids(role);
        return next !== undefined && next !== pid ? true : undefined;
      });
      console.log(`${role}: back after ${Date.now() - killed} ms`);
      const after = writes.ledger.size;
      if (role === 'server')
        await eventually('writes go on', async () => (writes.ledger.size >= after + 3 ? true : undefined));
      const served = await requests.stop();
      const ledger = await writes.stop();
      expect(served.failed).toBe(0);
      expect(served.answered).toBeGreaterThan(10);
      expect(await programs()).toEqual(before.programs);
      await eventually('the cluster knows its containers again', async () =>
        JSON.stringify(await ids()) === JSON.stringify(before.ids) ? true : undefined,
      );
      const { items } = await cluster.json<{ items: ConfigMap[] }>(['get', 'configmaps']);
      expect(
        ledger.lost(new Map(items.map((item) => [item.metadata.name, Number(item.data?.['n'])]))),
      ).toEqual([]);
    },
  );

  test('after the kills a new pod starts, and logs and exec work', async () => {
    await cluster.must(['scale', 'deployment/web', '--replicas=4']);
    await cluster.must(['rollout', 'status', 'deployment/web', '--timeout=30s']);
    const [pod] = await pods();
    expect((await cluster.must(['exec', pod!.metadata.name, '--', 'echo', 'alive'])).trim()).toBe('alive');
    await cluster.must(['scale', 'deployment/web', '--replicas=3']);
    await allReady();
  });

  test('kill -9 of a monitor: its pod is replaced or restarted, the others are left alone', async () => {
    const before = await ids();
    const [victim] = cluster.pids('monitor');
    expect(victim).toBeDefined();
    process.kill(victim!, 'SIGKILL');
    await eventually('one pod has changed', async () => {
      const now = await ids();
      return now.filter((id) => before.includes(id)).length === 2 ? true : undefined;
    });
    await allReady();
  });

  test('no memory of the store or the servers is needed to come back: stop and start', async () => {
    await allReady();
    const before = { ids: await ids(), programs: await programs() };
    await cluster.stop();
    expect(await programs()).toEqual(before.programs);
    expect(await answers()).toBe(true);
    await cluster.up();
    await eventually('the cluster knows its containers again', async () =>
      JSON.stringify(await ids()) === JSON.stringify(before.ids) ? true : undefined,
    );
    expect(await programs()).toEqual(before.programs);
  });

  test('the log of the agent holds no stack of an unexpected error', () => {
    expect(readFileSync(cluster.logFile, 'utf8')).not.toMatch(/TypeError|ReferenceError|Unhandled/);
  });
});
