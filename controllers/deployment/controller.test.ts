import { describe, expect, it } from 'vitest';
import { DeploymentKind } from '#api/kinds/deployment.ts';
import { EventKind } from '#api/kinds/event.ts';
import { PodKind } from '#api/kinds/pod.ts';
import { ReplicaSetKind } from '#api/kinds/replica-set.ts';
import type { Deployment, Pod } from '#api/objects.ts';
import { conditionOf } from '#api/semantics/conditions.ts';
import type { FakeCluster } from '#client/fake/fake-cluster.ts';
import { failEveryStepOnce, inLab, type Lab, type Scene } from '../framework/lab.ts';
import { deployment, fresh, runPods, template } from '../framework/worlds.ts';
import { replicaSetController } from '../replicaset/controller.ts';
import { deploymentController } from './controller.ts';

const web = { namespace: 'default', name: 'web' };
const REVISION = 'deployment.kubernetes.io/revision';

const scene = (replicas: number, edit: Partial<Deployment['spec']> = {}): Scene => ({
  roster: [deploymentController, replicaSetController],
  async arrange(cluster) {
    await cluster.client.create(DeploymentKind, fresh(deployment('web', replicas, edit)));
  },
  world: (cluster) => runPods(cluster, runs),
});

/** Images called broken never get ready. */
const runs = (pod: Pod) => !pod.spec?.containers[0]?.image?.startsWith('broken');
const image = (pod: Pod) => pod.spec?.containers[0]?.image;
const setImage = (cluster: FakeCluster, to: string) =>
  cluster.change(DeploymentKind, web, (one) => {
    one.spec!.template = template('web', to);
    one.metadata.generation = (one.metadata.generation ?? 0) + 1;
  });
const images = ({ cluster }: Lab) => cluster.all(PodKind).map(image).sort();
const status = ({ cluster }: Lab) => cluster.get(DeploymentKind, web)?.status;
const reason = (lab: Lab, type = 'Progressing') => conditionOf(status(lab)?.conditions, type)?.reason;

function rolledOut(replicas: number) {
  return (cluster: FakeCluster) => {
    const one = cluster.get(DeploymentKind, web)!;
    expect(one.status).toMatchObject({
      observedGeneration: one.metadata.generation,
      replicas,
      updatedReplicas: replicas,
      readyReplicas: replicas,
      availableReplicas: replicas,
    });
    expect(conditionOf(one.status?.conditions, 'Progressing')?.reason).toBe('NewReplicaSetAvailable');
    expect(conditionOf(one.status?.conditions, 'Available')?.status).toBe('True');
    expect(cluster.all(PodKind)).toHaveLength(replicas);
  };
}

