import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestCluster } from '../harness/cluster.ts';
import { whyNoHost } from '../harness/host.ts';
import { eventually } from '../harness/run.ts';

const FILE = new URL('../../manifests/examples/hello.yaml', import.meta.url).pathname;
const NO_HOST = whyNoHost();

/** The main job: YAML becomes isolated processes behind a virtual IP. */
describe.skipIf(NO_HOST)('manifests/examples/hello.yaml', () => {
  const cluster = new TestCluster();
  const inPod = async (...command: string[]) =>
    (await cluster.must(['-n', 'hello', 'exec', 'lister', '--', ...command])).trim();
  const fromHost = async (url: string) => {
    const ran = await cluster.inside('curl', ['-sS', '-m', '5', url]);
    if (ran.code !== 0) throw new Error(ran.stderr);
    return ran.stdout;
  };

  beforeAll(async () => {
    await cluster.start();
    await cluster.loadImages(['gantry/busybox:1', 'gantry/hello:1', 'gantry/hello:2', 'gantry/curl:1']);
    await cluster.must(['apply', '-f', FILE]);
    await cluster.must(['-n', 'hello', 'rollout', 'status', 'deployment/hello', '--timeout=60s']);
    await cluster.must(['-n', 'hello', 'wait', '--for=condition=Ready', 'pod/lister', '--timeout=60s']);
  });
  afterAll(async () => {
    expect(await cluster.destroy()).toEqual([]);
  });

  test('the Service answers at its cluster IP, from the node and from a pod', async () => {
    const ip = (
      await cluster.must(['-n', 'hello', 'get', 'service', 'hello', '-o', 'jsonpath={.spec.clusterIP}'])
    ).trim();
    expect(await eventually('an answer', () => fromHost(`http://${ip}/cgi-bin/hello`))).toContain(
      'Hello from hello-',
    );
    expect(await inPod('curl', '-sS', '-m', '5', `http://${ip}/healthz`)).toBe('ok');
  });

  test('the Service answers by every form of its name', async () => {
    for (const name of ['hello', 'hello.hello', 'hello.hello.svc', 'hello.hello.svc.cluster.local']) {
      expect(await inPod('curl', '-sS', '-m', '5', `http://${name}/healthz`)).toBe('ok');
    }
  });

  test('the Service answers at its node port', async () => {
    expect(
      await eventually('an answer', () => fromHost(`http://${cluster.host.address}:30080/healthz`)),
    ).toBe('ok\n');
  });

  test('requests are spread over all replicas', async () => {
    const names = new Set<string>();
    for (let i = 0; i < 60 && names.size < 3; i++) {
      names.add((await inPod('curl', '-sS', '-m', '5', 'http://hello/cgi-bin/hello')).split('\n')[0]!);
    }
    expect(names.size).toBe(3);
  });

  test('environment and volumes hold what ConfigMap and Secret say', async () => {
    const page = await inPod('curl', '-sS', '-m', '5', 'http://hello/cgi-bin/hello');
    expect(page).toContain('greeting: good morning');
    expect(page).toContain('config:   the cluster is up');
    expect(page).toContain('secret:   mounted');
  });

  test('a pod lists pods through the API with its own token', async () => {
    await eventually('the lister has seen three pods', async () => {
      const log = await cluster.must(['-n', 'hello', 'logs', 'lister', '--tail=1']);
      return log.includes('pods: 3 of hello') || undefined;
    });
  });

  test('changed and applied again, the new version takes over without a failed request', async () => {
    const ip = (
      await cluster.must(['-n', 'hello', 'get', 'service', 'hello', '-o', 'jsonpath={.spec.clusterIP}'])
    ).trim();
    const changed = (await cluster.inside('sed', ['s#gantry/hello:1#gantry/hello:2#', FILE])).stdout;
    await cluster.must(['apply', '-f', '-'], { input: changed });
    const rollout = cluster.must(['-n', 'hello', 'rollout', 'status', 'deployment/hello', '--timeout=60s']);
    let running = true;
    void rollout.finally(() => {
      running = false;
    });
    const failures: string[] = [];
    while (running)
      await fromHost(`http://${ip}/healthz`).catch((error: Error) => failures.push(error.message));
    await rollout;
    expect(failures).toEqual([]);
    // The last old pod is told to go before its endpoint is gone everywhere.
    await eventually('only the new version answers', async () => {
      for (let i = 0; i < 10; i++) {
        if (!(await fromHost(`http://${ip}/cgi-bin/hello`)).includes('version 2')) return undefined;
      }
      return true;
    });
  });

  test('deleted, nothing of it stays', async () => {
    await cluster.must(['delete', '-f', FILE, '--timeout=90s'], { timeoutMs: 100_000 });
    expect((await cluster.kubectl(['get', 'namespace', 'hello'])).stderr).toContain('not found');
    const snapshots = await cluster.inside('sh', [
      '-c',
      `ls ${cluster.directory}/agent/snapshots ${cluster.directory}/agent/pods 2>/dev/null | grep -c '[0-9a-f]\\{8\\}-' || true`,
    ]);
    expect(snapshots.stdout.trim()).toBe('0');
  });
});
