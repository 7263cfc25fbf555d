import { describe, expect, it } from 'vitest';
import { ConfigMapKind } from '#api/kinds/config-map.ts';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { isStatus } from '#machinery/errors.ts';
import { seededRandom } from '#machinery/random.ts';
import { clientConformance } from '../conformance.ts';
import { FakeCluster } from './fake-cluster.ts';

function fake(): FakeCluster {
  return new FakeCluster({ clock: new VirtualClock(), random: seededRandom(1) });
}

clientConformance('fake', async () => ({ client: fake().client, close: async () => undefined }));

const map = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', namespace: 'ns' } };

describe('the failure knobs of the fake', () => {
  it('fail the write that was named, before anything happens', async () => {
    const cluster = fake();
    cluster.failWrite(0);
    await expect(cluster.client.create(ConfigMapKind, map)).rejects.toSatisfy((error) =>
      isStatus(error, 'ServiceUnavailable'),
    );
    expect(cluster.get(ConfigMapKind, map.metadata)).toBeUndefined();
    await cluster.client.create(ConfigMapKind, map);
  });

  it('lose the answer of a write that was done', async () => {
    const cluster = fake();
    cluster.failWrite(0, 'after');
    await expect(cluster.client.create(ConfigMapKind, map)).rejects.toSatisfy((error) => isStatus(error));
    expect(cluster.get(ConfigMapKind, map.metadata)).toBeDefined();
  });

  it('expire a watch from a compacted revision', async () => {
    const cluster = fake();
    await cluster.client.create(ConfigMapKind, map);
    cluster.compact();
    const { signal } = new AbortController();
    const watch = cluster.client.watch(ConfigMapKind, { resourceVersion: '1', signal });
    await expect(watch[Symbol.asyncIterator]().next()).rejects.toSatisfy((e) => isStatus(e, 'Expired'));
  });
});
