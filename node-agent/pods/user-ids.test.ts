import { describe, expect, test } from 'vitest';
import { systemClock } from '#machinery/clock.ts';
import { sandboxSpec } from '#runtime/conformance.ts';
import type { IdRange } from '#runtime/contract.ts';
import { FakeRuntime } from '#runtime/fake/index.ts';
import { UserIds } from './user-ids.ts';

const SIZE = 65_536;
const THREE: IdRange = { hostId: 1_000_000, size: 3 * SIZE };

describe('ids of user namespaces', () => {
  const runtime = () => new FakeRuntime({ clock: systemClock });
  const make = (node: FakeRuntime, id: string) => async (userNamespace: IdRange) => {
    await node.createSandbox({ ...sandboxSpec(id, '/logs'), userNamespace });
    return userNamespace.hostId;
  };

  test('are given to one pod each, also when pods come at once, until none are left', async () => {
    const node = runtime();
    const ids = new UserIds(node, THREE);
    const given = await Promise.all(['a', 'b', 'c'].map((id) => ids.give(id, make(node, id))));
    expect(given.toSorted()).toEqual([1_000_000, 1_000_000 + SIZE, 1_000_000 + 2 * SIZE]);
    await expect(ids.give('d', make(node, 'd'))).rejects.toThrow('enough for 3 pods');
    await node.removeSandbox('b');
    expect(await ids.give('d', make(node, 'd'))).toBe(given[1]);
  });

  test('of pods that run are not given again by an agent that comes back; a pod keeps its own', async () => {
    const node = runtime();
    const before = new UserIds(node, THREE);
    const [a, b] = [await before.give('a', make(node, 'a')), await before.give('b', make(node, 'b'))];
    const after = new UserIds(node.reopen(), THREE);
    expect(await after.give('a', make(node, 'a'))).toBe(a);
    expect([a, b]).not.toContain(await after.give('c', make(node, 'c')));
  });

  test('of a sandbox that could not be made are free again', async () => {
    const node = runtime();
    const ids = new UserIds(node, { ...THREE, size: SIZE });
    node.fail('createSandbox');
    await expect(ids.give('a', make(node, 'a'))).rejects.toThrow('injected');
    expect(await ids.give('b', make(node, 'b'))).toBe(THREE.hostId);
  });

  test('stay a pod’s while it is being made, however long that takes', async () => {
    const node = runtime();
    const ids = new UserIds(node, { ...THREE, size: SIZE });
    const gate = Promise.withResolvers<void>();
    const slow = ids.give('a', async (range) => {
      await gate.promise;
      return await make(node, 'a')(range);
    });
    await expect(ids.give('b', make(node, 'b'))).rejects.toThrow('in use');
    gate.resolve();
    await slow;
    await expect(ids.give('b', make(node, 'b'))).rejects.toThrow('in use');
  });

  test('are a place of the pod’s own', async () => {
    const node = runtime();
    const ids = new UserIds(node);
    const first = await ids.give('a', make(node, 'a'));
    expect(await ids.give('b', make(node, 'b'))).not.toBe(first + SIZE);
    expect(first).toBeGreaterThanOrEqual(0x70000000);
    expect(first + SIZE).toBeLessThanOrEqual(0x7ffe0000);
  });
});
