import { describe, expect, it } from 'vitest';
import { HorizontalPodAutoscalerKind } from '../kinds/horizontal-pod-autoscaler.ts';
import { HorizontalPodAutoscalerV1Kind } from '../kinds/horizontal-pod-autoscaler-v1.ts';
import { faultsOf, statusFaultsOf } from '../specimens/made.ts';

const scaleTargetRef = { kind: 'Deployment', name: 'web' };
const sound = { scaleTargetRef, maxReplicas: 3 };
const at = 'spec.metrics[0]';

/** One metric of a type with these settings. */
const metric = (type: string, settings: object) => {
  const source = `${type[0]!.toLowerCase()}${type.slice(1)}`;
  return { metrics: [{ type, [source]: settings }] };
};
const name = { metric: { name: 'm' } };
const value = { type: 'Value', value: '1' };
const both = { type: 'Value', value: '1', averageValue: '1' };
const rules = (scaleUp: object) => ({ behavior: { scaleUp } });
const up = 'spec.behavior.scaleUp';

const RAW = 'may not set both a target raw value and a target utilization';
const NO_TARGET = [
  'target.type: Required value: must specify a metric target type',
  'target.type: Invalid value: "": must be either Utilization, Value, or AverageValue',
];
const under = (source: string, ...faults: string[]) => faults.map((fault) => `${at}.${source}.${fault}`);

