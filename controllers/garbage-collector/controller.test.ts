import { expect, it } from 'vitest';
import { ConfigMapKind } from '#api/kinds/config-map.ts';
import { ReplicaSetKind } from '#api/kinds/replica-set.ts';
import { controllerReference } from '#api/semantics/owners.ts';
import { failEveryStepOnce, type Scene } from '../framework/lab.ts';
import { fresh, replicaSet } from '../framework/worlds.ts';
import { garbageCollectors } from './controller.ts';

const scene = (propagation: 'Foreground' | 'Orphan' | 'Background'): Scene => ({
  roster: garbageCollectors,
  async arrange(cluster) {
    const set = await cluster.client.create(ReplicaSetKind, fresh(replicaSet('web', 0)));
    for (const name of ['a', 'b'])
      await cluster.client.create(ConfigMapKind, {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name, namespace: 'default', ownerReferences: [controllerReference(ReplicaSetKind, set)] },
      });
    await cluster.client.delete(ReplicaSetKind, set.metadata, { propagation });
  },
});

it.each(['Foreground', 'Background'] as const)(
  '%s: owner and dependents go whichever step fails',
  async (how) => {
    await failEveryStepOnce(scene(how), (cluster) => {
      expect(cluster.all(ReplicaSetKind)).toEqual([]);
      expect(cluster.all(ConfigMapKind)).toEqual([]);
    });
  },
);

it('Orphan: the owner goes and the dependents stay, whichever step fails', async () => {
  await failEveryStepOnce(scene('Orphan'), (cluster) => {
    expect(cluster.all(ReplicaSetKind)).toEqual([]);
    expect(cluster.all(ConfigMapKind).map(({ metadata }) => metadata.ownerReferences ?? [])).toEqual([
      [],
      [],
    ]);
  });
});
