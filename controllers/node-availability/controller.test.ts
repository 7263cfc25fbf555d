import { describe, expect, it, test } from 'vitest';
import { NodeKind } from '#api/kinds/node.ts';
import { PodKind } from '#api/kinds/pod.ts';
import { PodDisruptionBudgetKind } from '#api/kinds/pod-disruption-budget.ts';
import type { Pod, PodDisruptionBudget } from '#api/objects.ts';
import { type Availability, availabilityPatch, type DrainOptions } from '#api/semantics/availability.ts';
import { conditionOf } from '#api/semantics/conditions.ts';
import type { FakeCluster } from '#client/fake/fake-cluster.ts';
import { failEveryStepOnce, inLab, type Lab, type Scene } from '../framework/lab.ts';
import { fresh, markRunning, pod, runPods } from '../framework/worlds.ts';
import { nodeAvailabilityController } from './controller.ts';
import { planAvailability } from './plan.ts';

const NODE = { name: 'node-1' };

/** A pod that somebody would make anew elsewhere. */
function owned(name: string, kind = 'ReplicaSet', labels: Record<string, string> = {}): Pod {
  const owner = { apiVersion: 'apps/v1', kind, name: 'web', uid: 'u', controller: true };
  const made = pod(name, labels);
  return { ...made, metadata: { ...made.metadata, ownerReferences: [owner] } };
}

function budget(disruptionsAllowed: number): PodDisruptionBudget {
  return {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { name: 'web', namespace: 'default' },
    spec: { selector: { matchLabels: { app: 'web' } }, minAvailable: 1 },
    status: {
      ...{ disruptionsAllowed, currentHealthy: 1, desiredHealthy: 1, expectedPods: 1 },
      observedGeneration: 1,
    },
  };
}

function scene(availability: Availability, pods: readonly Pod[], options: DrainOptions = {}): Scene {
  return {
    roster: [nodeAvailabilityController],
    world: runPods,
    async arrange(cluster) {
      await cluster.client.create(NodeKind, { apiVersion: 'v1', kind: 'Node', metadata: NODE });
      for (const one of pods) markRunning(cluster, await cluster.client.create(PodKind, fresh(one)));
      await say(cluster, availability, options);
    },
  };
}

const say = (cluster: FakeCluster, availability: Availability, options: DrainOptions = {}) =>
  cluster.client.patch(NodeKind, NODE, { type: 'merge', body: availabilityPatch(availability, options) });
const node = (cluster: FakeCluster) => cluster.get(NodeKind, NODE)!;
const drained = (cluster: FakeCluster) => {
  const found = conditionOf(node(cluster).status?.conditions, 'Drained');
  return found && { is: found.status, reason: found.reason, message: found.message };
};
const left = (cluster: FakeCluster) =>
  cluster
    .all(PodKind)
    .map(({ metadata }) => metadata.name)
    .sort();
const later = async ({ cluster, settle }: Lab, act: () => Promise<unknown> | unknown) => {
  await act();
  await settle();
  return cluster;
};

describe('a node that is paused', () => {
  it('gets no new pods and keeps those it has, until it is active', () =>
    inLab(scene('pause', [owned('a')]), async (lab) => {
      expect(node(lab.cluster).spec?.unschedulable).toBe(true);
      expect(left(lab.cluster)).toEqual(['a']);
      expect(drained(lab.cluster)).toBeUndefined();
      await later(lab, () => say(lab.cluster, 'active'));
      expect(node(lab.cluster).spec?.unschedulable).toBeUndefined();
    }));

  it('stays cordoned when somebody else had cordoned it', () =>
    inLab(scene('active', []), async (lab) => {
      const cordon = { type: 'merge' as const, body: { spec: { unschedulable: true } } };
      await later(lab, () => lab.cluster.client.patch(NodeKind, NODE, cordon));
      await later(lab, () => say(lab.cluster, 'pause'));
      await later(lab, () => say(lab.cluster, 'active'));
      expect(node(lab.cluster).spec?.unschedulable).toBe(true);
    }));
});

describe('a node that is drained', () => {
  test('loses its pods whichever step fails; those of DaemonSets and its own stay', async () => {
    const mirror = pod('mirror', {});
    mirror.metadata.annotations = { 'kubernetes.io/config.mirror': 'x' };
    await failEveryStepOnce(
      scene('drain', [owned('a'), owned('b'), owned('d', 'DaemonSet'), mirror]),
      (cluster) => {
        expect(left(cluster)).toEqual(['d', 'mirror']);
        expect(node(cluster).spec?.unschedulable).toBe(true);
        expect(drained(cluster)).toMatchObject({ is: 'True', reason: 'Drained' });
      },
    );
  });

  it('loses what comes later too, and is free of it when it is active', () =>
    inLab(scene('drain', [owned('a')]), async (lab) => {
      await later(lab, async () => {
        markRunning(lab.cluster, await lab.cluster.client.create(PodKind, fresh(owned('late'))));
      });
      expect(left(lab.cluster)).toEqual([]);
      await later(lab, () => say(lab.cluster, 'active'));
      expect(drained(lab.cluster)).toBeUndefined();
      expect(node(lab.cluster).metadata.annotations).toEqual({});
    }));

  it('keeps pods that nobody would make anew, and says so, unless that is forced', () =>
    inLab(scene('drain', [pod('bare', {}), owned('a')]), async (lab) => {
      expect(left(lab.cluster)).toEqual(['bare']);
      expect(drained(lab.cluster)).toEqual({
        ...{ is: 'False', reason: 'UnmanagedPods' },
        message: 'without a controller, which stay unless forced: default/bare',
      });
      await later(lab, () => say(lab.cluster, 'drain', { force: true }));
      expect(left(lab.cluster)).toEqual([]);
    }));

  it('keeps what a budget holds, with its reason, and lets go what the budget lets go', () => {
    const held = scene('drain', [owned('web', 'ReplicaSet', { app: 'web' }), owned('other')]);
    const arranged: Scene = {
      ...held,
      async arrange(cluster) {
        await held.arrange(cluster);
        cluster.store(PodDisruptionBudgetKind, { ...budget(0) }, 'added');
      },
    };
    return inLab(arranged, async (lab) => {
      expect(left(lab.cluster)).toEqual(['web']);
      expect(drained(lab.cluster)).toEqual({
        ...{ is: 'False', reason: 'HeldByDisruptionBudget' },
        message:
          '1 pod has to go: default/web; held: default/web (The disruption budget web needs 1 healthy pods and has 1 currently)',
      });
      expect(lab.cluster.calls.filter(({ subresource }) => subresource === 'eviction')).toHaveLength(1);
      await later(lab, () =>
        lab.cluster.change(PodDisruptionBudgetKind, budget(0).metadata, (changed) => {
          changed.status!.disruptionsAllowed = 1;
        }),
      );
      expect(left(lab.cluster)).toEqual([]);
      expect(drained(lab.cluster)).toMatchObject({ is: 'True' });
    });
  });

  it('tells how long pods have to end', () => {
    const metadata = {
      ...NODE,
      labels: { 'gantry.dev/availability': 'drain' },
      annotations: { 'gantry.dev/drain': '{"gracePeriodSeconds":3}' },
    };
    const cordoned = { apiVersion: 'v1', kind: 'Node', metadata, spec: { unschedulable: true } };
    const scene = { node: cordoned, pods: () => [owned('slow')], budgets: () => [] };
    expect(planAvailability(scene, 0).actions.at(-1)).toMatchObject({
      ...{ do: 'evict', key: 'default/slow' },
      options: { uid: 'uid-slow', graceSeconds: 3 },
    });
  });
});