describe('an autoscaler', () => {
  it.each<[string, object, string[]]>([
    [
      'bounds that are none',
      { minReplicas: 0, maxReplicas: 0 },
      [
        'spec.minReplicas: Invalid value: 0: must be greater than or equal to 1',
        'spec.maxReplicas: Invalid value: 0: must be greater than 0',
        'spec.metrics: Forbidden: must specify at least one Object or External metric to support scaling to zero replicas',
      ],
    ],
    [
      'bounds in the wrong order',
      { minReplicas: 4 },
      ['spec.maxReplicas: Invalid value: 3: must be greater than or equal to `minReplicas`'],
    ],
    [
      'nothing to scale',
      { scaleTargetRef: undefined },
      ['spec.scaleTargetRef.kind: Required value', 'spec.scaleTargetRef.name: Required value'],
    ],
    [
      'something to scale that fits into no path',
      { scaleTargetRef: { kind: '.', name: 'a%b' } },
      [
        'spec.scaleTargetRef.kind: Invalid value: ".": may not be \'.\'',
        'spec.scaleTargetRef.name: Invalid value: "a%b": may not contain \'%\'',
      ],
    ],
    [
      'a metric of no type and of an unknown one',
      { metrics: [{}, { type: 'Memory' }] },
      [
        `${at}.type: Required value: must specify a metric source type`,
        ...['', 'Memory'].map(
          (type, index) =>
            `spec.metrics[${index}].type: Unsupported value: "${type}": supported values: "ContainerResource", "External", "Object", "Pods", "Resource"`,
        ),
      ],
    ],
    [
      'a metric without its settings, with those of others',
      {
        metrics: [
          { type: 'Pods', object: { describedObject: scaleTargetRef, ...name, target: value }, external: {} },
        ],
      },
      [
        `${at}.pods: Required value: must populate information for the given metric source`,
        `${at}.object: Forbidden: must populate the given metric source only`,
        `${at}.external: Forbidden: must populate the given metric source only`,
      ],
    ],
    [
      'an empty metric of an object',
      metric('Object', {}),
      under(
        'object',
        'describedObject.kind: Required value',
        'describedObject.name: Required value',
        'metric.name: Required value: must specify a metric name',
        ...NO_TARGET,
        'target.averageValue: Required value: must set either a target value or averageValue',
      ),
    ],
    [
      'an empty external metric',
      metric('External', {}),
      under(
        'external',
        'metric.name: Required value: must specify a metric name',
        ...NO_TARGET,
        'target.averageValue: Required value: must set either a target value for metric or a per-pod target',
      ),
    ],
    [
      'an external metric of a wrong name with two targets',
      metric('External', { metric: { name: 'a/b' }, target: both }),
      under(
        'external',
        'metric.name: Invalid value: "a/b": may not contain \'/\'',
        'target.value: Forbidden: may not set both a target value for metric and a per-pod target',
      ),
    ],
    [
      'a metric of pods that is no average',
      metric('Pods', { ...name, target: value }),
      under('pods', 'target.averageValue: Required value: must specify a positive target averageValue'),
    ],
    [
      'an empty resource',
      metric('Resource', {}),
      under(
        'resource',
        'name: Required value: must specify a resource name',
        ...NO_TARGET,
        'target.averageUtilization: Required value: must set either a target raw value or a target utilization',
      ),
    ],
    [
      'a resource with two targets',
      metric('Resource', {
        name: 'cpu',
        target: { type: 'Utilization', averageUtilization: 1, averageValue: '1' },
      }),
      under('resource', `target.averageValue: Forbidden: ${RAW}`),
    ],
    [
      'an empty resource of a container',
      metric('ContainerResource', { target: { type: 'Utilization', averageUtilization: 1 } }),
      under(
        'containerResource',
        'name: Required value: must specify a resource name',
        'container: Required value: must specify a container',
      ),
    ],
    [
      'a resource that containers do not have',
      metric('ContainerResource', {
        name: 'disk',
        container: 'a.b',
        target: { type: 'Utilization', averageUtilization: 1 },
      }),
      under(
        'containerResource',
        'name: Invalid value: "disk": must be a standard resource type or fully qualified',
        'name: Invalid value: "disk": must be a standard resource for containers',
        'container: Invalid value: "a.b": must not contain dots',
      ),
    ],
    [
      'targets that cannot be met',
      metric('Object', {
        describedObject: scaleTargetRef,
        ...name,
        target: { type: 'Value', value: '0', averageValue: '-1', averageUtilization: 0 },
      }),
      under(
        'object',
        'target.value: Invalid value: "0": must be positive',
        'target.averageValue: Invalid value: "-1": must be positive',
        'target.averageUtilization: Invalid value: 0: must be greater than 0',
      ),
    ],
    [
      'a window before now',
      rules({ stabilizationWindowSeconds: -1 }),
      [`${up}.stabilizationWindowSeconds: Invalid value: -1: must be greater than or equal to zero`],
    ],
    [
      'a window of more than an hour, for the way down too',
      { behavior: { scaleDown: { stabilizationWindowSeconds: 3601 } } },
      [
        'spec.behavior.scaleDown.stabilizationWindowSeconds: Invalid value: 3601: must be less than or equal to 3600',
      ],
    ],
    [
      'rules without a policy, selected in an unknown way',
      rules({ selectPolicy: 'Mean', policies: [], tolerance: '-1m' }),
      [
        `${up}.selectPolicy: Unsupported value: "Mean": supported values: "Disabled", "Max", "Min"`,
        `${up}.policies: Required value: must specify at least one Policy`,
        `${up}.tolerance: Invalid value: "-1m": must be greater than or equal to 0`,
      ],
    ],
    [
      'policies that change nothing or look back too far',
      rules({ policies: [{}, { type: 'Pods', value: 1, periodSeconds: 1801 }] }),
      [
        `${up}.policies[0].type: Unsupported value: "": supported values: "Percent", "Pods"`,
        `${up}.policies[0].value: Invalid value: 0: must be greater than zero`,
        `${up}.policies[0].periodSeconds: Invalid value: 0: must be greater than zero`,
        `${up}.policies[1].periodSeconds: Invalid value: 1801: must be less than or equal to 1800`,
      ],
    ],
  ])('does not take %s', (_what, spec, faults) => {
    expect(faultsOf(HorizontalPodAutoscalerKind, { spec: { ...sound, ...spec } })).toEqual(faults);
  });

  it('must have a spec', () => {
    expect(faultsOf(HorizontalPodAutoscalerKind, {})).toEqual([
      'spec.maxReplicas: Invalid value: 0: must be greater than 0',
      'spec.scaleTargetRef.kind: Required value',
      'spec.scaleTargetRef.name: Required value',
    ]);
  });

  it('is judged as it is stored, whatever the version it is written in', () => {
    const spec = { ...sound, targetCPUUtilizationPercentage: 0 };
    expect(faultsOf(HorizontalPodAutoscalerV1Kind, { spec })).toEqual([
      `${at}.resource.target.averageUtilization: Invalid value: 0: must be greater than 0`,
    ]);
  });

  it('has no negative counts in its status', () => {
    const status = { currentReplicas: -1, desiredReplicas: -2 };
    expect(statusFaultsOf(HorizontalPodAutoscalerKind, status)).toEqual([
      'status.currentReplicas: Invalid value: -1: must be greater than or equal to 0',
      'status.desiredReplicas: Invalid value: -2: must be greater than or equal to 0',
    ]);
  });
});
