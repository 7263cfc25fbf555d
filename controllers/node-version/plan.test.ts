import { expect, test } from 'vitest';
import type { Node } from '#api/objects.ts';
import { planVersion } from './plan.ts';

const NOW = Date.UTC(2026, 0, 1);
const node = (version: string, conditions: object[] = []): Node =>
  ({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'n1', uid: 'u' },
    status: { conditions, nodeInfo: { kubeletVersion: version } },
  }) as Node;
const OTHER = { type: 'Ready', status: 'True' };
const WHY = {
  reason: 'VersionUnsupported',
  message: 'the node runs 1.1.0, the server 1.5.0: it may be 3 minor versions older at most; upgrade it',
};
const SKEWED = { type: 'VersionSkew', status: 'True', ...WHY };

test('a node that fits is left alone', () => {
  expect(planVersion(node('v1.3.0', [OTHER]), '1.5.0', NOW)).toEqual({ actions: [] });
});

test('one that does not is told of, once', () => {
  const { actions } = planVersion(node('v1.1.0', [OTHER]), '1.5.0', NOW);
  expect(actions).toMatchObject([
    { do: 'updateStatus', object: { status: { conditions: [OTHER, SKEWED] } } },
    { do: 'event', type: 'Warning', why: WHY },
  ]);
  expect(planVersion(node('v1.1.0', [OTHER, SKEWED]), '1.5.0', NOW)).toEqual({ actions: [] });
});

test('one that was upgraded is told of, once', () => {
  const { actions } = planVersion(node('v1.5.0', [SKEWED]), '1.5.0', NOW);
  expect(actions).toMatchObject([
    { do: 'updateStatus', object: { status: { conditions: [{ type: 'VersionSkew', status: 'False' }] } } },
    { do: 'event', type: 'Normal', why: { reason: 'VersionSupported' } },
  ]);
  const fits = { type: 'VersionSkew', status: 'False' };
  expect(planVersion(node('v1.5.0', [fits]), '1.5.0', NOW)).toEqual({ actions: [] });
});
