import type { Kind } from '../kind.ts';
import type { ApiObject, HorizontalPodAutoscaler, HorizontalPodAutoscalerV1 } from '../objects.ts';
import {
  type Annotated,
  readViewAnnotations,
  withoutViewAnnotations,
  withViewAnnotations,
} from '../semantics/autoscaler-annotations.ts';
import { HorizontalPodAutoscalerKind } from './horizontal-pod-autoscaler.ts';

/** The view of autoscalers in autoscaling/v1: its fields know CPU only, annotations hold the rest. */
export const HorizontalPodAutoscalerV1Kind: Kind<HorizontalPodAutoscalerV1> = {
  group: 'autoscaling',
  version: 'v1',
  kind: 'HorizontalPodAutoscaler',
  plural: 'horizontalpodautoscalers',
  singular: 'horizontalpodautoscaler',
  shortNames: ['hpa'],
  categories: ['all'],
  inert: true,
  namespaced: true,
  schema: 'io.k8s.api.autoscaling.v1.HorizontalPodAutoscaler',
  storedAs: { group: 'autoscaling', version: 'v2', plural: 'horizontalpodautoscalers', toStored, fromStored },
  subresources: { status: true },
  strategy: {
    validate: (autoscaler) => HorizontalPodAutoscalerKind.strategy.validate(complete(autoscaler)),
  },
  columns: HorizontalPodAutoscalerKind.columns.map((column) => ({
    ...column,
    cell: (autoscaler, now) => column.cell(toStored(autoscaler), now),
  })),
};

function complete(autoscaler: ApiObject): HorizontalPodAutoscaler {
  const stored = toStored(autoscaler);
  HorizontalPodAutoscalerKind.strategy.defaults!(stored);
  return stored;
}

type Spec = NonNullable<HorizontalPodAutoscaler['spec']>;
type Status = NonNullable<HorizontalPodAutoscaler['status']>;
type Metric = NonNullable<Spec['metrics']>[number];

function toStored(object: ApiObject): HorizontalPodAutoscaler {
  const { metadata, spec, status } = object as Partial<HorizontalPodAutoscalerV1> & ApiObject;
  const annotated = readViewAnnotations(metadata);
  return {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: withoutViewAnnotations(metadata),
    ...(spec && { spec: specOf(spec, annotated) }),
    ...(status && { status: statusOf(status, annotated) }),
    // A client may leave the spec out: validation says so.
  } as HorizontalPodAutoscaler;
}

function specOf(spec: HorizontalPodAutoscalerV1['spec'], { metrics = [], behavior }: Annotated): Spec {
  const { targetCPUUtilizationPercentage: percent, ...rest } = spec!;
  const all = percent === undefined ? metrics : [...metrics, cpuTarget(percent)];
  return { ...rest, ...(all.length > 0 && { metrics: all }), ...(behavior && { behavior }) };
}

/** The annotation knows more than the field. */
function statusOf(status: NonNullable<HorizontalPodAutoscalerV1['status']>, annotated: Annotated): Status {
  const { currentCPUUtilizationPercentage: percent, ...rest } = status;
  const { conditions, currentMetrics = percent === undefined ? undefined : [cpuNow(percent)] } = annotated;
  return { ...rest, ...(currentMetrics && { currentMetrics }), ...(conditions && { conditions }) };
}

function cpuTarget(averageUtilization: number): Metric {
  return { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization } } };
}

function cpuNow(averageUtilization: number) {
  return { type: 'Resource', resource: { name: 'cpu', current: { averageUtilization } } };
}

function fromStored(stored: ApiObject): HorizontalPodAutoscalerV1 {
  const { metadata, spec, status } = stored as Partial<HorizontalPodAutoscaler> & ApiObject;
  const { metrics = [], behavior, ...wanted } = spec ?? ({} as Spec);
  const { currentMetrics = [], conditions, ...seen } = status ?? ({} as Status);
  const target = metrics.map(cpuPercent).find((percent) => percent !== undefined);
  const current = currentMetrics.map(cpuPercent).findLast((percent) => percent !== undefined);
  const others = metrics.filter((metric) => cpuPercent(metric) === undefined);
  return {
    apiVersion: 'autoscaling/v1',
    kind: 'HorizontalPodAutoscaler',
    metadata: withViewAnnotations(metadata, { metrics: others, behavior, currentMetrics, conditions }),
    spec: { ...wanted, ...(target !== undefined && { targetCPUUtilizationPercentage: target }) },
    status: {
      ...seen,
      currentReplicas: seen.currentReplicas ?? 0,
      desiredReplicas: seen.desiredReplicas ?? 0,
      ...(current !== undefined && { currentCPUUtilizationPercentage: current }),
    },
  };
}

interface Measured {
  type: string;
  resource?: {
    name: string;
    target?: { averageUtilization?: number };
    current?: { averageUtilization?: number };
  };
}

/** The percentage of a metric that the fields of autoscaling/v1 can hold. */
function cpuPercent({ type, resource }: Measured): number | undefined {
  if (type !== 'Resource' || resource?.name !== 'cpu') return undefined;
  return (resource.target ?? resource.current)?.averageUtilization;
}
