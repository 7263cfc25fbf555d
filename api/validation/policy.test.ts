import { describe, expect, it } from 'vitest';
import { PodDisruptionBudgetKind } from '../kinds/pod-disruption-budget.ts';
import { faultsOf, statusFaultsOf } from '../specimens/made.ts';

const percent =
  "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";

describe('a disruption budget', () => {
  it.each<[string, object, string[]]>([
    [
      'both numbers',
      { minAvailable: 1, maxUnavailable: 2 },
      [
        'spec: Invalid value: {"minAvailable":1,"maxUnavailable":2}: minAvailable and maxUnavailable cannot be both set',
      ],
    ],
    [
      'a negative number',
      { minAvailable: -1 },
      ['spec.minAvailable: Invalid value: -1: must be greater than or equal to 0'],
    ],
    ['a word', { maxUnavailable: 'few' }, [`spec.maxUnavailable: Invalid value: "few": ${percent}`]],
    [
      'a word that begins with a number',
      { minAvailable: '200x' },
      [`spec.minAvailable: Invalid value: "200x": ${percent}`],
    ],
    [
      'more than all',
      { maxUnavailable: '101%' },
      ['spec.maxUnavailable: Invalid value: "101%": must not be greater than 100%'],
    ],
    [
      'a selector without values',
      { selector: { matchExpressions: [{ key: 'a', operator: 'In' }] } },
      [
        "spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
      ],
    ],
    [
      'an unknown policy',
      { unhealthyPodEvictionPolicy: 'Never' },
      [
        'spec.unhealthyPodEvictionPolicy: Unsupported value: "Never": supported values: "AlwaysAllow", "IfHealthyBudget"',
      ],
    ],
  ])('does not take %s', (_what, spec, faults) => {
    expect(faultsOf(PodDisruptionBudgetKind, { spec })).toEqual(faults);
  });

  it('takes a name that fits into a path, and no other', () => {
    expect(faultsOf(PodDisruptionBudgetKind, { metadata: { name: 'Web_1' } })).toEqual([]);
    expect(faultsOf(PodDisruptionBudgetKind, { metadata: { name: 'a/b' } })).toEqual([
      'metadata.name: Invalid value: "a/b": may not contain \'/\'',
    ]);
  });

  it('has no negative counts in its status', () => {
    const status = { disruptionsAllowed: -1, currentHealthy: -2, desiredHealthy: -3, expectedPods: -4 };
    expect(statusFaultsOf(PodDisruptionBudgetKind, status)).toEqual([
      'status.disruptionsAllowed: Invalid value: -1: must be greater than or equal to 0',
      'status.currentHealthy: Invalid value: -2: must be greater than or equal to 0',
      'status.desiredHealthy: Invalid value: -3: must be greater than or equal to 0',
      'status.expectedPods: Invalid value: -4: must be greater than or equal to 0',
    ]);
  });

  it('has whole conditions in its status, each type once', () => {
    const good = {
      type: 'DisruptionAllowed',
      status: 'True',
      reason: 'SufficientPods',
      message: '',
      lastTransitionTime: '2026-01-01T00:00:00Z',
    };
    const faults = (...conditions: object[]) => statusFaultsOf(PodDisruptionBudgetKind, { conditions });
    expect(faults(good)).toEqual([]);
    expect(faults(good, good)).toEqual(['status.conditions[1].type: Duplicate value: "DisruptionAllowed"']);
    expect(faults({ type: 'a', status: 'Maybe', observedGeneration: -1 })).toEqual([
      'status.conditions[0].status: Unsupported value: "Maybe": supported values: "False", "True", "Unknown"',
      'status.conditions[0].observedGeneration: Invalid value: -1: must be greater than or equal to zero',
      'status.conditions[0].lastTransitionTime: Required value: must be set',
      'status.conditions[0].reason: Required value: must be set',
    ]);
    expect(faults({ ...good, type: '', reason: '1' })).toEqual([
      'status.conditions[0].type: Invalid value: "": name part must be non-empty',
      "status.conditions[0].type: Invalid value: \"\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
      "status.conditions[0].reason: Invalid value: \"1\": a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or '_,:', and must end with an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName',  or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for validation is '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')",
    ]);
    expect(faults({ ...good, reason: 'a'.repeat(1025), message: 'a'.repeat(32 * 1024 + 1) })).toEqual([
      'status.conditions[0].reason: Too long: may not be more than 1024 bytes',
      'status.conditions[0].message: Too long: may not be more than 32768 bytes',
    ]);
  });
});
