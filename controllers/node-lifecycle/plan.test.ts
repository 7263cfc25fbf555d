import { describe, expect, it, test } from 'vitest';
import type { Node, Pod, Taint, Toleration } from '#api/objects.ts';
import { pod } from '../framework/worlds.ts';
import { type Disruption, disruptionOf, evictionTime, GRACE_MS, planNode, type Sign } from './plan.ts';

const NOW = Date.UTC(2026, 0, 1);

function node(ready: string, edit: Partial<Node['spec']> = {}): Node {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'n1', uid: 'u' },
    spec: edit,
    status: { conditions: [{ type: 'Ready', status: ready }] },
  };
}

const plan = (one: Node, heardAt: number, pods: Pod[] = [], disruption: Disruption = 'none') =>
  planNode({ node: one, heardAt, pods: () => pods, graceMs: GRACE_MS, disruption: () => disruption }, NOW);
const taints = (planned: ReturnType<typeof plan>) => {
  const action = planned.actions.find((one) => one.do === 'patch' && one.key === 'n1');
  const body = action?.do === 'patch' ? (action.patch.body as { spec: { taints: Taint[] } }) : undefined;
  return body?.spec.taints.map(({ key, effect }) => `${key}:${effect}`);
};

describe('a node', () => {
  it('that was heard of is left alone, and looked at again when its grace is over', () => {
    expect(plan(node('True'), NOW - 10_000)).toEqual({ actions: [], againAfterMs: GRACE_MS - 10_000 });
  });

  it('that fell silent is unknown, first of all', () => {
    const { actions } = plan(node('True'), NOW - GRACE_MS);
    expect(actions[0]).toMatchObject({
      do: 'updateStatus',
      object: {
        status: {
          conditions: [{ type: 'Ready', status: 'Unknown', reason: 'NodeStatusUnknown' }, {}, {}, {}],
        },
      },
    });
  });

  it('is tainted by what its status says, and cleaned when it is well', () => {
    expect(taints(plan(node('False'), NOW))).toEqual([
      'node.kubernetes.io/not-ready:NoSchedule',
      'node.kubernetes.io/not-ready:NoExecute',
    ]);
    expect(taints(plan(node('Unknown'), NOW))).toEqual([
      'node.kubernetes.io/unreachable:NoSchedule',
      'node.kubernetes.io/unreachable:NoExecute',
    ]);
    const sick = node('True', {
      taints: [
        { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' },
        { key: 'mine', effect: 'NoSchedule' },
      ],
    });
    expect(taints(plan(sick, NOW))).toEqual(['mine:NoSchedule']);
  });

  it('that is cordoned carries the taint of that', () => {
    expect(taints(plan(node('True', { unschedulable: true }), NOW))).toEqual([
      'node.kubernetes.io/unschedulable:NoSchedule',
    ]);
  });

  it('that is short of something takes no pods meanwhile', () => {
    const short = node('True');
    short.status!.conditions!.push(
      { type: 'DiskPressure', status: 'True' },
      { type: 'PIDPressure', status: 'False' },
    );
    expect(taints(plan(short, NOW))).toEqual(['node.kubernetes.io/disk-pressure:NoSchedule']);
    const over = node('True', {
      taints: [{ key: 'node.kubernetes.io/disk-pressure', effect: 'NoSchedule' }],
    });
    expect(taints(plan(over, NOW))).toEqual([]);
  });

  it('that is not ready makes its pods not ready', () => {
    const running = pod(
      'a',
      {},
      { status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] } },
    );
    running.spec!.tolerations = [{ operator: 'Exists' }];
    const { actions } = plan(node('False'), NOW, [running]);
    expect(actions.find((one) => one.do === 'patch' && one.key === 'default/a')).toMatchObject({
      subresource: 'status',
      patch: { body: { status: { conditions: [{ type: 'Ready', status: 'False' }] } } },
    });
  });
});

describe('a pod leaves a tainted node', () => {
  const taint = [{ key: 'k', effect: 'NoExecute', timeAdded: '2026-01-01T00:00:00Z' as never }];
  const leaves = (tolerations?: Toleration[]) => {
    const one = pod('a', {});
    one.spec!.tolerations = tolerations;
    return evictionTime(one, taint) - NOW;
  };
  it.each([
    ['at once without a toleration', undefined, 0],
    ['never with one that has no end', [{ key: 'k', operator: 'Exists' }], Number.POSITIVE_INFINITY],
    ['when its toleration ends', [{ key: 'k', operator: 'Exists', tolerationSeconds: 300 }], 300_000],
    ['at once when it tolerates something else', [{ key: 'x', operator: 'Exists' }], 0],
  ])('%s', (_words, tolerations, after) => {
    expect(leaves(tolerations)).toBe(after);
  });
});

describe('when many nodes are silent at once', () => {
  const [WELL, QUIET] = [
    { ready: true, heardAt: NOW - 10_000 },
    { ready: true, heardAt: NOW - 20_000 },
  ];
  const LOST = { ready: false, heardAt: NOW - 1_000 };
  const AT_SERVER = { ...WELL, atServer: true };
  test.each<[string, Sign[], Disruption]>([
    ['all are well', [WELL, WELL], 'none'],
    ['there are none', [], 'none'],
    ['one of two is lost', [WELL, LOST], 'none'],
    ['two of three are lost', [WELL, LOST, LOST], 'none'],
    ['three of four are', [WELL, LOST, LOST, QUIET], 'partial'],
    ['three of six are', [WELL, WELL, WELL, LOST, LOST, LOST], 'none'],
    ['the only one is', [LOST], 'full'],
    ['the rest has left out a heartbeat', [LOST, QUIET, QUIET], 'full'],
    ['all but the server’s own are', [AT_SERVER, LOST, QUIET], 'full'],
    ['the only other one is', [AT_SERVER, LOST], 'none'],
    ['one of two others is', [AT_SERVER, WELL, LOST], 'none'],
  ])('%s', (_, nodes, expected) => {
    expect(disruptionOf(nodes, NOW, GRACE_MS)).toBe(expected);
  });

  const unreachable = (effect: string): Taint => ({
    ...{ key: 'node.kubernetes.io/unreachable', effect: effect as Taint['effect'] },
    ...(effect === 'NoExecute' && { timeAdded: '2025-12-31T00:00:00Z' as never }),
  });
  const silent = node('Unknown', { taints: [unreachable('NoSchedule'), unreachable('NoExecute')] });
  const running = () => {
    const one = pod('p', {});
    one.status = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] };
    return one;
  };

  it('all: nothing is taken from anybody, and what drives pods away is taken back', () => {
    const planned = plan(silent, NOW, [running()], 'full');
    expect(taints(planned)).toEqual(['node.kubernetes.io/unreachable:NoSchedule']);
    expect(planned.actions).toHaveLength(1);
    expect(planned.againAfterMs).toBeLessThanOrEqual(5_000);
  });

  it('most: nobody else is driven away, and nobody deleted', () => {
    const planned = plan(silent, NOW, [running()], 'partial');
    expect(planned.actions.map((action) => action.do)).toEqual(['patch']);
    expect(planned.againAfterMs).toBeLessThanOrEqual(5_000);
    expect(taints(plan(node('Unknown'), NOW, [], 'partial'))).toEqual([
      'node.kubernetes.io/unreachable:NoSchedule',
    ]);
  });

  it('few: pods go', () => {
    const { actions } = plan(silent, NOW, [running()], 'none');
    expect(actions.map((action) => action.do)).toContain('delete');
  });
});
