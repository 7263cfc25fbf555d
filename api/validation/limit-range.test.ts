import { describe, expect, it } from 'vitest';
import { LimitRangeKind } from '../kinds/limit-range.ts';
import { made, type Parts, refusals } from '../testing/refusals.ts';
import { wideRow } from '../testing/rows.ts';

const limits = (...items: Parts[]) => ({ spec: { limits: items } });
const at = 'spec.limits[0]';

describe('limits are refused', () => {
  it.each<[string, Parts[], unknown[]]>([
    [
      'of types that are none, or twice',
      [{ type: 'Node' }, { type: 'example.com/x' }, { type: 'example.com/x' }, { type: '-' }],
      [
        'spec.limits[0].type: Invalid value: "Node": must be a standard limit type or fully qualified',
        'spec.limits[2].type: Duplicate value: "example.com/x"',
        expect.stringMatching(/^spec.limits\[3\].type: Invalid value: "-": name part must consist of /),
      ],
    ],
    [
      'for what no container has',
      [{ type: 'Container', max: { pods: '1', apples: '1', 'requests.a/b': '1', '-': '1' } }],
      ['max', 'default', 'defaultRequest'].flatMap((list) => [
        `${at}.${list}[pods]: Invalid value: "pods": must be a standard resource for containers`,
        `${at}.${list}[apples]: Invalid value: "apples": must be a standard resource type or fully qualified`,
        `${at}.${list}[apples]: Invalid value: "apples": must be a standard resource for containers`,
        `${at}.${list}[requests.a/b]: Invalid value: "requests.a/b": doesn't follow extended resource name standard`,
        expect.stringContaining(`${at}.${list}[-]: Invalid value: "-": name part must consist of `),
        `${at}.${list}[-]: Invalid value: "-": must be a standard resource for containers`,
      ]),
    ],
    [
      'for what there is not',
      [{ type: 'PersistentVolumeClaim', min: { apples: '1' } }],
      [
        `${at}.min[apples]: Invalid value: "apples": must be a standard resource type or fully qualified`,
        `${at}.limits: Required value: either minimum or maximum storage value is required, but neither was provided`,
      ],
    ],
    [
      'that are no quantities',
      [{ type: 'Pod', max: { cpu: 'much' } }],
      [
        `${at}.max[cpu]: Invalid value: "much": quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'`,
      ],
    ],
    [
      'as defaults of pods',
      [{ type: 'Pod', default: { cpu: '1' }, defaultRequest: { cpu: '1' } }],
      [
        `${at}.default: Forbidden: may not be specified when \`type\` is 'Pod'`,
        `${at}.defaultRequest: Forbidden: may not be specified when \`type\` is 'Pod'`,
      ],
    ],
    [
      'when the least is more than the most and the defaults',
      [
        {
          type: 'Container',
          min: { cpu: '3' },
          max: { cpu: '2' },
          default: { cpu: '1' },
          defaultRequest: { cpu: '1' },
        },
      ],
      [
        `${at}.min[cpu]: Invalid value: "3": min value 3 is greater than max value 2`,
        `${at}.defaultRequest[cpu]: Invalid value: "1": min value 3 is greater than default request value 1`,
        `${at}.default[cpu]: Invalid value: "3": min value 3 is greater than default value 1`,
      ],
    ],
    [
      'when the defaults are more than the most',
      [{ type: 'Container', max: { cpu: '1' }, default: { cpu: '2' }, defaultRequest: { cpu: '3' } }],
      [
        `${at}.defaultRequest[cpu]: Invalid value: "3": default request value 3 is greater than max value 1`,
        `${at}.defaultRequest[cpu]: Invalid value: "3": default request value 3 is greater than default limit value 2`,
        `${at}.default[cpu]: Invalid value: "1": default value 2 is greater than max value 1`,
      ],
    ],
    [
      'when what cannot be shared has two defaults',
      [
        {
          type: 'Container',
          default: { 'example.com/gpu': '2' },
          defaultRequest: { 'example.com/gpu': '1' },
        },
      ],
      [
        `${at}.defaultRequest[example.com/gpu]: Invalid value: "1": default value 2 must equal to defaultRequest value 1 in example.com/gpu`,
      ],
    ],
    [
      'when the ratio cannot be',
      [
        {
          type: 'Pod',
          min: { memory: '1' },
          max: { memory: '2' },
          maxLimitRequestRatio: { cpu: '500m', memory: '3' },
        },
      ],
      [
        `${at}.maxLimitRequestRatio[memory]: Invalid value: "3": ratio 3 is greater than max/min = 2.000000`,
        `${at}.maxLimitRequestRatio[cpu]: Invalid value: "500m": ratio 500m is less than 1`,
      ],
    ],
  ])('%s', (_what, items, faults) => {
    expect(refusals(LimitRangeKind, limits(...items))).toEqual(faults);
  });
});

it('a container gets the most when nothing is said, and asks for as much or the least', () => {
  const item = {
    type: 'Container',
    max: { cpu: '2000m' },
    min: { cpu: '0.1', memory: '1Mi' },
    default: { memory: '1024Ki' },
  };
  expect(made(LimitRangeKind, limits(item, { type: 'Pod', max: { cpu: '4' } })).spec).toEqual({
    limits: [
      {
        type: 'Container',
        max: { cpu: '2' },
        min: { cpu: '100m', memory: '1Mi' },
        default: { cpu: '2', memory: '1Mi' },
        defaultRequest: { cpu: '2', memory: '1Mi' },
      },
      { type: 'Pod', max: { cpu: '4' } },
    ],
  });
  const least = made(LimitRangeKind, limits({ type: 'Container', min: { cpu: '1' } }));
  expect(least.spec!.limits).toEqual([
    { type: 'Container', min: { cpu: '1' }, defaultRequest: { cpu: '1' } },
  ]);
});

it('is listed with the time it was made', () => {
  expect(wideRow(LimitRangeKind as never, {})).toEqual(['Name|Created At', 'x|2025-12-31T12:00:00Z']);
});
