import { describe, expect, test } from 'vitest';
import type { PodSpec } from '#api/objects.ts';
import type { RuntimeInfo } from '#runtime/contract.ts';
import { limitOptions } from '../spec/limits.ts';
import { containerResources, podResources } from '../spec/resources.ts';
import { qosParents } from './qos-tree.ts';
import { TestNode } from './test-node.ts';

const MIB = 1 << 20;

const pod = (requests?: Record<string, string>, limits?: Record<string, string>): PodSpec => ({
  containers: [
    {
      ...{ name: 'main', image: 'busybox:1', command: ['obedient'] },
      resources: { ...(requests && { requests }), ...(limits && { limits }) },
    },
  ],
});
const GUARANTEED = pod({ cpu: '1', memory: '1Gi' }, { cpu: '1', memory: '1Gi' });
const BURSTABLE = pod({ cpu: '250m', memory: '64Mi' });
const BEST_EFFORT = pod();

describe('the parents of the QoS classes', () => {
  const parents = (...args: Parameters<typeof qosParents>) => Object.fromEntries(qosParents(...args));

  test('weigh as much as their pods ask for, best effort as little as there is', () => {
    expect(parents([GUARANTEED, BURSTABLE, BURSTABLE, BEST_EFFORT])).toEqual({
      kubepods: {},
      'kubepods/burstable': { cpuShares: 512 },
      'kubepods/besteffort': { cpuShares: 2 },
    });
    expect(parents([])['kubepods/burstable']).toEqual({ cpuShares: 2 });
  });

  test('count what a pod costs besides its containers', () => {
    const heavy = { ...BURSTABLE, overhead: { cpu: '750m', memory: '64Mi' } };
    expect(parents([heavy])['kubepods/burstable']).toEqual({ cpuShares: 1024 });
    expect(podResources(heavy).cpuShares).toBe(1024);
  });

  test('keep memory and hold all together only where that is wanted', () => {
    const options = { memoryQos: true, allocatable: { cpuMilli: 2000, memoryBytes: 4096 * MIB, pids: 9 } };
    expect(parents([GUARANTEED, BURSTABLE], options)).toEqual({
      kubepods: { cpuShares: 2048, memoryBytes: 4096 * MIB, pids: 9, memoryMinBytes: 1088 * MIB },
      'kubepods/burstable': { cpuShares: 256, memoryMinBytes: 64 * MIB },
      'kubepods/besteffort': { cpuShares: 2 },
    });
  });

  test('follow the pods of the node, also when the first write fails', async () => {
    const node = new TestNode();
    node.runtime.fail('updateParent', 'Kernel', 1);
    await node.start();
    const shares = () => node.runtime.parents.get('kubepods/burstable')?.cpuShares;
    await node.run(15_000);
    expect(shares()).toBe(2);
    await node.create('one', BURSTABLE);
    await node.create('two', BURSTABLE);
    await node.run(500);
    expect(shares()).toBe(512);
    await node.delete('one');
    await node.run(3_000);
    expect(shares()).toBe(256);
    const writes = node.runtime.calls.filter(({ call }) => call === 'updateParent').length;
    await node.create('three', BEST_EFFORT);
    await node.run(500);
    expect(node.runtime.calls.filter(({ call }) => call === 'updateParent')).toHaveLength(writes);
  });
});

describe('the limits of a container', () => {
  const [container] = pod({ memory: '64Mi' }, { memory: '128Mi' }).containers;
  const info = (features: Record<string, boolean>): RuntimeInfo => ({
    ...{ version: '1', cgroup: 'v2', features, handlers: [] },
  });
  const v1 = limitOptions(info({ swapLimits: true }), {}, 1024 * MIB);
  const v2 = (wishes = {}) =>
    limitOptions(info({ swapLimits: true, oomGroup: true, memoryQos: true }), wishes, 1024 * MIB);

  test('include no swap and the kill of the whole container, where the node can', () => {
    expect(containerResources(container!, v1)).toMatchObject({ swapBytes: 0 });
    expect(containerResources(container!, v1)).not.toHaveProperty('oomGroup');
    expect(containerResources(BEST_EFFORT.containers[0]!, v1)).toEqual({ cpuShares: 2 });
    expect(containerResources(BEST_EFFORT.containers[0]!, v2())).toEqual({
      ...{ cpuShares: 2, swapBytes: 0, oomGroup: true },
    });
    expect(containerResources(container!, v2({ singleProcessOomKill: true }))).not.toHaveProperty('oomGroup');
    expect(containerResources(container!, limitOptions(info({}), {}, 0))).not.toHaveProperty('swapBytes');
  });

  test('keep memory and slow down near the limit, where that is wanted', () => {
    const high = (64 + 0.9 * 64) * MIB;
    expect(containerResources(container!, v2({ memoryQos: true }))).toMatchObject({
      memoryMinBytes: 64 * MIB,
      memoryHighBytes: Math.floor(high / 4096) * 4096,
    });
    expect(containerResources(GUARANTEED.containers[0]!, v2({ memoryQos: true }))).not.toHaveProperty(
      'memoryHighBytes',
    );
    expect(podResources(BURSTABLE, v2({ memoryQos: true })).memoryMinBytes).toBe(64 * MIB);
    expect(() => limitOptions(info({}), { memoryQos: true }, 0)).toThrow('needs cgroup v2');
  });

  test('include huge pages', () => {
    const huge = pod({ 'hugepages-2Mi': '4Mi' }, { 'hugepages-2Mi': '4Mi' }).containers[0]!;
    expect(containerResources(huge).hugepages).toEqual([{ pageBytes: 2 * MIB, bytes: 4 * MIB }]);
  });
});
