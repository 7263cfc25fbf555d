import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Node, Pod } from '#api/objects.ts';
import { TestCluster } from '../harness/cluster.ts';
import { whyNoHost } from '../harness/host.ts';
import { Lab, type LabHost } from '../harness/lab.ts';
import { TestMachine } from '../harness/machine.ts';
import { eventually, run } from '../harness/run.ts';

/** Wires that are cut and mended, between a server and two nodes. A node counts as lost after five seconds. */
describe.skipIf(whyNoHost())('a cut wire', () => {
  const lab = new Lab({ hosts: 3 });
  const [one, two, three] = lab.hosts as [LabHost, LabHost, LabHost];
  const cluster = new TestCluster(one);
  const machines = [new TestMachine(two, 'node-2'), new TestMachine(three, 'node-3')];
  const NOBODY_WAITS = ['not-ready', 'unreachable'].map((name) => ({
    ...{ key: `node.kubernetes.io/${name}`, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 1 },
  }));

  const pods = async () =>
    (await cluster.json<{ items: Pod[] }>(['get', 'pods', '-l', 'app=web'])).items.sort((a, b) =>
      a.metadata.name < b.metadata.name ? -1 : 1,
    );
  const running = async (node: string) =>
    (await pods()).filter(
      ({ spec, status, metadata }) =>
        spec!.nodeName === node && status?.phase === 'Running' && !metadata.deletionTimestamp,
    );
  const isReady = async (name: string) => {
    const { status } = await cluster.json<Node>(['get', 'node', name]);
    return status!.conditions!.find(({ type }) => type === 'Ready')?.status;
  };
  const becomes = (name: string, status: string) =>
    eventually(`${name} is ${status}`, async () => (await isReady(name)) === status || undefined, {
      timeoutMs: 40_000,
    });
  const answers = async (from: LabHost, url: string) =>
    (await run(...from.inside('curl', ['-sS', '-m', '2', url]))).stdout === 'ok\n';
  const health = (pod: Pod) => `http://${pod.status!.podIP}:8080/healthz`;

  beforeAll(async () => {
    await lab.create();
    await cluster.up(['--node-grace-period', '5s']);
    for (const machine of machines) {
      const made = JSON.parse(await cluster.gantry(['token', 'create', '-o', 'json'])) as { command: string };
      machine.start(made.command);
      await becomes(machine.nodeName, 'True');
    }
    await cluster.loadImages(['gantry/hello:1']);
    for (const machine of machines)
      await machine.gantry(['image', 'import', 'dist/images/gantry-hello-1.tar']);
    await cluster.must(['cordon', 'node-1']);
    const template = {
      metadata: { labels: { app: 'web' } },
      spec: {
        tolerations: NOBODY_WAITS,
        containers: [{ name: 'web', image: 'gantry/hello:1', ports: [{ containerPort: 8080 }] }],
      },
    };
    const deployment = {
      ...{ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web' } },
      spec: { replicas: 4, selector: { matchLabels: { app: 'web' } }, template },
    };
    await cluster.must(['apply', '-f', '-'], { input: JSON.stringify(deployment) });
    await cluster.must(['rollout', 'status', 'deployment/web', '--timeout=60s']);
    await cluster.must(['expose', 'deployment', 'web', '--port=80', '--target-port=8080']);
  });
  afterAll(async () => {
    for (const host of lab.hosts) await lab.cut(host, false);
    const left: string[] = [];
    for (const machine of machines) left.push(...(await machine.destroy()));
    left.push(...(await cluster.destroy()));
    await lab.remove();
    expect(left).toEqual([]);
  });

  test('of a node: it serves on, its pods are replaced elsewhere, and it comes back without the old ones', async () => {
    const [old] = await running('node-2');
    expect(old).toBeDefined();
    await lab.cut(two);
    const cut = Date.now();
    await becomes('node-2', 'Unknown');
    const known = Date.now() - cut;
    await eventually(
      'all run on the other',
      async () => (await running('node-3')).length === 4 || undefined,
      {
        timeoutMs: 60_000,
      },
    );
    console.log(`      known lost after ${known} ms, replaced after ${Date.now() - cut} ms`);
    // What the node has is not touched by what it cannot hear.
    expect(await answers(two, health(old!))).toBe(true);
    await lab.cut(two, false);
    await becomes('node-2', 'True');
    await eventually('the old ones are gone', async () => ((await pods()).length === 4 ? true : undefined), {
      timeoutMs: 60_000,
    });
    expect(await running('node-3')).toHaveLength(4);
    await eventually('it has ended there', async () =>
      (await answers(two, health(old!))) ? undefined : true,
    );
  });

  test('of the server: nodes serve on, and nobody is driven away', async () => {
    await cluster.must(['rollout', 'restart', 'deployment/web']);
    await cluster.must(['rollout', 'status', 'deployment/web', '--timeout=60s']);
    await eventually('the old ones are gone', async () => ((await pods()).length === 4 ? true : undefined));
    const before = (await pods()).map(({ metadata }) => metadata.uid);
    const [there] = await running('node-2');
    const ip = (await cluster.must(['get', 'service', 'web', '-o', 'jsonpath={.spec.clusterIP}'])).trim();
    await lab.cut(one);
    await becomes('node-2', 'Unknown');
    await becomes('node-3', 'Unknown');
    expect(await answers(three, health(there!))).toBe(true);
    expect(await answers(three, `http://${ip}/healthz`)).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    await lab.cut(one, false);
    for (const name of ['node-2', 'node-3']) await becomes(name, 'True');
    expect(await answers(three, `http://${ip}/healthz`)).toBe(true);
    expect((await pods()).map(({ metadata }) => metadata.uid)).toEqual(before);
  });
});
