import { describe, expect, test } from 'vitest';
import { PodKind } from '#api/kinds/pod.ts';
import type { Container, PodSpec, ResourceRequirements } from '#api/objects.ts';
import { changed, judgeResize, withAllocation } from '../spec/allocation.ts';
import { resizeSteps } from './resize.ts';
import { TestNode } from './test-node.ts';
import { podWith } from './views.ts';

const MIB = 1 << 20;

function resources(cpu: string, memory: string): ResourceRequirements {
  return { requests: { cpu, memory }, limits: { cpu, memory } };
}

const main = (part: Partial<Container>): Container => ({
  ...{ name: 'main', image: 'busybox:1', command: ['obedient'] },
  ...part,
});

const spec = (cpu: string, memory: string, part: Partial<Container> = {}): PodSpec => ({
  containers: [main({ resources: resources(cpu, memory), ...part })],
});

describe('what a pod may have', () => {
  const node = { cpu: '2', memory: '4Gi' };
  const cases: [string, PodSpec, PodSpec[], object | string][] = [
    ['all there is', spec('2', '4Gi'), [], 'fits'],
    ['more than the node has', spec('2500m', '1Gi'), [], { reason: 'Infeasible' }],
    ['more than others leave', spec('1500m', '1Gi'), [spec('1', '1Gi')], { reason: 'Deferred' }],
    ['what others leave', spec('1', '1Gi'), [spec('1', '1Gi')], 'fits'],
    ['overhead besides', { ...spec('1', '1Gi'), overhead: { cpu: '1500m' } }, [], { reason: 'Infeasible' }],
  ];
  test.each(cases)('%s', (_, wanted, others, verdict) => {
    const found = judgeResize(wanted, others, node);
    if (typeof verdict === 'string') expect(found).toBe(verdict);
    else expect(found).toMatchObject(verdict);
  });

  test('is told with the amounts', () => {
    expect(judgeResize(spec('3', '1Gi'), [], node)).toEqual({
      reason: 'Infeasible',
      message: "Node didn't have enough capacity: cpu, requested: 3000, capacity: 2000",
    });
    expect(judgeResize(spec('1', '4Gi'), [spec('0', '1Gi')], node)).toEqual({
      reason: 'Deferred',
      message:
        "Node didn't have enough resource: memory, requested: 4294967296, used: 1073741824, capacity: 4294967296",
    });
  });

  test('is compared by amounts, not by how they are written', () => {
    expect(changed(resources('1', '1Gi'), resources('1000m', '1024Mi'))).toEqual([]);
    expect(changed(resources('1', '1Gi'), { requests: { cpu: '1' } })).toEqual(['cpu', 'memory']);
    const pod = podWith(spec('1', '1Gi'));
    expect(withAllocation(pod, { main: resources('1000m', '1Gi') })).toBe(pod);
    expect(withAllocation(pod, { main: resources('2', '1Gi') }).spec!.containers[0]!.resources).toEqual(
      resources('2', '1Gi'),
    );
  });
});

describe('the writes of a resize', () => {
  const steps = (before: PodSpec, after: PodSpec) =>
    resizeSteps(before, after, [{ container: after.containers[0]!, id: 'main.0' }]).map(
      ({ id, resources }) => [id ?? 'pod', resources.memoryBytes, resources.cpuQuotaUs],
    );

  test('raise the pod before its container, lower it after', () => {
    expect(steps(spec('1', '1Mi'), spec('2', '2Mi'))).toEqual([
      ['pod', 2 * MIB, 200_000],
      ['main.0', 2 * MIB, 200_000],
    ]);
    expect(steps(spec('2', '2Mi'), spec('1', '1Mi'))).toEqual([
      ['pod', 2 * MIB, 200_000],
      ['main.0', MIB, 100_000],
      ['pod', MIB, 100_000],
    ]);
    expect(steps(spec('2', '1Mi'), spec('1', '2Mi'))).toEqual([
      ['pod', 2 * MIB, 200_000],
      ['main.0', 2 * MIB, 100_000],
      ['pod', 2 * MIB, 100_000],
    ]);
  });

  test('take away a limit of the pod that not all containers have', () => {
    const open: PodSpec = { containers: [...spec('1', '1Mi').containers, main({ name: 'other' })] };
    expect(steps(spec('1', '1Mi'), open)[0]).toEqual(['pod', -1, -1]);
  });
});

async function running(cpu: string, memory: string, part: Partial<Container> = {}): Promise<TestNode> {
  const node = new TestNode();
  await node.start();
  await node.create('web', spec(cpu, memory, part));
  await node.run(500);
  expect(node.isReady('web')).toBe(true);
  return node;
}

let generation = 1;
async function resize(node: TestNode, name: string, cpu: string, memory: string): Promise<void> {
  generation++;
  node.cluster.change(PodKind, { name, namespace: 'default' }, (pod) => {
    pod.metadata.generation = generation;
    pod.spec!.containers[0]!.resources = resources(cpu, memory);
  });
  await node.run(500);
}

const condition = (node: TestNode, type: string, name = 'web') =>
  node.pod(name)?.status?.conditions?.find((one) => one.type === type);
const uidOf = (node: TestNode, name = 'web') => node.pod(name)!.metadata.uid!;
const inForce = (node: TestNode, id = 'main.0') => node.runtime.spec(uidOf(node), id).resources;
const reasons = (node: TestNode) => node.events.map(({ reason }) => reason);

