import { describe, expect, it } from 'vitest';
import { PodDisruptionBudgetKind } from '#api/kinds/pod-disruption-budget.ts';
import type { OwnerReference, Pod, PodDisruptionBudget } from '#api/objects.ts';
import { rfc3339 } from '#machinery/clock.ts';
import { pod } from '../framework/worlds.ts';
import { DELETION_TIMEOUT_MS } from './counts.ts';
import { planBudget } from './plan.ts';
import { type ScaleOf, UncountableError } from './scales.ts';

const NOW = Date.UTC(2026, 0, 1);
const BEFORE = '2025-12-31T00:00:00Z';

type Spec = NonNullable<PodDisruptionBudget['spec']>;
type Status = NonNullable<PodDisruptionBudget['status']>;

function budget(spec: Spec, status: Partial<Status> = {}): PodDisruptionBudget {
  return {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { name: 'web', namespace: 'default', uid: 'u', generation: 2 },
    spec: { selector: { matchLabels: { app: 'web' } }, ...spec },
    status: { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0, ...status },
  };
}

/** A pod that `owner` controls. */
function podOf(name: string, { owner, ready = true }: { owner?: string; ready?: boolean } = {}): Pod {
  const one = pod(name, { app: 'web' });
  one.status = { conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] };
  if (owner) one.metadata.ownerReferences = [reference(owner)];
  return one;
}

const reference = (name: string): OwnerReference => ({
  ...{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name, uid: name, controller: true },
});

const podsOf = (owner: string, count: number, ready = count) =>
  Array.from({ length: count }, (_, i) => podOf(`${owner}-${i}`, { owner, ready: i < ready }));

/** Owners by name, and their scale. */
const scales =
  (replicas: Record<string, number>): ScaleOf =>
  ({ name, uid }) =>
    name in replicas ? { uid, replicas: replicas[name]! } : undefined;

function plan(one: PodDisruptionBudget, pods: readonly Pod[], scaleOf: ScaleOf = scales({})) {
  const { actions, againAfterMs } = planBudget(one, pods, scaleOf, NOW);
  const write = actions.find((action) => action.do === 'updateStatus');
  const events = actions.flatMap((action) =>
    action.do === 'event' ? [`${action.type} ${action.why.reason}: ${action.why.message}`] : [],
  );
  return { status: write?.object.status, events, againAfterMs };
}

/** Healthy / must be healthy / expected, and how many may go. */
function counts(...args: Parameters<typeof plan>): string {
  const { status } = plan(...args);
  const { currentHealthy, desiredHealthy, expectedPods, disruptionsAllowed } = status!;
  return `${currentHealthy}/${desiredHealthy}/${expectedPods}, ${disruptionsAllowed} may go`;
}

