import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Snapshots } from './contract.ts';

export interface SnapshotsHarness {
  snapshots: Snapshots;
  /** A new layer directory. */
  layer(): Promise<string>;
  close(): Promise<void>;
}

/** The cases every snapshot store passes. */
export function snapshotsConformance(name: string, makeHarness: () => Promise<SnapshotsHarness>): void {
  describe(`${name} keeps the snapshots contract`, () => {
    let harness: SnapshotsHarness;
    let snapshots: Snapshots;
    beforeEach(async () => {
      harness = await makeHarness();
      snapshots = harness.snapshots;
    });
    afterEach(() => harness.close());

    test('a snapshot is an overlay with the highest layer first and an upper directory of its own', async () => {
      const [low, high] = [await harness.layer(), await harness.layer()];
      const a = await snapshots.prepare('pod.web.0', [low, high]);
      const b = await snapshots.prepare('pod.web.1', [low, high]);
      expect(a).toMatchObject({ type: 'overlay', target: '/' });
      expect(a.options[0]).toBe(`lowerdir=${high}:${low}`);
      const keys = a.options.map((option) => option.split('=')[0]);
      expect(keys.slice(0, 3)).toEqual(['lowerdir', 'upperdir', 'workdir']);
      expect(a.options[1]).not.toBe(b.options[1]);
    });

    test('prepared again it is the same; over other layers it is refused', async () => {
      const layer = await harness.layer();
      const first = await snapshots.prepare('one', [layer]);
      expect(await snapshots.prepare('one', [layer])).toEqual(first);
      const other = await harness.layer();
      await expect(snapshots.prepare('one', [other])).rejects.toMatchObject({ code: 'LayersChanged' });
    });

    test('it is listed until removed, and removing twice is harmless', async () => {
      const layer = await harness.layer();
      expect(await snapshots.list()).toEqual([]);
      await snapshots.prepare('b', [layer]);
      await snapshots.prepare('a', [layer]);
      expect(await snapshots.list()).toEqual(['a', 'b']);
      await snapshots.remove('a');
      await snapshots.remove('a');
      expect(await snapshots.list()).toEqual(['b']);
    });

    test('usage counts the writable layer, and nothing when there is none', async () => {
      await snapshots.prepare('one', [await harness.layer()]);
      expect((await snapshots.usage('one')).inodes).toBe(1);
      expect(await snapshots.usage('none')).toEqual({ bytes: 0, inodes: 0 });
    });

    test('names and layers that lead elsewhere are refused', async () => {
      const layer = await harness.layer();
      for (const id of ['../up', '', 'A', 'a/b', '.hidden']) {
        await expect(snapshots.prepare(id, [layer]), id).rejects.toMatchObject({ code: 'InvalidName' });
      }
      for (const layers of [[], ['relative'], ['/a:b'], ['/a,upperdir=/etc']]) {
        await expect(snapshots.prepare('one', layers)).rejects.toMatchObject({ code: 'InvalidLayer' });
      }
      expect(await snapshots.list()).toEqual([]);
    });
  });
}