describe('a running pod', () => {
  test('tells what it has, and gets what it asks for without a restart', async () => {
    const node = await running('500m', '256Mi');
    expect(node.status('web')).toMatchObject({
      resources: resources('500m', '256Mi'),
      allocatedResources: { cpu: '500m', memory: '256Mi' },
    });
    await resize(node, 'web', '1', '512Mi');
    expect(inForce(node)).toMatchObject({ cpuQuotaUs: 100_000, cpuShares: 1024, memoryBytes: 512 * MIB });
    expect(node.runtime.sandboxResources(uidOf(node))).toMatchObject({ memoryBytes: 512 * MIB });
    expect(node.status('web')).toMatchObject({
      restartCount: 0,
      resources: resources('1', '512Mi'),
      allocatedResources: { cpu: '1', memory: '512Mi' },
    });
    expect(node.pod('web')?.status?.observedGeneration).toBe(generation);
    expect(condition(node, 'PodResizePending') ?? condition(node, 'PodResizeInProgress')).toBeUndefined();
    expect(reasons(node)).toEqual(expect.arrayContaining(['ResizeStarted', 'ResizeCompleted']));
  });

  test('is restarted for a resource whose policy says so, whatever the pod’s own policy', async () => {
    const resizePolicy = [
      { resourceName: 'memory', restartPolicy: 'RestartContainer' },
      { resourceName: 'cpu', restartPolicy: 'NotRequired' },
    ];
    const node = await running('500m', '256Mi', { resizePolicy });
    await resize(node, 'web', '1', '256Mi');
    expect(node.status('web')).toMatchObject({ restartCount: 0, resources: resources('1', '256Mi') });
    await resize(node, 'web', '1', '512Mi');
    await node.run(500);
    expect(node.status('web')).toMatchObject({
      restartCount: 1,
      state: { running: expect.anything() },
      resources: resources('1', '512Mi'),
    });
    expect(inForce(node, 'main.1')).toMatchObject({ memoryBytes: 512 * MIB });
    expect(node.events).toContainEqual({
      reason: 'Killing',
      message: 'Container main resize requires restart',
    });
  });

  test('that asks for more than the node has goes on as it is, and says why', async () => {
    const node = await running('500m', '256Mi');
    await resize(node, 'web', '3', '256Mi');
    expect(condition(node, 'PodResizePending')).toMatchObject({
      status: 'True',
      reason: 'Infeasible',
      message: "Node didn't have enough capacity: cpu, requested: 3000, capacity: 2000",
      observedGeneration: generation,
    });
    expect(node.status('web')).toMatchObject({
      resources: resources('500m', '256Mi'),
      allocatedResources: { cpu: '500m' },
    });
    expect(inForce(node).cpuQuotaUs).toBe(50_000);
    expect(reasons(node).filter((reason) => reason === 'ResizeInfeasible')).toHaveLength(1);
    await resize(node, 'web', '500m', '256Mi');
    expect(condition(node, 'PodResizePending')).toBeUndefined();
  });

  test('that asks for more than others leave gets it when they go', async () => {
    const node = await running('500m', '256Mi');
    await node.create('other', spec('1', '256Mi'));
    await node.run(500);
    await resize(node, 'web', '1500m', '256Mi');
    expect(condition(node, 'PodResizePending')).toMatchObject({ reason: 'Deferred' });
    await node.run(30_000);
    expect(reasons(node).filter((reason) => reason === 'ResizeDeferred')).toHaveLength(1);
    await node.delete('other');
    await node.run(3_000);
    expect(condition(node, 'PodResizePending')).toBeUndefined();
    expect(inForce(node).cpuQuotaUs).toBe(150_000);
  });

  test('whose memory is in use keeps it until it can be taken, and says so', async () => {
    const node = await running('500m', '256Mi');
    node.runtime.fail('updateResources', 'Busy', 2);
    await resize(node, 'web', '500m', '128Mi');
    expect(condition(node, 'PodResizeInProgress')).toMatchObject({
      status: 'True',
      reason: 'Error',
      message: 'injected failure of updateResources',
      observedGeneration: generation,
    });
    expect(node.status('web')).toMatchObject({
      resources: resources('500m', '256Mi'),
      allocatedResources: { memory: '128Mi' },
    });
    await node.run(15_000);
    expect(condition(node, 'PodResizeInProgress')).toBeUndefined();
    expect(inForce(node).memoryBytes).toBe(128 * MIB);
  });

  test('keeps what it was granted when the agent starts again, and what is not in force yet is written', async () => {
    const node = await running('500m', '256Mi');
    await resize(node, 'web', '3', '256Mi');
    await node.run(1_000);
    node.crash();
    await node.start();
    await node.run(1_000);
    expect(node.status('web')).toMatchObject({ allocatedResources: { cpu: '500m' } });
    expect(condition(node, 'PodResizePending')).toMatchObject({ reason: 'Infeasible' });
    node.runtime.fail('updateResources', 'Busy', 1);
    await resize(node, 'web', '1', '256Mi');
    node.crash();
    await node.start();
    await node.run(1_000);
    expect(inForce(node).cpuQuotaUs).toBe(100_000);
    expect(node.status('web')).toMatchObject({ restartCount: 0, resources: resources('1', '256Mi') });
  });

  test('that crashes starts again with what it was granted, not with what it asked for', async () => {
    const node = await running('500m', '256Mi');
    await resize(node, 'web', '3', '256Mi');
    node.runtime.exitContainer(uidOf(node), 'main.0', 1);
    await node.run(500);
    expect(inForce(node, 'main.1').cpuQuotaUs).toBe(50_000);
  });
});
