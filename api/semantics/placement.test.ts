import { describe, expect, it } from 'vitest';
import type { Node, PodSpec, Taint, Toleration } from '../objects.ts';
import {
  matchesNode,
  matchesNodeSelectorTerm,
  type NodeSelectorRequirement,
  preferredNodeWeight,
} from './node-affinity.ts';
import { tolerates, untoleratedTaint } from './taints.ts';

const node: Node = {
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: 'n1', labels: { zone: 'a', disks: '4' } },
};

describe('taints', () => {
  const taint: Taint = { key: 'gpu', value: 'yes', effect: 'NoSchedule' };

  it.each<[boolean, Toleration]>([
    [true, { key: 'gpu', value: 'yes' }],
    [true, { key: 'gpu', operator: 'Equal', value: 'yes', effect: 'NoSchedule' }],
    [true, { key: 'gpu', operator: 'Exists' }],
    [true, { operator: 'Exists' }],
    [false, { key: 'gpu', value: 'no' }],
    [false, { key: 'gpu' }],
    [false, { key: 'cpu', operator: 'Exists' }],
    [false, { key: 'gpu', operator: 'Exists', effect: 'NoExecute' }],
    [false, { key: 'gpu', operator: 'Near' }],
  ])('are tolerated: %s by %j', (expected, toleration) => {
    expect(tolerates(toleration, taint)).toBe(expected);
  });

  it.each<[boolean, Toleration]>([
    [true, { key: 'level', operator: 'Gt', value: '4' }],
    [false, { key: 'level', operator: 'Gt', value: '5' }],
    [true, { key: 'level', operator: 'Lt', value: '6' }],
    [false, { key: 'level', operator: 'Lt', value: 'six' }],
  ])('are compared as numbers: %s by %j', (expected, toleration) => {
    expect(tolerates(toleration, { key: 'level', value: '5', effect: 'NoSchedule' })).toBe(expected);
  });

  it('are looked at only for the effects asked', () => {
    const soft: Taint = { key: 'busy', effect: 'PreferNoSchedule' };
    expect(untoleratedTaint([soft, taint], [], ['NoSchedule'])).toBe(taint);
    expect(untoleratedTaint([soft], undefined, ['NoSchedule', 'NoExecute'])).toBeUndefined();
    expect(untoleratedTaint(undefined, [], ['NoSchedule'])).toBeUndefined();
    expect(untoleratedTaint([taint], [{ operator: 'Exists' }], ['NoSchedule'])).toBeUndefined();
  });
});

describe('node affinity', () => {
  it.each<[boolean, NodeSelectorRequirement]>([
    [true, { key: 'zone', operator: 'In', values: ['a', 'b'] }],
    [false, { key: 'rack', operator: 'In', values: ['1'] }],
    [false, { key: 'zone', operator: 'NotIn', values: ['a'] }],
    [true, { key: 'rack', operator: 'NotIn', values: ['1'] }],
    [true, { key: 'zone', operator: 'Exists' }],
    [false, { key: 'rack', operator: 'Exists' }],
    [true, { key: 'rack', operator: 'DoesNotExist' }],
    [false, { key: 'constructor', operator: 'Exists' }],
    [true, { key: 'disks', operator: 'Gt', values: ['3'] }],
    [false, { key: 'disks', operator: 'Gt', values: ['4'] }],
    [true, { key: 'disks', operator: 'Lt', values: ['5'] }],
    [false, { key: 'zone', operator: 'Lt', values: ['5'] }],
    [false, { key: 'zone', operator: 'Like', values: ['a'] }],
  ])('%s for %j', (expected, requirement) => {
    expect(matchesNodeSelectorTerm({ matchExpressions: [requirement] }, node)).toBe(expected);
  });

  it('needs nodeSelector and one of the required terms', () => {
    const required = (...zones: string[]): PodSpec => ({
      containers: [],
      nodeSelector: { disks: '4' },
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: zones.map((zone) => ({
              matchExpressions: [{ key: 'zone', operator: 'In', values: [zone] }],
            })),
          },
        },
      },
    });
    expect(matchesNode(required('b', 'a'), node)).toBe(true);
    expect(matchesNode(required('b'), node)).toBe(false);
    expect(matchesNode({ ...required('a'), nodeSelector: { disks: '5' } }, node)).toBe(false);
    expect(matchesNode({ containers: [] }, node)).toBe(true);
  });

  it('matches nothing with a term that says nothing, and nodes by name with matchFields', () => {
    expect(matchesNodeSelectorTerm({}, node)).toBe(false);
    const byName = { matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n1'] }] };
    expect(matchesNodeSelectorTerm(byName, node)).toBe(true);
    expect(matchesNodeSelectorTerm(byName, { ...node, metadata: { name: 'n2' } })).toBe(false);
  });

  it('adds up what it would like', () => {
    const zone = (value: string, weight: number) => ({
      weight,
      preference: { matchExpressions: [{ key: 'zone', operator: 'In', values: [value] }] },
    });
    const spec: PodSpec = {
      containers: [],
      affinity: {
        nodeAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: [
            zone('a', 10),
            zone('b', 50),
            { weight: 1, preference: {} },
          ],
        },
      },
    };
    expect(preferredNodeWeight(spec, node)).toBe(11);
  });
});
