import { describe, expect, it } from 'vitest';
import type { Node, Pod, PodSpec } from '#api/objects.ts';
import { seededRandom } from '#machinery/random.ts';
import { ClusterState } from './cluster-state.ts';
import { place, refusalText } from './place.ts';
import { needsOf } from './pod-needs.ts';

function node(name: string, edit: Partial<Node> = {}): Node {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels: { 'kubernetes.io/hostname': name, ...edit.metadata?.labels } },
    spec: edit.spec ?? {},
    status: {
      allocatable: { cpu: '2', memory: '4Gi', pods: '3' },
      conditions: [{ type: 'Ready', status: 'True' }],
      ...edit.status,
    },
  };
}

let serial = 0;

function pod(spec: Partial<PodSpec> = {}, labels: Record<string, string> = {}, owner?: string): Pod {
  const name = `pod-${serial++}`;
  const reference = {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    name: 'web',
    uid: owner ?? '',
    controller: true,
  };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', labels, ...(owner && { ownerReferences: [reference] }) },
    spec: { containers: [{ name: 'main' }], ...spec },
  };
}

const asking = (requests: Record<string, string>) => ({
  containers: [{ name: 'main', resources: { requests } }],
});

function cluster(nodes: Node[], bound: [string, Pod][] = []): ClusterState {
  const state = new ClusterState();
  for (const one of nodes) state.setNode(one);
  for (const [where, one] of bound) state.setPod({ ...one, spec: { ...one.spec!, nodeName: where } });
  return state;
}

/** The node chosen, or the text of the refusal. */
function outcome(state: ClusterState, one: Pod, seed = 1): string {
  const result = place(needsOf(one), state, seededRandom(seed));
  return 'node' in result ? result.node : refusalText(result.refused);
}

describe('a pod is refused', () => {
  it('by an empty cluster', () => {
    expect(outcome(cluster([]), pod())).toBe('no nodes available to schedule pods');
  });

  it('for want of cpu, memory and places, each node with all its reasons', () => {
    const full = cluster(
      [node('a')],
      [
        ['a', pod(asking({ cpu: '1500m' }))],
        ['a', pod()],
        ['a', pod()],
      ],
    );
    expect(outcome(full, pod(asking({ cpu: '1', memory: '5Gi' })))).toBe(
      '0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory, 1 Too many pods.',
    );
  });

  it('for want of an extended resource that no node has', () => {
    expect(outcome(cluster([node('a')]), pod(asking({ 'example.com/gpu': '1' })))).toBe(
      '0/1 nodes are available: 1 Insufficient example.com/gpu.',
    );
  });

  it('by taints, cordons and selectors, counted by reason', () => {
    const state = cluster([
      node('tainted', { spec: { taints: [{ key: 'gpu', value: 'yes', effect: 'NoSchedule' }] } }),
      node('cordoned', { spec: { unschedulable: true } }),
      node('other'),
      node('another'),
    ]);
    expect(outcome(state, pod({ nodeSelector: { disk: 'ssd' } }))).toBe(
      "0/4 nodes are available: 1 node(s) had untolerated taint {gpu: yes}, 1 node(s) were unschedulable, 2 node(s) didn't match Pod's node affinity/selector.",
    );
  });

  it('by a node that is not ready, unless it tolerates that', () => {
    const state = cluster([node('a', { status: { conditions: [{ type: 'Ready', status: 'False' }] } })]);
    expect(outcome(state, pod())).toBe(
      '0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }.',
    );
    expect(outcome(state, pod({ tolerations: [{ operator: 'Exists' }] }))).toBe('a');
  });

  it('by host ports that are taken, also under another address', () => {
    const port = (hostPort: number, hostIP?: string) =>
      pod({ containers: [{ name: 'main', ports: [{ containerPort: 80, hostPort, hostIP }] }] });
    const state = cluster([node('a')], [['a', port(80, '127.0.0.1')]]);
    expect(outcome(state, port(80))).toBe(
      "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.",
    );
    expect(outcome(state, port(81))).toBe('a');
    expect(outcome(state, port(80, '10.0.0.1'))).toBe('a');
  });

  it('by its own anti-affinity and by that of others', () => {
    const away = {
      affinity: {
        podAntiAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: [
            { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { app: 'web' } } },
          ],
        },
      },
    };
    const state = cluster([node('a'), node('b')], [['a', pod({}, { app: 'web' })]]);
    expect(outcome(state, pod(away, { app: 'db' }))).toBe('b');
    const shy = cluster([node('a')], [['a', pod(away, { app: 'db' })]]);
    expect(outcome(shy, pod({}, { app: 'web' }))).toBe(
      "0/1 nodes are available: 1 node(s) didn't satisfy existing pods anti-affinity rules.",
    );
  });

  it('by spread constraints when a domain would get too full', () => {
    const constraint = {
      topologySpreadConstraints: [
        {
          maxSkew: 1,
          topologyKey: 'kubernetes.io/hostname',
          whenUnsatisfiable: 'DoNotSchedule',
          labelSelector: { matchLabels: { app: 'web' } },
        },
      ],
    };
    const state = cluster([node('a'), node('b')], [['a', pod({}, { app: 'web' })]]);
    expect(outcome(state, pod(constraint, { app: 'web' }))).toBe('b');
  });
});

