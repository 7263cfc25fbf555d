import { expect, test } from 'vitest';
import { snapshotsConformance } from '../conformance.ts';
import { FakeSnapshots } from './index.ts';

snapshotsConformance('fake', async () => {
  let layers = 0;
  return { snapshots: new FakeSnapshots(), layer: async () => `/layers/${layers++}`, close: async () => {} };
});

test('a call told to fail fails as often as told', async () => {
  const snapshots = new FakeSnapshots();
  snapshots.fail('prepare', new Error('no space'));
  await expect(snapshots.prepare('a', ['/l'])).rejects.toThrow('no space');
  expect(await snapshots.prepare('a', ['/l'])).toMatchObject({ type: 'overlay' });
});