describe('a budget counts', () => {
  it.each<[string, Spec, string]>([
    ['a number that must stay', { minAvailable: 2 }, '4/2/5, 2 may go'],
    ['all that must stay', { minAvailable: '100%' }, '4/7/7, 0 may go'],
    ['a part that must stay, rounded up', { minAvailable: '30%' }, '4/3/7, 1 may go'],
    ['a number that may go', { maxUnavailable: 4 }, '4/3/7, 1 may go'],
    ['a number that is more than all', { maxUnavailable: 8 }, '4/0/7, 4 may go'],
    ['a part that may go, rounded up', { maxUnavailable: '50%' }, '4/3/7, 1 may go'],
    ['none that may go', { maxUnavailable: 0 }, '4/7/7, 0 may go'],
    ['nothing at all', {}, '4/0/0, 0 may go'],
  ])('%s', (_words, spec, expected) => {
    // Seven are wanted, five are there, four are ready.
    expect(counts(budget(spec), podsOf('a', 5, 4), scales({ a: 7 }))).toBe(expected);
  });

  it('each owner once, however many pods it has', () => {
    const pods = [...podsOf('a', 3), ...podsOf('b', 1)];
    expect(counts(budget({ maxUnavailable: 1 }), pods, scales({ a: 3, b: 1 }))).toBe('4/3/4, 1 may go');
  });

  it('two ReplicaSets of one Deployment as one', () => {
    const deployment: ScaleOf = () => ({ uid: 'd', replicas: 3 });
    const pods = [...podsOf('old', 3), ...podsOf('new', 1)];
    expect(counts(budget({ maxUnavailable: 1 }), pods, deployment)).toBe('4/2/3, 2 may go');
  });

  it('no pod that is going', () => {
    const pods = podsOf('a', 3);
    pods[0]!.metadata.deletionTimestamp = BEFORE;
    expect(counts(budget({ minAvailable: 1 }), pods)).toBe('2/1/3, 1 may go');
  });

  it('pods that nobody controls only as a number that must stay', () => {
    const pods = [podOf('alone'), ...podsOf('a', 2)];
    expect(counts(budget({ minAvailable: 1 }), pods)).toBe('3/1/3, 2 may go');
    expect(plan(budget({ minAvailable: 1 }), pods).events).toEqual([]);
    const selector = {
      matchLabels: { tier: 'front', app: 'web' },
      matchExpressions: [{ key: 'a', operator: 'In', values: ['b', 'c'] }],
    };
    const share = budget({ maxUnavailable: 1, selector });
    expect(counts(share, pods, scales({ a: 2 }))).toBe('3/1/2, 2 may go');
    expect(plan(share, pods, scales({ a: 2 })).events).toEqual([
      'Warning UnmanagedPods: Pods selected by this PodDisruptionBudget (selector: &LabelSelector{MatchLabels:map[string]string{app: web,tier: front,},MatchExpressions:[]LabelSelectorRequirement{LabelSelectorRequirement{Key:a,Operator:In,Values:[b c],},},}) were found to be unmanaged. As a result, the status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these pods please set ".spec.minAvailable" field of the PDB to an integer value.',
    ]);
  });

  it('no pods, and allows nothing then', () => {
    const { status, events } = plan(budget({ minAvailable: 0 }), []);
    expect(status).toMatchObject({ expectedPods: 0, disruptionsAllowed: 0 });
    expect(events).toEqual(['Normal NoPods: No matching pods found']);
  });
});

describe('the status of a budget', () => {
  const two = podsOf('a', 2);

  it('says for which generation it was made, and whether pods may go', () => {
    expect(plan(budget({ minAvailable: 1 }, { observedGeneration: 1 }), two).status).toEqual({
      ...{ currentHealthy: 2, desiredHealthy: 1, expectedPods: 2, disruptionsAllowed: 1 },
      observedGeneration: 2,
      conditions: [
        {
          ...{ type: 'DisruptionAllowed', status: 'True', reason: 'SufficientPods', message: '' },
          ...{ observedGeneration: 2, lastTransitionTime: rfc3339(NOW) },
        },
      ],
    });
  });

  it('tells since when that is so, and keeps what others say', () => {
    const other = { type: 'Other', status: 'True', reason: 'R', message: '', lastTransitionTime: BEFORE };
    const allowed = { type: 'DisruptionAllowed', status: 'False', reason: 'SyncFailed', message: 'm' };
    const old = [other, { ...allowed, lastTransitionTime: BEFORE }] as unknown as Status['conditions'];
    const { status } = plan(budget({ minAvailable: 2 }, { conditions: old }), two);
    expect(status?.conditions).toEqual([
      other,
      {
        ...{ type: 'DisruptionAllowed', status: 'False', reason: 'InsufficientPods', message: '' },
        ...{ observedGeneration: 2, lastTransitionTime: BEFORE },
      },
    ]);
  });

  it('is not written again when nothing changed', () => {
    const { status } = plan(budget({ minAvailable: 1 }), two);
    expect(plan(budget({ minAvailable: 1 }, status), two)).toEqual({
      ...{ status: undefined, events: [], againAfterMs: undefined },
    });
  });

  it('is the status alone: the plan writes nothing else', () => {
    const [write] = planBudget(budget({ minAvailable: 1 }), two, scales({}), NOW).actions;
    expect(write).toMatchObject({ do: 'updateStatus', kind: PodDisruptionBudgetKind });
  });
});

