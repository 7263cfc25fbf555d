import { describe, expect, it } from 'vitest';
import { DeploymentKind } from '#api/kinds/deployment.ts';
import { EventKind } from '#api/kinds/event.ts';
import { PodKind } from '#api/kinds/pod.ts';
import { PodDisruptionBudgetKind } from '#api/kinds/pod-disruption-budget.ts';
import type { Pod, PodCondition, PodDisruptionBudget } from '#api/objects.ts';
import { conditionOf } from '#api/semantics/conditions.ts';
import { podCondition } from '#api/semantics/pod-status.ts';
import type { FakeCluster } from '#client/fake/fake-cluster.ts';
import { rfc3339 } from '#machinery/clock.ts';
import { deploymentController } from '../deployment/controller.ts';
import { failEveryStepOnce, inLab, type Scene } from '../framework/lab.ts';
import { deployment, fresh, markRunning, pod, runPods } from '../framework/worlds.ts';
import { replicaSetController } from '../replicaset/controller.ts';
import { disruptionController, staleDisruptionController } from './controller.ts';
import { DELETION_TIMEOUT_MS } from './counts.ts';
import { planStaleTarget, STALE_TARGET_MS } from './stale-targets.ts';

const web = { namespace: 'default', name: 'web' };
type Spec = NonNullable<PodDisruptionBudget['spec']>;

