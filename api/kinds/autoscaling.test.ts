import { describe, expect, it } from 'vitest';
import { made, tableOf } from '../specimens/made.ts';
import { HorizontalPodAutoscalerKind } from './horizontal-pod-autoscaler.ts';
import { HorizontalPodAutoscalerV1Kind } from './horizontal-pod-autoscaler-v1.ts';

const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' };
const bounds = { scaleTargetRef, minReplicas: 1, maxReplicas: 3 };
const cpu = (averageUtilization: number) => ({
  type: 'Resource',
  resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization } },
});

describe('an autoscaler', () => {
  it('keeps CPU at four fifths and one replica unless it says otherwise', () => {
    const spec = { scaleTargetRef, maxReplicas: 3 };
    expect(made(HorizontalPodAutoscalerKind, { spec, status: { desiredReplicas: 9 } })).toEqual({
      apiVersion: 'autoscaling/v2',
      kind: 'HorizontalPodAutoscaler',
      metadata: { name: 'specimen', namespace: 'default' },
      spec: { ...bounds, metrics: [cpu(80)] },
      status: { desiredReplicas: 0 },
    });
  });

  it('that says something of its behavior gets the rest of it', () => {
    const behavior = { scaleDown: { stabilizationWindowSeconds: 60, selectPolicy: 'Disabled' } };
    expect(made(HorizontalPodAutoscalerKind, { spec: { ...bounds, behavior } }).spec?.behavior).toEqual({
      scaleUp: {
        stabilizationWindowSeconds: 0,
        selectPolicy: 'Max',
        policies: [
          { type: 'Pods', value: 4, periodSeconds: 15 },
          { type: 'Percent', value: 100, periodSeconds: 15 },
        ],
      },
      scaleDown: {
        stabilizationWindowSeconds: 60,
        selectPolicy: 'Disabled',
        policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }],
      },
    });
  });

  it('is never stored with the annotations of its other version', () => {
    const metadata = {
      annotations: { 'autoscaling.alpha.kubernetes.io/metrics': '[]', mine: 'stays' },
    };
    expect(made(HorizontalPodAutoscalerKind, { metadata, spec: bounds }).metadata.annotations).toEqual({
      mine: 'stays',
    });
  });
});

describe('the columns of an autoscaler', () => {
  const HEADER = 'Name|Reference|Targets|MinPods|MaxPods|Replicas|Age';
  const target = (parts: object) => ({ target: parts });
  const now = (parts: object) => ({ current: parts });

  it.each<[string, unknown[], unknown[]]>([
    ['<none>', [], []],
    ['cpu: <unknown>/80%', [cpu(80)], []],
    ['cpu: 30%/80%', [cpu(80)], [{ resource: now({ averageUtilization: 30 }) }]],
    [
      'memory: 5Mi/1Gi',
      [{ type: 'Resource', resource: { name: 'memory', ...target({ averageValue: '1Gi' }) } }],
      [{ resource: now({ averageValue: '5Mi' }) }],
    ],
    [
      'cpu: <unknown>/<auto>',
      [{ type: 'ContainerResource', containerResource: { name: 'cpu', ...target({}) } }],
      [],
    ],
    [
      'cpu: <nil>/2',
      [{ type: 'ContainerResource', containerResource: { name: 'cpu', ...target({ averageValue: '2' }) } }],
      [{ containerResource: now({}) }],
    ],
    ['<unknown>/10', [{ type: 'Pods', pods: target({ averageValue: '10' }) }], []],
    [
      '5/10',
      [{ type: 'Pods', pods: target({ averageValue: '10' }) }],
      [{ pods: now({ averageValue: '5' }) }],
    ],
    [
      '3/7 (avg)',
      [{ type: 'Object', object: target({ averageValue: '7' }) }],
      [{ object: now({ averageValue: '3' }) }],
    ],
    ['3/7', [{ type: 'Object', object: target({ value: '7' }) }], [{ object: now({ value: '3' }) }]],
    ['<unknown>/7 (avg)', [{ type: 'External', external: target({ averageValue: '7' }) }], []],
    ['<nil>/7', [{ type: 'External', external: target({ value: '7' }) }], [{ external: now({}) }]],
    ['<unknown type>, cpu: <unknown>/1% + 2 more...', [{ type: 'X' }, cpu(1), cpu(2), cpu(3)], []],
  ])('show %s', (targets, metrics, currentMetrics) => {
    const parts = { spec: { ...bounds, metrics }, status: { currentReplicas: 2, currentMetrics } };
    expect(tableOf(HorizontalPodAutoscalerKind, parts)).toEqual([
      HEADER,
      `specimen|Deployment/web|${targets}|1|3|2|24h`,
    ]);
  });

  it('are the same in both versions', () => {
    const spec = { ...bounds, minReplicas: undefined, targetCPUUtilizationPercentage: 70 };
    const status = { currentReplicas: 2, desiredReplicas: 2, currentCPUUtilizationPercentage: 35 };
    expect(tableOf(HorizontalPodAutoscalerV1Kind, { spec, status })).toEqual([
      HEADER,
      'specimen|Deployment/web|cpu: 35%/70%|<unset>|3|2|24h',
    ]);
  });
});

