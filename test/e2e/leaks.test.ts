import { mkdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestCluster } from '../harness/cluster.ts';
import { holdings, leaks } from '../harness/holdings.ts';
import { whyNoHost } from '../harness/host.ts';
import { leaksOf } from '../harness/lifecycles.ts';

/** A short soak; test/soak has the long one. */
describe.skipIf(whyNoHost())('leaks', () => {
  const cluster = new TestCluster();

  beforeAll(async () => {
    await cluster.start();
    await cluster.loadImages(['gantry/hello:1']);
  });
  afterAll(async () => {
    expect(await cluster.destroy()).toEqual([]);
  });

  test('forty pods come and go, and leave nothing behind', async () => {
    expect(await leaksOf(cluster, 40)).toEqual([]);
  });

  test('a planted leak is found', async () => {
    const before = await holdings(cluster);
    const planted = join(cluster.directory, 'agent/snapshots/planted.main.0');
    mkdirSync(planted);
    expect(leaks(before, await holdings(cluster))).toEqual(['snapshots: planted.main.0']);
    rmdirSync(planted);
    const after = {
      ...before,
      descriptors: { ...before.descriptors, helper: before.descriptors.helper + 40 },
    };
    expect(leaks(before, after)).toHaveLength(1);
  });
});
