/** Autoscalers of pods. Source: Kubernetes API reference, HorizontalPodAutoscalerSpec (autoscaling/v2). */
import { compareQuantities } from '#machinery/values/quantity.ts';
import type { HorizontalPodAutoscaler } from '../objects.ts';
import { type Faults, NOT_NEGATIVE } from './faults.ts';
import { dnsLabelFaults } from './names.ts';
import { checkPathPart } from './references.ts';
import { checkContainerResourceName } from './resources.ts';

type Spec = NonNullable<HorizontalPodAutoscaler['spec']>;
type Metric = NonNullable<Spec['metrics']>[number];
type Target = NonNullable<Metric['resource']>['target'];
type Rules = NonNullable<NonNullable<Spec['behavior']>['scaleUp']>;

export function checkAutoscaler({ spec }: HorizontalPodAutoscaler, faults: Faults): void {
  const { minReplicas, maxReplicas = 0, scaleTargetRef, metrics = [], behavior } = spec ?? ({} as Spec);
  if (minReplicas !== undefined && minReplicas < 1) {
    faults.invalid('spec.minReplicas', minReplicas, 'must be greater than or equal to 1');
  }
  if (maxReplicas < 1) faults.invalid('spec.maxReplicas', maxReplicas, 'must be greater than 0');
  if (minReplicas !== undefined && maxReplicas < minReplicas) {
    faults.invalid('spec.maxReplicas', maxReplicas, 'must be greater than or equal to `minReplicas`');
  }
  checkPathPart(scaleTargetRef?.kind, 'spec.scaleTargetRef.kind', faults);
  checkPathPart(scaleTargetRef?.name, 'spec.scaleTargetRef.name', faults);
  for (const [index, metric] of metrics.entries()) checkMetric(metric, `spec.metrics[${index}]`, faults);
  if (minReplicas === 0 && !metrics.some(({ type }) => type === 'Object' || type === 'External')) {
    const detail = 'must specify at least one Object or External metric to support scaling to zero replicas';
    faults.forbidden('spec.metrics', detail);
  }
  if (behavior?.scaleUp) checkRules(behavior.scaleUp, 'spec.behavior.scaleUp', faults);
  if (behavior?.scaleDown) checkRules(behavior.scaleDown, 'spec.behavior.scaleDown', faults);
}

export function checkAutoscalerStatus({ status }: HorizontalPodAutoscaler, faults: Faults): void {
  faults.notNegative('status.currentReplicas', status?.currentReplicas);
  faults.notNegative('status.desiredReplicas', status?.desiredReplicas);
}

/** Where each type of metric has its settings. */
const SOURCES = {
  ContainerResource: 'containerResource',
  External: 'external',
  Object: 'object',
  Pods: 'pods',
  Resource: 'resource',
} as const;

type Source = (typeof SOURCES)[keyof typeof SOURCES];

/** In the order in which Kubernetes looks at them: it judges the settings of the first only. */
const IN_ORDER: readonly Source[] = ['object', 'external', 'pods', 'resource', 'containerResource'];

function checkMetric(metric: Metric, at: string, faults: Faults): void {
  const { type } = metric;
  if (!type) faults.required(`${at}.type`, 'must specify a metric source type');
  const expected = Object.hasOwn(SOURCES, type ?? '') ? SOURCES[type as keyof typeof SOURCES] : undefined;
  if (!expected) faults.notSupported(`${at}.type`, type ?? '', Object.keys(SOURCES));
  const [first, ...more] = IN_ORDER.filter((source) => metric[source]);
  if (first) CHECKS[first](metric, `${at}.${first}`, faults);
  if (expected && !metric[expected])
    faults.required(`${at}.${expected}`, 'must populate information for the given metric source');
  if (more.length === 0) return;
  for (const source of [first!, ...more].filter((source) => source !== expected))
    faults.forbidden(`${at}.${source}`, 'must populate the given metric source only');
}

