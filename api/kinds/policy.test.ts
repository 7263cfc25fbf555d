import { describe, expect, it } from 'vitest';
import { made, tableOf } from '../specimens/made.ts';
import { PodDisruptionBudgetKind } from './pod-disruption-budget.ts';

describe('a disruption budget', () => {
  it('begins with an empty status, whatever the client sent', () => {
    const budget = made(PodDisruptionBudgetKind, {
      spec: { minAvailable: 1 },
      status: { disruptionsAllowed: 9, disruptedPods: { a: '2026-01-01T00:00:00Z' } },
    });
    expect(budget).toEqual({
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: { name: 'specimen', namespace: 'default' },
      spec: { minAvailable: 1 },
      status: { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 },
    });
  });

  it('is printed with what it allows', () => {
    const status = { disruptionsAllowed: 3 };
    expect(tableOf(PodDisruptionBudgetKind, { spec: { minAvailable: '50%' }, status })).toEqual([
      'Name|Min Available|Max Unavailable|Allowed Disruptions|Age',
      'specimen|50%|N/A|3|24h',
    ]);
    expect(tableOf(PodDisruptionBudgetKind, { spec: { maxUnavailable: 0 } })[1]).toBe('specimen|N/A|0|0|24h');
  });
});
