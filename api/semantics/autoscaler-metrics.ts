/**
 * Metrics of autoscalers in the two forms they have: flat as autoscaling/v1 writes them into annotations, deep as the
 * fields of autoscaling/v2 are. Source: Kubernetes API reference, MetricSpec and MetricStatus of both versions.
 */
import {
  count,
  type Fields,
  type Form,
  fields,
  type Json,
  quantity,
  record,
  reference,
  selector,
  text,
} from './autoscaler-forms.ts';

/** What a metric should be or what it is. */
export type Part = 'target' | 'current';

interface Row {
  /** The field of the flat form. */
  name: string;
  /** Where the deep form has it. */
  path: readonly string[];
  form: Form;
  /** Written as zero when there is none. */
  always?: true;
}

const ROWS: Record<Part, Record<string, readonly Row[]>> = {
  target: rowsOf('target'),
  current: rowsOf('current'),
};

/** Each kind of metric, its fields in the order in which kube-apiserver writes them. */
function rowsOf(part: Part): Record<string, readonly Row[]> {
  const isTarget = part === 'target';
  const row = (name: string, path: string, form: Form): Row => ({ name, path: path.split('.'), form });
  const always = (each: Row): Row => ({ ...each, always: true });
  const name = row('metricName', 'metric.name', text);
  const value = row(`${part}Value`, `${part}.value`, quantity);
  const average = row(`${part}AverageValue`, `${part}.averageValue`, quantity);
  const resource = [
    row('name', 'name', text),
    row(`${part}AverageUtilization`, `${part}.averageUtilization`, count),
    isTarget ? average : always(average),
  ];
  return {
    object: [
      row('target', 'describedObject', reference),
      name,
      always(value),
      row('selector', 'metric.selector', selector),
      row('averageValue', `${part}.averageValue`, quantity),
    ],
    pods: [name, always(average), row('selector', 'metric.selector', selector)],
    resource,
    containerResource: [...resource, row('container', 'container', text)],
    external: [
      name,
      row('metricSelector', 'metric.selector', selector),
      isTarget ? value : always(value),
      average,
    ],
  };
}

/** A metric of autoscaling/v2 in the flat form. */
export function flatMetric(metric: { type: string }, part: Part): Json {
  const result: Json = { type: metric.type };
  for (const [source, rows] of Object.entries(ROWS[part])) {
    const settings = (metric as Json)[source];
    if (settings === undefined) continue;
    const into: Json = {};
    for (const { name, path, always } of rows) {
      const value = path.reduce<unknown>((at, step) => (at as Json | undefined)?.[step], settings);
      if (value !== undefined || always) into[name] = value ?? '0';
    }
    result[source] = into;
  }
  return result;
}

/** A metric of the flat form as autoscaling/v2 has it. Throws MalformedError. */
export function deepMetric(from: unknown, part: Part): Json {
  const metric = record(from);
  const result: Json = { type: text(metric['type'] ?? '') };
  for (const [source, rows] of Object.entries(ROWS[part])) {
    if (metric[source] === undefined || metric[source] === null) continue;
    const forms: Fields = Object.fromEntries(rows.map(({ name, form }) => [name, form]));
    const settings = fields(forms)(metric[source]);
    const into: Json = { [part]: {} };
    for (const { name, path } of rows) if (settings[name] !== undefined) put(into, path, settings[name]);
    const measures = into[part] as Json;
    dropFiller(measures);
    if (part === 'target') into[part] = { type: targetType(measures), ...measures };
    result[source] = into;
  }
  return result;
}

function put(into: Json, [first, ...rest]: readonly string[], value: unknown): void {
  if (rest.length === 0) {
    into[first!] = value;
    return;
  }
  into[first!] ??= {};
  put(into[first!] as Json, rest, value);
}

/** A zero beside another measure stands for none: the flat form cannot leave some of them out. */
function dropFiller(measures: Json): void {
  for (const name of ['value', 'averageValue'])
    if (measures[name] === '0' && Object.keys(measures).length > 1) delete measures[name];
}

function targetType({ averageUtilization, averageValue, value }: Json): string {
  if (averageUtilization !== undefined) return 'Utilization';
  return value !== undefined && averageValue === undefined ? 'Value' : 'AverageValue';
}