const CHECKS: Record<Source, (metric: Metric, at: string, faults: Faults) => void> = {
  object: ({ object }, at, faults) => {
    const { describedObject, metric, target } = object!;
    checkPathPart(describedObject?.kind, `${at}.describedObject.kind`, faults);
    checkPathPart(describedObject?.name, `${at}.describedObject.name`, faults);
    checkName(metric, at, faults);
    checkTarget(target, `${at}.target`, faults);
    if (target?.value === undefined && target?.averageValue === undefined)
      faults.required(`${at}.target.averageValue`, 'must set either a target value or averageValue');
  },
  external: ({ external }, at, faults) => {
    const { metric, target } = external!;
    checkName(metric, at, faults);
    checkTarget(target, `${at}.target`, faults);
    if (target?.value === undefined && target?.averageValue === undefined) {
      const detail = 'must set either a target value for metric or a per-pod target';
      faults.required(`${at}.target.averageValue`, detail);
    }
    if (target?.value !== undefined && target.averageValue !== undefined) {
      const detail = 'may not set both a target value for metric and a per-pod target';
      faults.forbidden(`${at}.target.value`, detail);
    }
  },
  pods: ({ pods }, at, faults) => {
    checkName(pods!.metric, at, faults);
    checkTarget(pods!.target, `${at}.target`, faults);
    if (pods!.target?.averageValue === undefined)
      faults.required(`${at}.target.averageValue`, 'must specify a positive target averageValue');
  },
  resource: ({ resource }, at, faults) => {
    const { name, target } = resource!;
    if (!name) faults.required(`${at}.name`, 'must specify a resource name');
    checkResourceTarget(target, `${at}.target`, faults);
  },
  containerResource: ({ containerResource }, at, faults) => {
    const { name, container, target } = containerResource!;
    if (!name) faults.required(`${at}.name`, 'must specify a resource name');
    else checkContainerResourceName(name, `${at}.name`, faults);
    if (!container) faults.required(`${at}.container`, 'must specify a container');
    else faults.invalidFor(`${at}.container`, container, dnsLabelFaults(container));
    checkResourceTarget(target, `${at}.target`, faults);
  },
};

function checkName(metric: { name?: string } | undefined, at: string, faults: Faults): void {
  if (!metric?.name) faults.required(`${at}.metric.name`, 'must specify a metric name');
  else checkPathPart(metric.name, `${at}.metric.name`, faults);
}

function checkResourceTarget(target: Target | undefined, at: string, faults: Faults): void {
  checkTarget(target, at, faults);
  const { averageUtilization, averageValue } = target ?? {};
  if (averageUtilization === undefined && averageValue === undefined) {
    const detail = 'must set either a target raw value or a target utilization';
    faults.required(`${at}.averageUtilization`, detail);
  }
  if (averageUtilization !== undefined && averageValue !== undefined) {
    const detail = 'may not set both a target raw value and a target utilization';
    faults.forbidden(`${at}.averageValue`, detail);
  }
}

const TARGET_TYPES = ['Utilization', 'Value', 'AverageValue'];

function checkTarget(target: Target | undefined, at: string, faults: Faults): void {
  const { type = '', averageUtilization } = target ?? {};
  if (!type) faults.required(`${at}.type`, 'must specify a metric target type');
  if (!TARGET_TYPES.includes(type))
    faults.invalid(`${at}.type`, type, 'must be either Utilization, Value, or AverageValue');
  for (const part of ['value', 'averageValue'] as const) {
    const quantity = target?.[part];
    if (quantity !== undefined && compareQuantities(quantity, '0') <= 0)
      faults.invalid(`${at}.${part}`, quantity, 'must be positive');
  }
  if (averageUtilization !== undefined && averageUtilization < 1)
    faults.invalid(`${at}.averageUtilization`, averageUtilization, 'must be greater than 0');
}

const SELECT_POLICIES = ['Disabled', 'Max', 'Min'];
const POLICY_TYPES = ['Percent', 'Pods'];
/** An hour: how long the past may hold a change back. */
const WINDOW_SECONDS_MAX = 3600;
/** Half an hour: over how long changes may be counted. */
const PERIOD_SECONDS_MAX = 1800;

function checkRules(rules: Rules, at: string, faults: Faults): void {
  const { stabilizationWindowSeconds: window, selectPolicy, policies = [], tolerance } = rules;
  if (window !== undefined && window < 0) {
    faults.invalid(`${at}.stabilizationWindowSeconds`, window, 'must be greater than or equal to zero');
  } else if (window !== undefined && window > WINDOW_SECONDS_MAX) {
    const detail = `must be less than or equal to ${WINDOW_SECONDS_MAX}`;
    faults.invalid(`${at}.stabilizationWindowSeconds`, window, detail);
  }
  if (selectPolicy !== undefined && !SELECT_POLICIES.includes(selectPolicy))
    faults.notSupported(`${at}.selectPolicy`, selectPolicy, SELECT_POLICIES);
  if (policies.length === 0) faults.required(`${at}.policies`, 'must specify at least one Policy');
  for (const [index, { type = '', value = 0, periodSeconds = 0 }] of policies.entries()) {
    const policy = `${at}.policies[${index}]`;
    if (!POLICY_TYPES.includes(type)) faults.notSupported(`${policy}.type`, type, POLICY_TYPES);
    if (value <= 0) faults.invalid(`${policy}.value`, value, 'must be greater than zero');
    if (periodSeconds <= 0)
      faults.invalid(`${policy}.periodSeconds`, periodSeconds, 'must be greater than zero');
    else if (periodSeconds > PERIOD_SECONDS_MAX) {
      const detail = `must be less than or equal to ${PERIOD_SECONDS_MAX}`;
      faults.invalid(`${policy}.periodSeconds`, periodSeconds, detail);
    }
  }
  if (tolerance !== undefined && compareQuantities(tolerance, '0') < 0)
    faults.invalid(`${at}.tolerance`, tolerance, NOT_NEGATIVE);
}
