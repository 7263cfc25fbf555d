import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestCluster } from '../harness/cluster.ts';
import { whyNoHost } from '../harness/host.ts';
import { leaksOf } from '../harness/lifecycles.ts';

describe.skipIf(whyNoHost())('pod lifecycles', () => {
  const cluster = new TestCluster();

  beforeAll(async () => {
    await cluster.start();
    await cluster.loadImages(['gantry/hello:1']);
  });
  afterAll(async () => {
    expect(await cluster.destroy()).toEqual([]);
  });

  test('two hundred pods leave nothing behind', async () => {
    expect(await leaksOf(cluster, 200)).toEqual([]);
  });
});
