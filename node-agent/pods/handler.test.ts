import { describe, expect, test } from 'vitest';
import { RuntimeClassKind } from '#api/kinds/runtime-class.ts';
import { TestNode } from './test-node.ts';

/** A node that has the handler `oci` besides its own runtime. */
async function nodeWithClass(handler: string): Promise<TestNode> {
  const node = new TestNode();
  await node.start();
  await node.cluster.client.create(RuntimeClassKind, {
    apiVersion: 'node.k8s.io/v1',
    kind: 'RuntimeClass',
    metadata: { name: 'other' },
    handler,
  });
  return node;
}

describe('a pod with a RuntimeClass', () => {
  test('runs by its handler', async () => {
    const node = await nodeWithClass('oci');
    await node.create('web', { runtimeClassName: 'other' });
    await node.run(3_000);
    expect(node.isReady('web')).toBe(true);
  });

  test('whose handler the node does not have says so, and goes when it is deleted', async () => {
    const node = await nodeWithClass('kata');
    await node.create('web', { runtimeClassName: 'other' });
    await node.run(3_000);
    expect(node.isReady('web')).toBe(false);
    expect(node.events).toContainEqual({
      reason: 'FailedCreatePodSandBox',
      message:
        'Failed to create pod sandbox: failed to get sandbox runtime: no runtime for "kata" is configured',
    });
    await node.delete('web');
    await node.run(61_000);
    expect(node.pod('web')).toBeUndefined();
    expect(await node.traces()).toEqual([]);
  });

  test('that is gone waits for it', async () => {
    const node = new TestNode();
    await node.start();
    await node.create('web', { runtimeClassName: 'absent' });
    await node.run(3_000);
    expect(node.events).toContainEqual(
      expect.objectContaining({
        reason: 'FailedCreatePodSandBox',
        message: expect.stringContaining('"absent" not found'),
      }),
    );
  });
});
