/**
 * What autoscaling/v1 has no field for travels in annotations of its objects: other metrics than CPU, the behavior, the
 * state of the metrics, the conditions. Stored objects (autoscaling/v2) never have them.
 * Source: Kubernetes API reference, autoscaling/v1; the names and forms are those that kube-apiserver writes.
 */
import type { HorizontalPodAutoscaler, ObjectMeta } from '../objects.ts';
import {
  count,
  fields,
  type Json,
  listOf,
  MalformedError,
  quantity,
  record,
  text,
  time,
} from './autoscaler-forms.ts';
import { deepMetric, flatMetric, type Part } from './autoscaler-metrics.ts';

type Spec = NonNullable<HorizontalPodAutoscaler['spec']>;
type Status = NonNullable<HorizontalPodAutoscaler['status']>;

const PREFIX = 'autoscaling.alpha.kubernetes.io/';
const METRICS = `${PREFIX}metrics`;
const CURRENT_METRICS = `${PREFIX}current-metrics`;
const BEHAVIOR = `${PREFIX}behavior`;
const CONDITIONS = `${PREFIX}conditions`;
const ALL = [METRICS, CURRENT_METRICS, BEHAVIOR, CONDITIONS];

/** What the annotations say; a part is missing when its annotation is, or cannot be read. */
export interface Annotated {
  metrics?: Spec['metrics'];
  behavior?: Spec['behavior'];
  currentMetrics?: Status['currentMetrics'];
  conditions?: Status['conditions'];
}

/** The metadata as it is stored. */
export function withoutViewAnnotations(metadata: ObjectMeta): ObjectMeta {
  const { annotations, ...rest } = metadata;
  if (!annotations || !ALL.some((name) => name in annotations)) return metadata;
  const kept = Object.entries(annotations).filter(([name]) => !ALL.includes(name));
  return kept.length > 0 ? { ...rest, annotations: Object.fromEntries(kept) } : rest;
}

/** The metadata as autoscaling/v1 shows it. */
export function withViewAnnotations(metadata: ObjectMeta, parts: Annotated): ObjectMeta {
  const { metrics = [], behavior, currentMetrics = [], conditions = [] } = parts;
  const values: [string, unknown][] = [
    [METRICS, metrics.length > 0 && metrics.map((metric) => flatMetric(metric, 'target'))],
    [
      CURRENT_METRICS,
      currentMetrics.length > 0 && currentMetrics.map((metric) => flatMetric(metric, 'current')),
    ],
    [BEHAVIOR, behavior && behaviorText(behavior as Json)],
    [CONDITIONS, conditions.length > 0 && conditions.map(conditionText)],
  ];
  const annotations = values
    .filter(([, value]) => value)
    .map(([name, value]) => [name, JSON.stringify(value)]);
  if (annotations.length === 0) return metadata;
  return { ...metadata, annotations: { ...metadata.annotations, ...Object.fromEntries(annotations) } };
}

/** Reads the annotations of a metadata. What is malformed is passed over, as by kube-apiserver. */
export function readViewAnnotations({ annotations = {} }: ObjectMeta): Annotated {
  const metrics = (part: Part) => listOf((metric) => deepMetric(metric, part));
  return {
    metrics: parsed(annotations[METRICS], metrics('target')) as Spec['metrics'],
    behavior: parsed(annotations[BEHAVIOR], behaviorOf),
    currentMetrics: parsed(annotations[CURRENT_METRICS], metrics('current')) as Status['currentMetrics'],
    conditions: parsed(annotations[CONDITIONS], listOf(conditionOf)) as Status['conditions'],
  };
}

function parsed<T>(annotation: string | undefined, form: (value: unknown) => T): T | undefined {
  if (annotation === undefined) return undefined;
  try {
    return form(JSON.parse(annotation));
  } catch (error) {
    if (error instanceof MalformedError || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

const POLICY = { type: text, value: count, periodSeconds: count };
const RULES = {
  stabilizationWindowSeconds: count,
  selectPolicy: text,
  policies: listOf((value) => fields(POLICY)(lowered(value))),
  tolerance: quantity,
};
const DIRECTIONS = ['scaleUp', 'scaleDown'];

/** kube-apiserver writes the behavior with the names of its Go fields, and null for what is not set. */
function behaviorText(behavior: Json): Json {
  const rules = (value: unknown) => {
    if (value === undefined) return null;
    const { policies, ...rest } = value as Json & { policies?: Json[] };
    return raised({ ...rest, policies: policies?.map((policy) => raised(policy, POLICY)) }, RULES);
  };
  return Object.fromEntries(DIRECTIONS.map((name) => [upper(name), rules(behavior[name])]));
}

function behaviorOf(value: unknown): Spec['behavior'] {
  const behavior = lowered(value);
  const given = DIRECTIONS.filter((name) => behavior[name] !== undefined && behavior[name] !== null);
  if (given.length === 0) return undefined;
  return Object.fromEntries(given.map((name) => [name, fields(RULES)(lowered(behavior[name]))]));
}

/** All of the names, in their order, beginning with a capital letter. */
function raised(from: Json, names: object): Json {
  return Object.fromEntries(Object.keys(names).map((name) => [upper(name), from[name] ?? null]));
}

/** With names that begin in lower case: Go reads them in either. */
function lowered(value: unknown): Json {
  const entries = Object.entries(record(value));
  return Object.fromEntries(
    entries.map(([name, each]) => [`${name.slice(0, 1).toLowerCase()}${name.slice(1)}`, each]),
  );
}

function upper(name: string): string {
  return `${name.slice(0, 1).toUpperCase()}${name.slice(1)}`;
}

function conditionText(condition: NonNullable<Status['conditions']>[number]): Json {
  const { type, status, lastTransitionTime = null, reason, message } = condition;
  return { type, status, lastTransitionTime, ...(reason && { reason }), ...(message && { message }) };
}

const conditionOf = fields({
  type: text,
  status: text,
  lastTransitionTime: time,
  reason: text,
  message: text,
});
