import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Node, Pod } from '#api/objects.ts';
import { TestCluster } from '../harness/cluster.ts';
import { whyNoHost } from '../harness/host.ts';
import { eventually } from '../harness/run.ts';

const FILE = new URL('../../manifests/examples/runtime-class.yaml', import.meta.url).pathname;

/** The same pods through an OCI runtime. */
describe.skipIf(whyNoHost())('a RuntimeClass', () => {
  const cluster = new TestCluster();

  beforeAll(async () => {
    await cluster.start();
    await cluster.loadImages(['gantry/busybox:1']);
  });
  afterAll(async () => {
    expect(await cluster.destroy()).toEqual([]);
  });

  test('names one of the handlers that the node reports', async () => {
    const { items } = await cluster.json<{ items: Node[] }>(['get', 'nodes']);
    const names = items[0]!.status!.runtimeHandlers!.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['', 'oci', 'runc', 'crun']));
  });

  test('runs a pod by its handler: logs, exec, overhead, deletion', async () => {
    await cluster.must(['apply', '-f', FILE]);
    await cluster.must(['wait', '--for=condition=Ready', 'pod/by-oci', '--timeout=60s']);
    const pod = await cluster.json<Pod>(['get', 'pod', 'by-oci']);
    expect(pod.spec!.overhead).toEqual({ memory: '32Mi' });
    const bundles = join(cluster.directory, 'run/oci');
    expect((await readdir(bundles)).length).toBe(1);
    expect(await cluster.must(['logs', 'by-oci'])).toBe('hello from by-oci\n');
    const script =
      'hostname; cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max';
    expect(await cluster.must(['exec', 'by-oci', '--', 'sh', '-c', script])).toBe(`by-oci\n${16 << 20}\n`);
    const failed = await cluster.kubectl(['exec', 'by-oci', '--', 'sh', '-c', 'exit 7']);
    expect(failed.code).toBe(7);
    await cluster.must(['delete', 'pod', 'by-oci']);
    expect(await readdir(bundles)).toEqual([]);
  });

  test('whose handler no node has keeps its pods waiting, with the reason', async () => {
    const runtimeClass = {
      apiVersion: 'node.k8s.io/v1',
      kind: 'RuntimeClass',
      metadata: { name: 'vm' },
      handler: 'vm',
    };
    const spec = { runtimeClassName: 'vm', containers: [{ name: 'main', image: 'gantry/busybox:1' }] };
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'waits' }, spec };
    const list = { apiVersion: 'v1', kind: 'List', items: [runtimeClass, pod] };
    await cluster.must(['apply', '-f', '-'], { input: JSON.stringify(list) });
    const events = [
      'get',
      'events',
      '--field-selector=involvedObject.name=waits,reason=FailedCreatePodSandBox',
    ];
    const message = await eventually('the reason is told', async () => {
      const said = await cluster.must([...events, '-o', 'jsonpath={.items[0].message}']);
      return said === '' ? undefined : said;
    });
    expect(message).toContain('no runtime for "vm" is configured');
    await cluster.must(['delete', 'pod', 'waits']);
  });
});
