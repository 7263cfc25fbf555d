import { describe, expect, it } from 'vitest';
import { PodKind } from '#api/kinds/pod.ts';
import { ReplicaSetKind } from '#api/kinds/replica-set.ts';
import type { FakeCluster } from '#client/fake/fake-cluster.ts';
import { failEveryStepOnce, inLab, type Scene } from '../framework/lab.ts';
import { fresh, pod, replicaSet, runPods } from '../framework/worlds.ts';
import { replicaSetController } from './controller.ts';

const web = { namespace: 'default', name: 'web' };

const scene = (replicas: number): Scene => ({
  roster: [replicaSetController],
  async arrange(cluster) {
    await cluster.client.create(ReplicaSetKind, fresh(replicaSet('web', replicas)));
    await cluster.client.create(PodKind, fresh(pod('orphan', { app: 'web' })));
  },
  world: runPods,
});

function converged(replicas: number) {
  return (cluster: FakeCluster) => {
    expect(cluster.all(PodKind)).toHaveLength(replicas);
    expect(cluster.get(ReplicaSetKind, web)?.status).toMatchObject({
      replicas,
      readyReplicas: replicas,
      availableReplicas: replicas,
    });
  };
}

describe('the ReplicaSet controller', () => {
  it('gets to the number of replicas whichever step fails', async () => {
    expect(await failEveryStepOnce(scene(4), converged(4))).toBeGreaterThan(10);
  });

  it('replaces a pod that is deleted and follows a new number', () =>
    inLab(scene(3), async ({ cluster, settle }) => {
      converged(3)(cluster);
      cluster.delete(PodKind, cluster.all(PodKind)[0]!.metadata, {});
      await settle(5000);
      converged(3)(cluster);
      cluster.change(ReplicaSetKind, web, (set) => {
        set.spec!.replicas = 1;
      });
      await settle(5000);
      expect(cluster.all(PodKind)).toHaveLength(1);
      expect(cluster.get(ReplicaSetKind, web)?.status?.replicas).toBe(1);
    }));

  it('never makes one pod too many, though its cache lags behind its writes', () =>
    inLab(scene(50), ({ cluster }) => {
      const creates = cluster.calls.filter((call) => call.verb === 'create' && call.resource === 'pods');
      // One was the orphan of the test.
      expect(creates).toHaveLength(50);
    }));
});