describe('a pod is placed', () => {
  it('near the pods it wants, and first of its kind anywhere', () => {
    const near = {
      affinity: {
        podAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: [
            { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { app: 'web' } } },
          ],
        },
      },
    };
    const state = cluster([node('a'), node('b')], [['b', pod({}, { app: 'web' })]]);
    expect(outcome(state, pod(near))).toBe('b');
    expect(outcome(cluster([node('a')]), pod(near, { app: 'web' }))).toBe('a');
    expect(outcome(cluster([node('a')]), pod(near, { app: 'db' }))).toContain(
      "didn't match pod affinity rules",
    );
  });

  it('where most is left', () => {
    const state = cluster([node('busy'), node('idle')], [['busy', pod(asking({ cpu: '1', memory: '2Gi' }))]]);
    expect(outcome(state, pod(asking({ cpu: '100m' })))).toBe('idle');
  });

  it('away from its own kind, on as many nodes as there are', () => {
    const state = cluster(['a', 'b', 'c'].map((name) => node(name)));
    for (let i = 0; i < 3; i++) {
      const one = pod({}, {}, 'owner');
      state.assume(needsOf(one), outcome(state, one, i));
    }
    expect(state.nodes().map(({ pods }) => pods.size)).toEqual([1, 1, 1]);
  });

  it('where it prefers to be, and not where a soft taint asks it to stay away', () => {
    const soft = node('soft', { spec: { taints: [{ key: 'old', effect: 'PreferNoSchedule' }] } });
    expect(outcome(cluster([soft, node('plain')]), pod())).toBe('plain');
    const preference = { matchExpressions: [{ key: 'disk', operator: 'In', values: ['ssd'] }] };
    const prefers = {
      affinity: {
        nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 50, preference }] },
      },
    };
    const ssd = node('ssd', { metadata: { name: 'ssd', labels: { disk: 'ssd' } } });
    expect(outcome(cluster([node('plain'), ssd]), pod(prefers))).toBe('ssd');
  });

  it('the same way for the same seed', () => {
    const names = ['a', 'b', 'c', 'd'];
    const run = (seed: number) => outcome(cluster(names.map((name) => node(name))), pod(), seed);
    for (let seed = 0; seed < 5; seed++) expect(run(seed)).toBe(run(seed));
    expect(new Set(Array.from({ length: 40 }, (_, seed) => run(seed))).size).toBe(4);
  });
});

describe('the state of the cluster', () => {
  it('counts an assumed pod at once and gives back what a failed binding took', () => {
    const state = cluster([node('a')]);
    const one = pod(asking({ cpu: '2' }));
    state.assume(needsOf(one), 'a');
    expect(outcome(state, pod(asking({ cpu: '1' })))).toContain('Insufficient cpu');
    state.forget(needsOf(one).key);
    expect(outcome(state, pod(asking({ cpu: '1' })))).toBe('a');
  });

  it('frees what an ended pod had', () => {
    const one = pod(asking({ cpu: '2' }));
    const state = cluster([node('a')], [['a', one]]);
    state.setPod({ ...one, spec: { ...one.spec!, nodeName: 'a' }, status: { phase: 'Succeeded' } });
    expect(outcome(state, pod(asking({ cpu: '2' })))).toBe('a');
  });

  it('remembers pods of a node that is described later', () => {
    const state = cluster([], [['late', pod(asking({ cpu: '2' }))]]);
    state.setNode(node('late'));
    expect(outcome(state, pod(asking({ cpu: '1' })))).toContain('Insufficient cpu');
  });
});
