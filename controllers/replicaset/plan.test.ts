import { describe, expect, it } from 'vitest';
import { PodKind } from '#api/kinds/pod.ts';
import { ReplicaSetKind } from '#api/kinds/replica-set.ts';
import type { Pod } from '#api/objects.ts';
import { controllerReference } from '#api/semantics/owners.ts';
import { StatusError } from '#machinery/errors.ts';
import type { Failure } from '../framework/contract.ts';
import { pod, replicaSet } from '../framework/worlds.ts';
import { planReplicaSet } from './plan.ts';
import { rankForDeletion } from './ranking.ts';

const NOW = Date.UTC(2026, 0, 1);
const alone = { relatedPods: () => [] };
const set = (replicas: number) => replicaSet('web', replicas);

function plan(replicas: number, owned: Pod[], orphans: Pod[] = [], failed?: Failure) {
  return planReplicaSet(set(replicas), owned, orphans, alone, NOW, failed);
}

function owned(name: string, edit: Partial<Pod> = {}): Pod {
  const made = pod(name, { app: 'web' }, edit);
  made.metadata.ownerReferences = [controllerReference(ReplicaSetKind, set(1))];
  return made;
}

const does = (planned: ReturnType<typeof plan>) =>
  planned.actions.filter(({ do: verb }) => verb !== 'updateStatus').map((action) => action.do);

describe('the plan of a ReplicaSet', () => {
  it('makes the pods that are missing, together', () => {
    const planned = plan(3, [owned('a')]);
    expect(does(planned)).toEqual(['create', 'create']);
    const [action] = planned.actions.filter((one) => one.do === 'create');
    expect(action).toMatchObject({
      kind: PodKind,
      together: true,
      object: {
        metadata: { generateName: 'web-', namespace: 'default', labels: { app: 'web' } },
        spec: { containers: [{ name: 'main' }] },
      },
    });
  });

  it('makes at most a burst of pods at once', () => {
    expect(does(plan(2000, []))).toHaveLength(500);
  });

  it('deletes what is too much, and only the very pod it saw', () => {
    const planned = plan(0, [owned('a')]);
    expect(planned.actions.find((one) => one.do === 'delete')).toMatchObject({
      key: 'default/a',
      options: { uid: 'uid-a' },
    });
  });

  it('does not count pods that have ended or are going', () => {
    const failed = owned('failed', { status: { phase: 'Failed' } });
    const going = owned('going');
    going.metadata.deletionTimestamp = '2026-01-01T00:00:00Z';
    expect(does(plan(1, [failed, going]))).toEqual(['create']);
  });

  it('adopts a matching orphan and counts it', () => {
    const planned = plan(1, [], [pod('orphan', { app: 'web' }), pod('other', { app: 'other' })]);
    expect(does(planned)).toEqual(['patch']);
    expect(planned.actions.find((one) => one.do === 'patch')).toMatchObject({ key: 'default/orphan' });
  });

  it('releases a pod whose labels no longer match and makes another', () => {
    const strayed = owned('strayed');
    strayed.metadata.labels = { app: 'debug' };
    expect(does(plan(1, [strayed]))).toEqual(['patch', 'create']);
  });

  it('does nothing for one that is being deleted', () => {
    const going = set(3);
    going.metadata.deletionTimestamp = '2026-01-01T00:00:00Z';
    const planned = planReplicaSet(going, [], [pod('orphan', { app: 'web' })], alone, NOW);
    expect(does(planned)).toEqual([]);
  });

  it('tells in a condition and an event that pods are refused, and takes it back after a success', () => {
    const refused: Failure = {
      do: 'create',
      kind: PodKind as never,
      error: new StatusError('Forbidden', 'exceeded quota'),
    };
    const planned = plan(1, [], [], refused);
    const status = planned.actions.find((one) => one.do === 'updateStatus');
    expect(status).toMatchObject({
      object: {
        status: {
          conditions: [{ type: 'ReplicaFailure', reason: 'FailedCreate', message: 'exceeded quota' }],
        },
      },
    });
    expect(planned.actions.find((one) => one.do === 'event')).toMatchObject({
      why: { reason: 'FailedCreate', message: 'Error creating: exceeded quota' },
    });
    const now = set(1);
    now.status = { replicas: 0, conditions: [{ type: 'ReplicaFailure', status: 'True' }] };
    const [healed] = planReplicaSet(now, [], [], alone, NOW).actions;
    expect(healed).toMatchObject({ do: 'updateStatus', object: { status: { replicas: 0 } } });
    expect(healed).not.toHaveProperty('object.status.conditions');
  });

  it('looks again when a pod becomes available by time', () => {
    const ready = owned('a', {
      status: {
        phase: 'Running',
        conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' }],
      },
    });
    const slow = replicaSet('web', 1, { minReadySeconds: 30 });
    const planned = planReplicaSet(slow, [ready], [], alone, NOW + 10_000);
    expect(planned.againAfterMs).toBe(20_000);
    expect(planned.actions[0]).toMatchObject({
      object: { status: { readyReplicas: 1, availableReplicas: undefined } },
    });
  });
});

describe('the pods to delete first', () => {
  const ready = (since: string) => ({
    phase: 'Running',
    conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: since }],
  });
  const on = (nodeName: string) => ({ nodeName, containers: [{ name: 'main' }] });
  const order = (pods: Pod[]) => rankForDeletion(pods, pods).map(({ metadata }) => metadata.name);

  it('are the unassigned, then the pending, then those not ready', () => {
    const pods = [
      pod('ready', {}, { spec: on('n1'), status: ready('2026-01-01T00:00:00Z') }),
      pod('running', {}, { spec: on('n2'), status: { phase: 'Running' } }),
      pod('pending', {}, { spec: on('n3'), status: { phase: 'Pending' } }),
      pod('unassigned', {}),
    ];
    expect(order(pods)).toEqual(['unassigned', 'pending', 'running', 'ready']);
  });

  it('are those on the most crowded node, then those ready for less time', () => {
    const pods = [
      pod('alone', {}, { spec: on('n1'), status: ready('2026-01-01T00:00:09Z') }),
      pod('old', {}, { spec: on('n2'), status: ready('2026-01-01T00:00:00Z') }),
      pod('young', {}, { spec: on('n2'), status: ready('2026-01-01T00:00:05Z') }),
    ];
    expect(order(pods)).toEqual(['young', 'old', 'alone']);
  });

  it('are the cheaper by annotation before all that', () => {
    const dear = pod('dear', {}, { spec: on('n1'), status: ready('2026-01-01T00:00:00Z') });
    dear.metadata.annotations = { 'controller.kubernetes.io/pod-deletion-cost': '10' };
    const cheap = pod('cheap', {}, { spec: on('n2'), status: ready('2025-01-01T00:00:00Z') });
    expect(order([dear, cheap])).toEqual(['cheap', 'dear']);
  });
});
