import { beforeEach, describe, expect, it } from 'vitest';
import type { Kind } from '#api/kind.ts';
import { ConfigMapKind } from '#api/kinds/config-map.ts';
import type { ConfigMap } from '#api/objects.ts';
import { FakeCluster } from '#client/fake/fake-cluster.ts';
import { settle, VirtualClock } from '#machinery/clock-virtual.ts';
import { seededRandom } from '#machinery/random.ts';
import type { AnyController } from './contract.ts';
import { Informers } from './informers.ts';

let cluster: FakeCluster;
const clock = new VirtualClock();
const owner = { apiVersion: 'v1', kind: 'ConfigMap', name: 'o', uid: 'u' };

const map = (name: string): ConfigMap => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: {
    name,
    namespace: 'n',
    annotations: { long: 'text' },
    ownerReferences: [owner],
    finalizers: ['f'],
  },
  data: { a: 'b' },
});

beforeEach(async () => {
  cluster = new FakeCluster({ clock, random: seededRandom(1) });
  await cluster.client.create(ConfigMapKind, map('listed'));
});

/** What is held of two objects, one that was listed and one that came later. */
async function held(...readers: Pick<AnyController, 'content'>[]): Promise<(ConfigMap | undefined)[]> {
  const informers = new Informers(new Map([[ConfigMapKind as unknown as Kind, readers]]), {
    client: cluster.client,
    clock,
    random: seededRandom(2),
    signal: new AbortController().signal,
  });
  await informers.synced();
  await settle();
  await cluster.client.create(ConfigMapKind, map('watched'));
  await settle();
  return ['n/listed', 'n/watched'].map((key) => informers.get(ConfigMapKind, key));
}

describe('the shared informers', () => {
  it('hold all of an object when a reader looks at all, whoever else does not', async () => {
    for (const object of await held({ content: () => false }, {}))
      expect(object).toMatchObject({ data: { a: 'b' }, metadata: { annotations: { long: 'text' } } });
  });

  it('hold which object it is, whose and what keeps it, when nobody looks further', async () => {
    for (const object of await held({ content: () => false })) {
      expect(object).toMatchObject({
        kind: 'ConfigMap',
        metadata: { namespace: 'n', ownerReferences: [owner], finalizers: ['f'] },
      });
      expect(object?.metadata.resourceVersion).toBeDefined();
      expect(object?.data ?? object?.metadata.annotations).toBeUndefined();
    }
  });

  it('hold the content of those objects alone that a reader looks into', async () => {
    const [listed, watched] = await held({ content: ({ metadata }) => metadata.name === 'watched' });
    expect([listed?.data, watched?.data]).toEqual([undefined, { a: 'b' }]);
  });
});
