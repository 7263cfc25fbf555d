/** The metrics of an autoscaler as a column shows them: `cpu: 30%/80%, 5/10 + 1 more...`. */
import type { HorizontalPodAutoscaler } from '../objects.ts';

type Metric = NonNullable<NonNullable<HorizontalPodAutoscaler['spec']>['metrics']>[number];
type Current = NonNullable<NonNullable<HorizontalPodAutoscaler['status']>['currentMetrics']>[number];

/** How many metrics are shown before the rest is counted. */
const SHOWN = 2;

/** The n-th measurement belongs to the n-th metric. */
export function metricsText(metrics: readonly Metric[], current: readonly Current[]): string {
  if (metrics.length === 0) return '<none>';
  const shown = metrics.slice(0, SHOWN).map((metric, index) => metricText(metric, current[index]));
  const more = metrics.length > SHOWN ? ` + ${metrics.length - SHOWN} more...` : '';
  return `${shown.join(', ')}${more}`;
}

/** What Go prints for a quantity that is not there. */
const NIL = '<nil>';
const UNKNOWN = '<unknown>';

function metricText(metric: Metric, current: Current | undefined): string {
  switch (metric.type) {
    case 'External':
      return valueText(metric.external?.target, current?.external?.current);
    case 'Object':
      return valueText(metric.object?.target, current?.object?.current);
    case 'Pods': {
      const now = current?.pods ? (current.pods.current?.averageValue ?? NIL) : UNKNOWN;
      return `${now}/${metric.pods?.target?.averageValue ?? NIL}`;
    }
    case 'Resource':
      return resourceText(metric.resource, current?.resource);
    case 'ContainerResource':
      return resourceText(metric.containerResource, current?.containerResource);
    default:
      return '<unknown type>';
  }
}

interface Measures {
  value?: string;
  averageValue?: string;
  averageUtilization?: number;
}

function valueText(target: Measures | undefined, now: Measures | undefined): string {
  if (target?.averageValue !== undefined)
    return `${now?.averageValue ?? UNKNOWN}/${target.averageValue} (avg)`;
  return `${now ? (now.value ?? NIL) : UNKNOWN}/${target?.value ?? NIL}`;
}

function resourceText(
  metric: { name: string; target?: Measures } | undefined,
  current: { current?: Measures } | undefined,
): string {
  const { averageValue, averageUtilization } = metric?.target ?? {};
  const now = current?.current;
  if (averageValue !== undefined) {
    const value = current ? (now?.averageValue ?? NIL) : UNKNOWN;
    return `${metric!.name}: ${value}/${averageValue}`;
  }
  const used = now?.averageUtilization === undefined ? UNKNOWN : `${now.averageUtilization}%`;
  const wanted = averageUtilization === undefined ? '<auto>' : `${averageUtilization}%`;
  return `${metric?.name ?? ''}: ${used}/${wanted}`;
}
