/** Under which labels a request is counted: kube-apiserver's, taken from served kinds so that no client makes up series. */
import type { Kind } from '#api/kind.ts';
import { Histogram } from '#machinery/metrics/exposition.ts';
import type { RequestInfo } from '../contract.ts';
import type { KindIndex } from '../engine/kind-index.ts';

/** Source: kube-apiserver, apiserver_request_duration_seconds. */
const DURATION_BOUNDS = [
  0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60,
];
/** Source: kube-apiserver, apiserver_request_sli_duration_seconds. */
const SLI_BOUNDS = DURATION_BOUNDS.slice(2);
/** Source: kube-apiserver, apiserver_response_sizes. */
const SIZE_BOUNDS = [1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];

/** What is counted of requests with the same labels. */
export class Series {
  readonly labels: string;
  readonly codes = new Map<number, number>();
  readonly terminations = new Map<number, number>();
  readonly seconds = new Histogram(DURATION_BOUNDS);
  /** Without the time in queues: what the server itself took. */
  readonly ownSeconds = new Histogram(SLI_BOUNDS);
  readonly bytes = new Histogram(SIZE_BOUNDS);
  longRunning = 0;
  aborted = 0;

  constructor(labels: string) {
    this.labels = labels;
  }
}

/** Labels come from what is served; with very many custom kinds, no more series than this. */
const SERIES_LIMIT = 2000;

export class SeriesIndex {
  readonly #kinds: KindIndex;
  readonly #series = new Map<string, Series>();

  constructor(kinds: KindIndex) {
    this.#kinds = kinds;
  }

  [Symbol.iterator](): IterableIterator<Series> {
    return this.#series.values();
  }

  of(info: RequestInfo, isApply: boolean): Series {
    const kind = info.isResource ? this.#kinds.at(info.group, info.version, info.resource) : undefined;
    const { group, version, resource } = kind ? info : NOWHERE;
    const subresource = kind ? subresourceOf(kind, info) : PATHS.has(info.path) ? info.path : '';
    const verb = isApply ? 'APPLY' : verbOf(info.verb, subresource);
    const scope = kind ? scopeOf(info) : '';
    const dryRun = kind && info.query.get('dryRun') === 'All' ? 'All' : '';
    const key = `${verb} ${group}/${version}/${resource}/${subresource} ${scope} ${dryRun}`;
    const found = this.#series.get(key);
    if (found) return found;
    const labels = { verb, dry_run: dryRun, group, version, resource, subresource, scope };
    const text = Object.entries({ ...labels, component: 'apiserver' }).map(
      ([name, value]) => `${name}="${value}"`,
    );
    const series = new Series(text.join(','));
    if (this.#series.size < SERIES_LIMIT) this.#series.set(key, series);
    return series;
  }
}

const NOWHERE = { group: '', version: '', resource: '' };

/** Paths about no resource that are told apart. */
const PATHS = new Set([
  '/healthz',
  '/livez',
  '/metrics',
  '/openapi/v2',
  '/openapi/v3',
  '/readyz',
  '/version',
]);

/** Empty for one that the kind does not have. */
function subresourceOf({ subresources }: Kind, { subresource }: RequestInfo): string {
  if (subresource === '') return '';
  const slash = subresource.indexOf('/');
  const name = slash < 0 ? subresource : subresource.slice(0, slash);
  const isKnown =
    (name === 'status' && subresources?.status) ||
    (name === 'scale' && subresources?.scale) ||
    subresources?.others?.some((other) => other.name === name);
  return isKnown ? name : '';
}

const VERBS: Record<string, string> = {
  get: 'GET',
  list: 'LIST',
  watch: 'WATCH',
  create: 'POST',
  post: 'POST',
  update: 'PUT',
  put: 'PUT',
  patch: 'PATCH',
  delete: 'DELETE',
  deletecollection: 'DELETECOLLECTION',
  head: 'GET',
};

const CONNECTS = new Set(['attach', 'exec', 'portforward', 'proxy']);

/** Source: kube-apiserver, the verbs it reports. */
function verbOf(verb: string, subresource: string): string {
  return CONNECTS.has(subresource) ? 'CONNECT' : (VERBS[verb] ?? 'OTHER');
}

function scopeOf({ namespace, name, verb }: RequestInfo): string {
  // Of a request about one object Kubernetes says "resource", whether it is in a namespace or not.
  if (name !== '' || verb === 'create') return 'resource';
  return namespace === '' ? 'cluster' : 'namespace';
}
