import { describe, expect, it } from 'vitest';
import { NodeKind } from '#api/kinds/node.ts';
import { PodKind } from '#api/kinds/pod.ts';
import type { Pod } from '#api/objects.ts';
import { failEveryStepOnce } from '../framework/lab.ts';
import { fresh, markRunning, pod } from '../framework/worlds.ts';
import { podGcController } from './controller.ts';
import { MAX_ENDED, NODE_GONE_MS, planPodGc } from './plan.ts';

const NOW = 1_000_000;
const plan = (one: Pod, edit: Partial<Parameters<typeof planPodGc>[0]> = {}) =>
  planPodGc({ pod: one, hasNode: true, seenAt: NOW, podCount: () => 1, ended: () => [], ...edit }, NOW);

const on = (one: Pod) => ({ ...one, spec: { ...one.spec!, nodeName: 'n1' } });

describe('the plan for leftover pods', () => {
  it('leaves a pod alone whose node is there', () => {
    expect(plan(on(pod('a', {}))).actions).toEqual([]);
  });

  it('gives a node that is gone some time to come back', () => {
    expect(plan(on(pod('a', {})), { hasNode: false })).toEqual({ actions: [], againAfterMs: NODE_GONE_MS });
    expect(plan(on(pod('a', {})), { hasNode: false, seenAt: NOW - NODE_GONE_MS }).actions).toMatchObject([
      { do: 'delete', options: { graceSeconds: 0 }, checks: [{ is: 'gone', key: 'n1' }] },
    ]);
  });

  it('ends a deleted pod that never had a node', () => {
    const going = pod('a', {});
    going.metadata.deletionTimestamp = '2026-01-01T00:00:00Z';
    expect(plan(going, { hasNode: false }).actions).toMatchObject([{ do: 'delete' }]);
  });

  it('deletes the oldest of too many ended pods', () => {
    const ended = Array.from({ length: MAX_ENDED + 1 }, (_, i) => {
      const one = on(pod(`p${i}`, {}, { status: { phase: 'Succeeded' } }));
      one.metadata.creationTimestamp = new Date(i * 1000).toISOString();
      return one;
    });
    const excess = { podCount: () => ended.length, ended: () => ended };
    expect(plan(ended[0]!, excess).actions).toHaveLength(1);
    expect(plan(ended[1]!, excess).actions).toHaveLength(0);
  });
});

it('pods of a node that is gone are deleted whichever step fails, others stay', async () => {
  const scene = {
    roster: [podGcController],
    settleMs: 60_000,
    async arrange(cluster: import('#client/fake/fake-cluster.ts').FakeCluster) {
      await cluster.client.create(NodeKind, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-1' } });
      for (const name of ['stays', 'lost']) {
        const one = pod(name, {});
        if (name === 'lost') one.spec!.nodeName = 'node-2';
        markRunning(cluster, await cluster.client.create(PodKind, fresh(one)));
      }
    },
  };
  await failEveryStepOnce(scene, (cluster) => {
    expect(cluster.all(PodKind).map(({ metadata }) => metadata.name)).toEqual(['stays']);
  });
});
