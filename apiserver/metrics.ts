import type { RequestInfo } from './contract.ts';
import type { KindIndex } from './engine/kind-index.ts';

/** Source: Prometheus exposition formats, text format. */
export const EXPOSITION_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Upper bounds in seconds. Fewer than kube-apiserver has: each is a line for every verb and resource. */
const BUCKETS = [0.005, 0.025, 0.1, 0.5, 1, 5, 30];

interface Series {
  labels: string;
  counts: number[];
  sum: number;
  count: number;
  codes: Map<number, number>;
}

/**
 * Counts of requests, in the Prometheus exposition format (version 0.0.4) and under kube-apiserver's names. Plain counters:
 * they are on every request's path. Labels come from served kinds only, so that no client can make up new series.
 */
export class RequestMetrics {
  readonly #kinds: KindIndex;
  readonly #series = new Map<string, Series>();

  constructor(kinds: KindIndex) {
    this.#kinds = kinds;
  }

  /** `durationMs`: until the head of the answer. */
  observe(info: RequestInfo, status: number, durationMs: number): void {
    const known = info.isResource && this.#kinds.at(info.group, info.version, info.resource) !== undefined;
    const verb = VERBS.has(info.verb) ? info.verb.toUpperCase() : 'OTHER';
    const resource = known ? info.resource : '';
    const subresource = known && SUBRESOURCE.test(info.subresource) ? info.subresource : '';
    const key = `${verb} ${known ? info.group : ''}/${resource}/${subresource}`;
    const series = this.#series.get(key) ?? this.#begin(key, verb, known ? info : undefined, subresource);
    const seconds = durationMs / 1000;
    const bucket = BUCKETS.findIndex((bound) => seconds <= bound);
    if (bucket >= 0) series.counts[bucket]!++;
    series.sum += seconds;
    series.count++;
    series.codes.set(status, (series.codes.get(status) ?? 0) + 1);
  }

  #begin(key: string, verb: string, info: RequestInfo | undefined, subresource: string): Series {
    const { group = '', version = '', resource = '' } = info ?? {};
    const labels = `verb="${verb}",group="${group}",version="${version}",resource="${resource}",subresource="${subresource}"`;
    const series = {
      labels,
      counts: BUCKETS.map(() => 0),
      sum: 0,
      count: 0,
      codes: new Map<number, number>(),
    };
    if (this.#series.size < SERIES_LIMIT) this.#series.set(key, series);
    return series;
  }

  /** `objects`: how many objects of a resource there are. */
  text(objects: readonly { resource: string; count: number }[]): string {
    const lines: string[] = [];
    const family = (name: string, type: string, help: string) => {
      lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
    };
    const all = [...this.#series.values()];
    family('apiserver_request_total', 'counter', 'Requests answered.');
    for (const { labels, codes } of all)
      for (const [code, count] of codes)
        lines.push(`apiserver_request_total{${labels},code="${code}"} ${count}`);
    family('apiserver_request_duration_seconds', 'histogram', 'Time until the head of the answer.');
    for (const series of all) lines.push(...histogram(series));
    family('apiserver_storage_objects', 'gauge', 'Objects in the store.');
    for (const { resource, count } of objects)
      lines.push(`apiserver_storage_objects{resource="${resource}"} ${count}`);
    return `${lines.join('\n')}\n`;
  }
}

const VERBS = new Set([
  'get',
  'list',
  'watch',
  'create',
  'update',
  'patch',
  'delete',
  'deletecollection',
  'post',
]);
const SUBRESOURCE = /^[a-z]{1,32}$/;
/** Subresources are what clients write: even so, no more series than this. */
const SERIES_LIMIT = 2000;

function histogram({ labels, counts, sum, count }: Series): string[] {
  const name = 'apiserver_request_duration_seconds';
  let total = 0;
  const lines = BUCKETS.map((bound, index) => {
    total += counts[index]!;
    return `${name}_bucket{${labels},le="${bound}"} ${total}`;
  });
  return [
    ...lines,
    `${name}_bucket{${labels},le="+Inf"} ${count}`,
    `${name}_sum{${labels}} ${sum}`,
    `${name}_count{${labels}} ${count}`,
  ];
}