const PREFIX = 'autoscaling.alpha.kubernetes.io/';
const { toStored, fromStored } = HorizontalPodAutoscalerV1Kind.storedAs!;
type Parts = Record<string, unknown>;
const stored = (parts: Parts, metadata: object = {}) =>
  ({
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name: 'a', ...metadata },
    ...parts,
  }) as never;
// biome-ignore lint/suspicious/noExplicitAny: tests look into parts that types do not know
const view = (parts: Parts, metadata?: object): any => fromStored(stored(parts, metadata));

describe('an autoscaler of autoscaling/v1', () => {
  it('has CPU in its fields and no annotation when there is nothing else', () => {
    const status = { currentReplicas: 1, desiredReplicas: 2, lastScaleTime: '2026-01-01T00:00:00Z' };
    const v1 = view({ spec: { ...bounds, metrics: [cpu(50)] }, status });
    expect(v1).toEqual({
      apiVersion: 'autoscaling/v1',
      kind: 'HorizontalPodAutoscaler',
      metadata: { name: 'a' },
      spec: { ...bounds, targetCPUUtilizationPercentage: 50 },
      status,
    });
    expect(toStored(v1)).toEqual(stored({ spec: { ...bounds, metrics: [cpu(50)] }, status }));
  });

  const selector = {
    matchLabels: { verb: 'GET' },
    matchExpressions: [{ key: 'path', operator: 'In', values: ['a'] }],
  };
  const metric = { name: 'm', selector };
  const reference = { kind: 'Service', name: 's', apiVersion: 'v1' };
  /** Each metric as autoscaling/v2 has it, and as kube-apiserver writes it into the annotation. */
  const METRICS: [object, string][] = [
    [
      {
        type: 'Object',
        object: { describedObject: reference, metric, target: { type: 'Value', value: '1k' } },
      },
      '{"type":"Object","object":{"target":{"kind":"Service","name":"s","apiVersion":"v1"},"metricName":"m","targetValue":"1k","selector":{"matchLabels":{"verb":"GET"},"matchExpressions":[{"key":"path","operator":"In","values":["a"]}]}}}',
    ],
    [
      {
        type: 'Object',
        object: {
          describedObject: { kind: 'Service', name: 's' },
          metric: { name: 'm' },
          target: { type: 'AverageValue', averageValue: '5' },
        },
      },
      '{"type":"Object","object":{"target":{"kind":"Service","name":"s"},"metricName":"m","targetValue":"0","averageValue":"5"}}',
    ],
    [
      { type: 'Pods', pods: { metric: { name: 'm' }, target: { type: 'AverageValue', averageValue: '5' } } },
      '{"type":"Pods","pods":{"metricName":"m","targetAverageValue":"5"}}',
    ],
    [
      { type: 'Resource', resource: { name: 'cpu', target: { type: 'AverageValue', averageValue: '500m' } } },
      '{"type":"Resource","resource":{"name":"cpu","targetAverageValue":"500m"}}',
    ],
    [
      {
        type: 'ContainerResource',
        containerResource: {
          name: 'cpu',
          container: 'c',
          target: { type: 'Utilization', averageUtilization: 60 },
        },
      },
      '{"type":"ContainerResource","containerResource":{"name":"cpu","targetAverageUtilization":60,"container":"c"}}',
    ],
    [
      { type: 'External', external: { metric: { name: 'm' }, target: { type: 'Value', value: '30' } } },
      '{"type":"External","external":{"metricName":"m","targetValue":"30"}}',
    ],
    [
      { type: 'External', external: { metric, target: { type: 'AverageValue', averageValue: '30' } } },
      '{"type":"External","external":{"metricName":"m","metricSelector":{"matchLabels":{"verb":"GET"},"matchExpressions":[{"key":"path","operator":"In","values":["a"]}]},"targetAverageValue":"30"}}',
    ],
  ];

  it.each(METRICS)('holds %j in an annotation', (each, text) => {
    const spec = { ...bounds, metrics: [each, cpu(50)] };
    const v1 = view({ spec, status: { desiredReplicas: 0 } }, { annotations: { mine: 'stays' } });
    expect(v1.metadata.annotations).toEqual({ mine: 'stays', [`${PREFIX}metrics`]: `[${text}]` });
    expect(v1.spec).toEqual({ ...bounds, targetCPUUtilizationPercentage: 50 });
    expect(toStored(v1)).toMatchObject({ metadata: { annotations: { mine: 'stays' } }, spec });
  });

  const CURRENT: [object, string][] = [
    [
      {
        type: 'Object',
        object: { describedObject: reference, metric: { name: 'm' }, current: { value: '0' } },
      },
      '{"type":"Object","object":{"target":{"kind":"Service","name":"s","apiVersion":"v1"},"metricName":"m","currentValue":"0"}}',
    ],
    [
      { type: 'Pods', pods: { metric: { name: 'm' }, current: { averageValue: '5' } } },
      '{"type":"Pods","pods":{"metricName":"m","currentAverageValue":"5"}}',
    ],
    [
      {
        type: 'Resource',
        resource: { name: 'cpu', current: { averageUtilization: 20, averageValue: '200m' } },
      },
      '{"type":"Resource","resource":{"name":"cpu","currentAverageUtilization":20,"currentAverageValue":"200m"}}',
    ],
    [
      {
        type: 'ContainerResource',
        containerResource: { name: 'cpu', container: 'c', current: { averageUtilization: 20 } },
      },
      '{"type":"ContainerResource","containerResource":{"name":"cpu","currentAverageUtilization":20,"currentAverageValue":"0","container":"c"}}',
    ],
    [
      { type: 'External', external: { metric: { name: 'm' }, current: { averageValue: '5' } } },
      '{"type":"External","external":{"metricName":"m","currentValue":"0","currentAverageValue":"5"}}',
    ],
  ];

  it.each(CURRENT)('holds %j in an annotation of its state', (each, text) => {
    const status = { currentReplicas: 0, desiredReplicas: 0, currentMetrics: [each] };
    const v1 = view({ spec: { ...bounds, metrics: [cpu(50)] }, status });
    expect(v1.metadata.annotations).toEqual({ [`${PREFIX}current-metrics`]: `[${text}]` });
    expect(toStored(v1)).toMatchObject({ metadata: { name: 'a' }, status });
  });

  it('shows the CPU that was measured in a field too, but believes the annotation', () => {
    const current = { name: 'cpu', current: { averageUtilization: 20, averageValue: '200m' } };
    const status = {
      currentReplicas: 1,
      desiredReplicas: 1,
      currentMetrics: [{ type: 'Resource', resource: current }],
    };
    const v1 = view({ spec: bounds, status });
    expect(v1.status.currentCPUUtilizationPercentage).toBe(20);
    const changed = { ...v1, status: { ...v1.status, currentCPUUtilizationPercentage: 99 } };
    expect(toStored(changed)).toMatchObject({ status });
    delete changed.metadata.annotations;
    expect(toStored(changed)).toMatchObject({
      status: {
        currentMetrics: [
          { type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 99 } } },
        ],
      },
    });
  });

  it('holds conditions and the behavior in annotations', () => {
    const conditions = [
      {
        type: 'AbleToScale',
        status: 'True',
        lastTransitionTime: '2026-01-01T00:00:00Z',
        reason: 'R',
        message: 'm',
      },
      { type: 'ScalingActive', status: 'False' },
    ];
    const behavior = {
      scaleUp: {
        stabilizationWindowSeconds: 0,
        selectPolicy: 'Max',
        policies: [{ type: 'Pods', value: 4, periodSeconds: 15 }],
        tolerance: '50m',
      },
      scaleDown: { policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }] },
    };
    const parts = {
      spec: { ...bounds, metrics: [cpu(50)], behavior },
      status: { desiredReplicas: 0, conditions },
    };
    const v1 = view(parts);
    expect(v1.metadata.annotations).toEqual({
      [`${PREFIX}conditions`]:
        '[{"type":"AbleToScale","status":"True","lastTransitionTime":"2026-01-01T00:00:00Z","reason":"R","message":"m"},{"type":"ScalingActive","status":"False","lastTransitionTime":null}]',
      [`${PREFIX}behavior`]:
        '{"ScaleUp":{"StabilizationWindowSeconds":0,"SelectPolicy":"Max","Policies":[{"Type":"Pods","Value":4,"PeriodSeconds":15}],"Tolerance":"50m"},"ScaleDown":{"StabilizationWindowSeconds":null,"SelectPolicy":null,"Policies":[{"Type":"Percent","Value":100,"PeriodSeconds":15}],"Tolerance":null}}',
    });
    expect(toStored(v1)).toMatchObject(parts);
  });

  it('takes a behavior in the names of the API, and one for a single direction', () => {
    const text = '{"scaleUp":{"selectPolicy":"Min"}}';
    const written = { metadata: { name: 'a', annotations: { [`${PREFIX}behavior`]: text } }, spec: bounds };
    expect(toStored(written as never)).toMatchObject({
      spec: { behavior: { scaleUp: { selectPolicy: 'Min' } } },
    });
    expect(view({ spec: { ...bounds, behavior: { scaleUp: {} } } }).metadata.annotations).toEqual({
      [`${PREFIX}behavior`]:
        '{"ScaleUp":{"StabilizationWindowSeconds":null,"SelectPolicy":null,"Policies":null,"Tolerance":null},"ScaleDown":null}',
    });
  });

  it.each([
    ['metrics', '{'],
    ['metrics', '{}'],
    ['metrics', '[1]'],
    ['metrics', '[{"type":"Resource","resource":{"name":5}}]'],
    ['metrics', '[{"type":"Resource","resource":{"name":"cpu","targetAverageUtilization":"5"}}]'],
    ['metrics', '[{"type":"Pods","pods":{"metricName":"m","targetAverageValue":"much"}}]'],
    ['metrics', '[{"type":"Pods","pods":{"selector":{"matchLabels":{"a":1}}}}]'],
    ['behavior', '5'],
    ['behavior', '{}'],
    ['behavior', '{"ScaleUp":{"Policies":{}}}'],
    ['conditions', '[{"type":"a","lastTransitionTime":"today"}]'],
    ['current-metrics', 'null'],
  ])('passes over %s that are malformed: %s', (name, text) => {
    const written = {
      metadata: { name: 'a', annotations: { [`${PREFIX}${name}`]: text } },
      spec: bounds,
      status: { currentReplicas: 0, desiredReplicas: 0 },
    };
    expect(toStored(written as never)).toEqual(
      stored({ spec: bounds, status: { currentReplicas: 0, desiredReplicas: 0 } }),
    );
  });
});