function budget(spec: Spec): PodDisruptionBudget {
  const selector = { matchLabels: { app: 'web' } };
  return { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', metadata: web, spec: { selector, ...spec } };
}

const scene = (spec: Spec): Scene => ({
  roster: [deploymentController, replicaSetController, disruptionController],
  validate: true,
  async arrange(cluster) {
    await cluster.client.create(PodDisruptionBudgetKind, budget(spec));
    await cluster.client.create(DeploymentKind, fresh(deployment('web', 3)));
  },
  world: runPods,
});

const statusOf = (cluster: FakeCluster) => cluster.get(PodDisruptionBudgetKind, web)?.status;

describe('the disruption controller', () => {
  it('counts the pods of a Deployment whichever step fails', async () => {
    const runs = await failEveryStepOnce(scene({ maxUnavailable: 1 }), (cluster) => {
      expect(statusOf(cluster)).toMatchObject({
        ...{ expectedPods: 3, currentHealthy: 3, desiredHealthy: 2, disruptionsAllowed: 1 },
        observedGeneration: 1,
        conditions: [{ reason: 'SufficientPods', status: 'True' }],
      });
    });
    expect(runs).toBeGreaterThan(10);
  });

  it('follows what is asked of it, and the scale', () =>
    inLab(scene({ maxUnavailable: 1 }), async ({ cluster, settle }) => {
      await cluster.client.patch(PodDisruptionBudgetKind, web, {
        ...{ type: 'merge', body: { spec: { maxUnavailable: '50%' } } },
      });
      await settle(5000);
      expect(statusOf(cluster)).toMatchObject({ desiredHealthy: 1, observedGeneration: 2 });
      cluster.change(DeploymentKind, web, (one) => {
        one.spec!.replicas = 5;
      });
      await settle(5000);
      expect(statusOf(cluster)).toMatchObject({ expectedPods: 5, desiredHealthy: 2, currentHealthy: 5 });
    }));

  it('counts by scales and labels that changed, though no pod comes or goes', () =>
    inLab(
      { ...scene({ maxUnavailable: 1 }), roster: [disruptionController], arrange: arrangeAlone },
      async ({ cluster, settle }) => {
        expect(statusOf(cluster)).toMatchObject({ expectedPods: 3, currentHealthy: 1 });
        cluster.change(DeploymentKind, web, (one) => {
          one.spec!.replicas = 1;
        });
        await settle(1000);
        expect(statusOf(cluster)).toMatchObject({
          expectedPods: 1,
          desiredHealthy: 0,
          disruptionsAllowed: 1,
        });
        await cluster.client.delete(DeploymentKind, web);
        await settle(1000);
        const condition = conditionOf(statusOf(cluster)?.conditions, 'DisruptionAllowed');
        expect(condition).toMatchObject({
          reason: 'SyncFailed',
          message: 'found no controllers for pod "one"',
        });
        expect(statusOf(cluster)).toMatchObject({ disruptionsAllowed: 0 });
        cluster.change(PodKind, { namespace: 'default', name: 'one' }, ({ metadata }) => {
          metadata.labels = { app: 'other' };
        });
        await settle(1000);
        expect(statusOf(cluster)).toMatchObject({ expectedPods: 0, currentHealthy: 0 });
        expect(cluster.all(EventKind).map(({ reason }) => reason)).toContain('NoPods');
      },
    ));

  it('forgets an eviction that led to nothing after two minutes, by time alone', () =>
    inLab(scene({ maxUnavailable: 1 }), async ({ cluster, clock, settle }) => {
      const { name } = cluster.all(PodKind)[0]!.metadata;
      cluster.change(PodDisruptionBudgetKind, web, ({ status }) => {
        status!.disruptedPods = { [name]: rfc3339(clock.now()) } as never;
        status!.disruptionsAllowed = 0;
      });
      await settle(DELETION_TIMEOUT_MS - 5000);
      expect(statusOf(cluster)).toMatchObject({ currentHealthy: 2, disruptionsAllowed: 0 });
      await settle(10_000);
      expect(statusOf(cluster)).toMatchObject({ currentHealthy: 3, disruptionsAllowed: 1 });
      expect(statusOf(cluster)).not.toHaveProperty('disruptedPods');
      expect(cluster.all(EventKind).filter(({ reason }) => reason === 'NotDeleted')).toHaveLength(1);
    }));

  it('counts anew when an eviction came between', () =>
    inLab(scene({ maxUnavailable: 2 }), async ({ cluster, clock, settle }) => {
      const [first, second] = cluster.all(PodKind).map(({ metadata }) => metadata);
      // The controller counts for the pod that goes, and meets the note of the other one's eviction.
      let isNoted = false;
      cluster.intercept(({ verb, resource, subresource }) => {
        if (isNoted || verb !== 'update' || resource !== 'poddisruptionbudgets.policy') return undefined;
        isNoted = subresource === 'status';
        cluster.change(PodDisruptionBudgetKind, web, ({ status }) => {
          status!.disruptedPods = { [second!.name]: rfc3339(clock.now()) } as never;
          status!.disruptionsAllowed = 0;
        });
        return undefined;
      });
      await cluster.client.delete(PodKind, first!);
      await clock.advance(100);
      expect(isNoted).toBe(true);
      await settle(2000);
      expect(statusOf(cluster)).toMatchObject({
        currentHealthy: 2,
        disruptedPods: { [second!.name]: expect.any(String) },
      });
    }));
});

/** A Deployment with one pod that nobody replaces. */
async function arrangeAlone(cluster: FakeCluster): Promise<void> {
  const made = await cluster.client.create(DeploymentKind, fresh(deployment('web', 3)));
  const one = fresh(pod('one', { app: 'web' }));
  const { uid = '' } = made.metadata;
  one.metadata.ownerReferences = [
    { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web', uid, controller: true },
  ];
  markRunning(cluster, await cluster.client.create(PodKind, one));
  await cluster.client.create(PodDisruptionBudgetKind, budget({ maxUnavailable: 1 }));
}

const NOW = Date.UTC(2026, 0, 1);
const target = (edit: Partial<PodCondition> = {}): PodCondition => ({
  ...{ type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI', message: 'm' },
  lastTransitionTime: rfc3339(NOW - STALE_TARGET_MS),
  ...edit,
});
const marked = (edit: Partial<PodCondition> = {}, phase = 'Running'): Pod =>
  pod('a', {}, { status: { phase, conditions: [{ type: 'Ready', status: 'True' }, target(edit)] } });

describe('the mark of a pod that was not disrupted', () => {
  it('is taken back after two minutes', () => {
    const { actions } = planStaleTarget(marked(), NOW);
    expect(actions).toMatchObject([{ do: 'updateStatus', object: { status: { phase: 'Running' } } }]);
    const [write] = actions;
    expect(write?.do === 'updateStatus' && (write.object as Pod).status?.conditions).toEqual([
      { type: 'Ready', status: 'True' },
      { type: 'DisruptionTarget', status: 'False', lastTransitionTime: rfc3339(NOW) },
    ]);
  });

  it('stays until then', () => {
    const soon = marked({ lastTransitionTime: rfc3339(NOW - STALE_TARGET_MS + 5000) });
    expect(planStaleTarget(soon, NOW)).toEqual({ actions: [], againAfterMs: 5000 });
  });

  const going = marked();
  going.metadata.deletionTimestamp = rfc3339(NOW);
  it.each([
    ['of a pod without it', pod('a', {})],
    ['that says no', marked({ status: 'False' })],
    ['of a node that ends it', marked({ reason: 'TerminationByKubelet' })],
    ['of a pod that has ended', marked({}, 'Failed')],
    ['of a pod that goes', going],
  ])('is left alone: %s', (_words, one) => {
    expect(planStaleTarget(one, NOW)).toEqual({ actions: [] });
  });

  it('is gone whichever step fails', async () => {
    const stale: Scene = {
      roster: [staleDisruptionController],
      settleMs: STALE_TARGET_MS + 15_000,
      async arrange(cluster) {
        const one = await cluster.client.create(PodKind, fresh(pod('a', {})));
        markRunning(cluster, one);
        cluster.change(PodKind, one.metadata, ({ status }) => {
          status!.conditions!.push(target({ lastTransitionTime: rfc3339(cluster.clock.now()) }));
        });
      },
    };
    await failEveryStepOnce(stale, (cluster) => {
      const [one] = cluster.all(PodKind);
      expect(podCondition(one!.status, 'DisruptionTarget')?.status).toBe('False');
    });
  });
});
