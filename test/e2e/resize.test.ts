import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Pod } from '#api/objects.ts';
import { TestCluster } from '../harness/cluster.ts';
import { whyNoHost } from '../harness/host.ts';
import { TestPods } from '../harness/pods.ts';

/** `kubectl patch --subresource resize` on a pod that runs. */
describe.skipIf(whyNoHost())('resize', () => {
  const cluster = new TestCluster();
  const pods = new TestPods(cluster);

  beforeAll(async () => {
    await cluster.start();
    await cluster.loadImages(['gantry/busybox:1']);
  });
  afterAll(async () => {
    expect(await cluster.destroy()).toEqual([]);
  });

  const amounts = (cpu: string, memory: string) => ({
    requests: { cpu, memory },
    limits: { cpu, memory },
  });
  const resize = (name: string, cpu: string, memory: string) => {
    const patch = { spec: { containers: [{ name: 'c', resources: amounts(cpu, memory) }] } };
    return cluster.must(['patch', 'pod', name, '--subresource', 'resize', '--patch', JSON.stringify(patch)]);
  };
  const main = (pod: Pod) => pod.status!.containerStatuses![0]!;
  const condition = (pod: Pod, type: string) =>
    pod.status!.conditions!.find((candidate) => candidate.type === type);
  const limitOf = (name: string) =>
    pods.sh(
      name,
      'cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max',
    );

  test('changes the limits of the process that runs, and tells when it is done', async () => {
    const container = { ...pods.container('exec sleep 1000'), resources: amounts('100m', '64Mi') };
    await pods.create('web', { containers: [container] });
    await pods.ready('web');
    expect(await limitOf('web')).toBe(String(64 << 20));
    expect(await resize('web', '200m', '96Mi')).toContain('pod/web patched');
    await pods.until('web', (pod) => main(pod).resources?.limits?.['memory'] === '96Mi');
    expect(await limitOf('web')).toBe(String(96 << 20));
    const pod = await cluster.json<Pod>(['get', 'pod', 'web']);
    expect(main(pod)).toMatchObject({
      restartCount: 0,
      allocatedResources: { cpu: '200m', memory: '96Mi' },
      resources: amounts('200m', '96Mi'),
    });
    expect(pod.status!.observedGeneration).toBe(pod.metadata.generation);
    expect(condition(pod, 'PodResizeInProgress')).toBeUndefined();
    await resize('web', '100m', '64Mi');
    await pods.until('web', (one) => main(one).resources?.limits?.['memory'] === '64Mi');
    expect(await limitOf('web')).toBe(String(64 << 20));
  });

  test('what it uses and waits for is told by its node', async () => {
    const text = await cluster.must(['get', '--raw', '/api/v1/nodes/node-1/proxy/metrics/cadvisor']);
    expect(text).toMatch(
      /^container_memory_usage_bytes\{namespace="default",pod="web",container="c"\} \d+$/m,
    );
    const psi = await cluster.inside('cat', ['/proc/pressure/cpu']);
    if (psi.code === 0)
      expect(text).toMatch(/^container_pressure_cpu_waiting_seconds_total\{id="\/"\} [\d.]+$/m);
  });

  test('restarts the container where its policy says so', async () => {
    const resizePolicy = [{ resourceName: 'memory', restartPolicy: 'RestartContainer' }];
    const container = {
      ...pods.container('exec sleep 1000'),
      resources: amounts('100m', '64Mi'),
      resizePolicy,
    };
    const spec = { terminationGracePeriodSeconds: 1, containers: [container] };
    await pods.create('restarts', spec);
    await pods.ready('restarts');
    await resize('restarts', '100m', '80Mi');
    await pods.until('restarts', (pod) => main(pod).restartCount === 1 && main(pod).ready === true);
    expect(await limitOf('restarts')).toBe(String(80 << 20));
  });

  test('that the node cannot give is told in a condition, and changes nothing', async () => {
    await resize('web', '900', '64Mi');
    await pods.until('web', (pod) => condition(pod, 'PodResizePending')?.reason === 'Infeasible');
    const pod = await cluster.json<Pod>(['get', 'pod', 'web']);
    expect(condition(pod, 'PodResizePending')!.message).toMatch(
      /^Node didn't have enough capacity: cpu, requested: 900000, capacity: \d+$/,
    );
    expect(main(pod).allocatedResources).toEqual({ cpu: '100m', memory: '64Mi' });
    await resize('web', '100m', '64Mi');
    await pods.until('web', (one) => condition(one, 'PodResizePending') === undefined);
  });
});