describe('an evicted pod', () => {
  const AGO_MS = 30_000;
  const noted = (...names: string[]) => ({
    disruptedPods: Object.fromEntries(names.map((name) => [name, rfc3339(NOW - AGO_MS)])) as never,
  });

  it('does not count while it is still to be deleted', () => {
    const { status, againAfterMs } = plan(budget({ minAvailable: 1 }, noted('a-0')), podsOf('a', 3));
    expect(status).toMatchObject({ currentHealthy: 2, disruptionsAllowed: 1, ...noted('a-0') });
    expect(againAfterMs).toBe(DELETION_TIMEOUT_MS - AGO_MS);
  });

  it('is forgotten once it is going or gone', () => {
    const pods = podsOf('a', 3);
    pods[0]!.metadata.deletionTimestamp = BEFORE;
    const { status, againAfterMs } = plan(budget({ minAvailable: 1 }, noted('a-0', 'gone')), pods);
    expect(status).toMatchObject({ currentHealthy: 2 });
    expect(status).not.toHaveProperty('disruptedPods');
    expect(againAfterMs).toBeUndefined();
  });

  it('counts again when it was not deleted for two minutes, and people are told', () => {
    const disruptedPods = { 'a-0': rfc3339(NOW - DELETION_TIMEOUT_MS), 'a-1': rfc3339(NOW - 1000) } as never;
    const { status, events, againAfterMs } = plan(
      budget({ minAvailable: 1 }, { disruptedPods }),
      podsOf('a', 3),
    );
    expect(status).toMatchObject({ currentHealthy: 2, disruptedPods: { 'a-1': rfc3339(NOW - 1000) } });
    expect(status?.disruptedPods).not.toHaveProperty('a-0');
    expect(events).toEqual([
      "Warning NotDeleted: Pod was expected by PDB default/web to be deleted but it wasn't",
    ]);
    expect(againAfterMs).toBe(DELETION_TIMEOUT_MS - 1000);
  });
});

describe('a budget whose pods cannot be counted', () => {
  const before = {
    ...{ currentHealthy: 2, desiredHealthy: 1, expectedPods: 2, disruptionsAllowed: 1 },
    observedGeneration: 1,
  };

  it('allows nothing and says why', () => {
    const { status, events } = plan(budget({ maxUnavailable: 1 }, before), podsOf('gone', 1));
    expect(status).toEqual({
      ...before,
      disruptionsAllowed: 0,
      conditions: [
        {
          ...{ type: 'DisruptionAllowed', status: 'False', reason: 'SyncFailed', observedGeneration: 1 },
          ...{ message: 'found no controllers for pod "gone-0"', lastTransitionTime: rfc3339(NOW) },
        },
      ],
    });
    expect(events).toEqual([
      'Warning CalculateExpectedPodCountFailed: Failed to calculate the number of expected pods: found no controllers for pod "gone-0"',
    ]);
  });

  it('has a status that the server takes when it never had one', () => {
    const bare = budget({ maxUnavailable: 1 });
    delete bare.status;
    expect(plan(bare, podsOf('gone', 1)).status).toMatchObject({ disruptionsAllowed: 0, expectedPods: 0 });
  });

  it('tells what it heard of the owner', () => {
    const scaleOf = () => {
      throw new UncountableError('jobs.batch does not implement the scale subresource');
    };
    expect(plan(budget({ minAvailable: '50%' }), podsOf('a', 1), scaleOf).status).toMatchObject({
      conditions: [{ reason: 'SyncFailed', message: 'jobs.batch does not implement the scale subresource' }],
    });
  });

  it('is no matter for other faults', () => {
    const scaleOf = () => {
      throw new RangeError('a fault of ours');
    };
    expect(() => plan(budget({ maxUnavailable: 1 }), podsOf('a', 1), scaleOf)).toThrow('a fault of ours');
  });
});
