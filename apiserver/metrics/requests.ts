/**
 * Counts of requests and watches, in the Prometheus exposition format and under kube-apiserver's names. Plain counters:
 * they are on every request's path.
 */
import type { Kind } from '#api/kind.ts';
import type { Clock } from '#machinery/clock.ts';
import { Family, type Histogram } from '#machinery/metrics/exposition.ts';
import type { TransportResponse } from '#machinery/transport.ts';
import type { RequestContext, RequestInfo } from '../contract.ts';
import type { KindIndex } from '../engine/kind-index.ts';
import { isLongRunning } from '../request-info.ts';
import { Inflight } from './inflight.ts';
import { type Series, SeriesIndex } from './series.ts';

/** What watchers of a kind have been sent: counted by each of them. */
export interface WatchCount {
  events: number;
}

/** How many objects of a resource there are. */
export interface ObjectCount {
  resource: string;
  count: number;
}

export class RequestMetrics {
  readonly #clock: Clock;
  readonly #series: SeriesIndex;
  readonly #reading = new Inflight();
  readonly #mutating = new Inflight();
  readonly #watches = new Map<Kind, WatchCount>();

  constructor(kinds: KindIndex, clock: Clock) {
    this.#clock = clock;
    this.#series = new SeriesIndex(kinds);
  }

  /** A request is being worked on; `answered` ends it. */
  begin(info: RequestInfo, nowMs: number): void {
    if (!isLongRunning(info)) this.#inflightOf(info).enter(nowMs);
  }

  /** `durationMs`: until the head of the answer, of which `waitedMs` in a queue. */
  answered(
    { info, request, signal }: RequestContext,
    { status, body }: TransportResponse,
    durationMs: number,
    waitedMs: number,
  ): void {
    const series = this.#series.of(info, request.headers['content-type'] === APPLY);
    series.codes.set(status, (series.codes.get(status) ?? 0) + 1);
    if (signal.aborted) series.aborted++;
    if (isLongRunning(info)) return;
    this.#inflightOf(info).leave();
    series.seconds.observe(durationMs / 1000);
    series.ownSeconds.observe((durationMs - waitedMs) / 1000);
    if ((info.verb === 'get' || info.verb === 'list') && body instanceof Uint8Array)
      series.bytes.observe(body.length);
    if (status === TOO_MANY) this.#terminated(series, status);
  }

  /** The server gave a request up by itself: it took too long. */
  terminated(info: RequestInfo, code: number): void {
    this.#terminated(this.#series.of(info, false), code);
  }

  #terminated({ terminations }: Series, code: number): void {
    terminations.set(code, (terminations.get(code) ?? 0) + 1);
  }

  /** A watch, log or connection goes on; the answer ends it (once). */
  longRunning(info: RequestInfo): () => void {
    const series = this.#series.of(info, false);
    series.longRunning++;
    let ended = false;
    return () => {
      if (!ended) series.longRunning--;
      ended = true;
    };
  }

  watchCount(kind: Kind): WatchCount {
    let count = this.#watches.get(kind);
    if (!count) {
      count = { events: 0 };
      this.#watches.set(kind, count);
    }
    return count;
  }

  #inflightOf({ verb }: RequestInfo): Inflight {
    return READ_ONLY.has(verb) ? this.#reading : this.#mutating;
  }

  text(objects: readonly ObjectCount[]): string {
    const all = [...this.#series];
    const now = this.#clock.monotonic();
    const stored = new Family('apiserver_storage_objects', 'gauge', 'Objects in the store.');
    for (const { resource, count } of objects) stored.value(`resource="${resource}"`, count);
    const inflight = new Family(
      'apiserver_current_inflight_requests',
      'gauge',
      'Most requests that were worked on at once within the last second.',
    );
    inflight.value('request_kind="mutating"', this.#mutating.peak(now));
    inflight.value('request_kind="readOnly"', this.#reading.peak(now));
    const running = new Family(
      'apiserver_longrunning_requests',
      'gauge',
      'Watches, logs and connections now.',
    );
    for (const series of all) running.value(series.labels, series.longRunning);
    const events = new Family('apiserver_watch_events_total', 'counter', 'Events sent to watchers.');
    for (const [{ group, version, plural }, count] of this.#watches)
      events.value(`group="${group}",version="${version}",resource="${plural}"`, count.events);
    const aborts = new Family(
      'apiserver_request_aborts_total',
      'counter',
      'Requests whose client went away.',
    );
    for (const { labels, aborted } of all) if (aborted > 0) aborts.value(labels, aborted);
    return [
      byCode('apiserver_request_total', 'Requests answered.', all, ({ codes }) => codes),
      histograms(
        'apiserver_request_duration_seconds',
        'Time until the head of the answer.',
        all,
        (s) => s.seconds,
      ),
      histograms(
        'apiserver_request_sli_duration_seconds',
        'Time until the head of the answer, waiting in queues apart.',
        all,
        ({ ownSeconds }) => ownSeconds,
      ),
      histograms('apiserver_response_sizes', 'Bytes of answers to GET and LIST.', all, ({ bytes }) => bytes),
      byCode(
        'apiserver_request_terminations_total',
        'Requests that the server ended to protect itself.',
        all,
        ({ terminations }) => terminations,
      ),
      ...[aborts, inflight, running, events, stored].map((family) => family.text()),
    ].join('');
  }
}

const APPLY = 'application/apply-patch+yaml';
const TOO_MANY = 429;
const READ_ONLY = new Set(['get', 'list', 'watch', 'head']);

function byCode(
  name: string,
  help: string,
  all: readonly Series[],
  read: (series: Series) => ReadonlyMap<number, number>,
): string {
  const family = new Family(name, 'counter', help);
  for (const series of all)
    for (const [code, count] of read(series)) family.value(`${series.labels},code="${code}"`, count);
  return family.text();
}

function histograms(
  name: string,
  help: string,
  all: readonly Series[],
  read: (series: Series) => Histogram,
): string {
  const family = new Family(name, 'histogram', help);
  for (const series of all) {
    const histogram = read(series);
    if (histogram.count > 0) family.histogram(series.labels, histogram);
  }
  return family.text();
}