describe('the Deployment controller', () => {
  it('rolls out whichever step fails', async () => {
    expect(await failEveryStepOnce(scene(2), rolledOut(2))).toBeGreaterThan(10);
  });

  it('rolls a new template out within its bounds whichever step fails', async () => {
    const bounded: Scene = {
      ...scene(3, {
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } as never },
      }),
      world(cluster) {
        const pods = cluster.all(PodKind).filter((pod) => !pod.metadata.deletionTimestamp);
        expect(pods.length).toBeLessThanOrEqual(4);
        const ready = pods.filter((pod) => pod.status?.phase === 'Running').length;
        if (cluster.get(DeploymentKind, web)!.metadata.generation! > 1)
          expect(ready).toBeGreaterThanOrEqual(3);
        else if (ready === 3) setImage(cluster, 'web:2');
        runPods(cluster, runs);
      },
    };
    await failEveryStepOnce(bounded, (cluster) => {
      rolledOut(3)(cluster);
      expect(new Set(cluster.all(PodKind).map(image))).toEqual(new Set(['web:2']));
      expect(cluster.get(DeploymentKind, web)?.metadata.annotations?.[REVISION]).toBe('2');
    });
  });

  it('keeps the old pods when the new ones do not get ready, and says when it took too long', () =>
    inLab(scene(4, { progressDeadlineSeconds: 60 }), async (lab) => {
      setImage(lab.cluster, 'broken:1');
      await lab.settle();
      expect(images(lab)).toEqual(['broken:1', 'broken:1', 'web:1', 'web:1', 'web:1']);
      expect(reason(lab)).toBe('ReplicaSetUpdated');
      await lab.settle(70_000);
      expect(reason(lab)).toBe('ProgressDeadlineExceeded');
      setImage(lab.cluster, 'web:3');
      await lab.settle();
      rolledOut(4)(lab.cluster);
    }));

  it('goes back to an old template by reusing its ReplicaSet under a new revision', () =>
    inLab(scene(2), async (lab) => {
      setImage(lab.cluster, 'web:2');
      await lab.settle();
      setImage(lab.cluster, 'web:1');
      await lab.settle();
      rolledOut(2)(lab.cluster);
      const sets = lab.cluster.all(ReplicaSetKind);
      expect(sets).toHaveLength(2);
      const current = sets.find((set) => set.spec?.replicas === 2)!;
      expect(current.metadata.annotations).toMatchObject({
        [REVISION]: '3',
        'deployment.kubernetes.io/revision-history': '1',
      });
    }));

  it('recreates: no new pod before the last old one has ended', () =>
    inLab(scene(3, { strategy: { type: 'Recreate' } }), async (lab) => {
      const mixed: string[][] = [];
      setImage(lab.cluster, 'web:2');
      for (let i = 0; i < 40; i++) {
        await lab.settle(250);
        if (new Set(images(lab)).size > 1) mixed.push(images(lab) as string[]);
      }
      expect(mixed).toEqual([]);
      rolledOut(3)(lab.cluster);
    }));

  it('makes no new ReplicaSet while paused, but scales', () =>
    inLab(scene(2), async (lab) => {
      lab.cluster.change(DeploymentKind, web, (one) => {
        one.spec!.paused = true;
        one.spec!.replicas = 4;
      });
      setImage(lab.cluster, 'web:2');
      await lab.settle();
      expect(images(lab)).toEqual(['web:1', 'web:1', 'web:1', 'web:1']);
      expect(reason(lab)).toBe('DeploymentPaused');
      lab.cluster.change(DeploymentKind, web, (one) => {
        one.spec!.paused = false;
      });
      await lab.settle();
      rolledOut(4)(lab.cluster);
    }));

  it('keeps as many old revisions as asked for', () =>
    inLab(scene(1, { revisionHistoryLimit: 1 }), async (lab) => {
      for (const to of ['web:2', 'web:3', 'web:4']) {
        setImage(lab.cluster, to);
        await lab.settle();
      }
      const revisions = lab.cluster.all(ReplicaSetKind).map((set) => set.metadata.annotations?.[REVISION]);
      expect(revisions.sort()).toEqual(['3', '4']);
    }));

  it('takes another hash when the name of its new ReplicaSet is taken', () =>
    inLab(scene(1), async (lab) => {
      const name = lab.cluster.all(ReplicaSetKind)[0]!.metadata.name;
      lab.cluster.change(ReplicaSetKind, { namespace: 'default', name }, (set) => {
        set.spec!.template = template('web', 'foreign:1');
      });
      await lab.settle();
      expect(status(lab)?.collisionCount).toBe(1);
      rolledOut(1)(lab.cluster);
    }));

  it('tells of each scaling in an event', () =>
    inLab(scene(2), async (lab) => {
      const name = lab.cluster.all(ReplicaSetKind)[0]!.metadata.name;
      const events = lab.cluster.all(EventKind).filter((event) => event.reason === 'ScalingReplicaSet');
      expect(events.map((event) => event.message)).toEqual([`Scaled up replica set ${name} from 0 to 2`]);
      expect(events[0]?.source?.component).toBe('deployment-controller');
    }));
});
