import { Family, Histogram } from '#machinery/metrics/exposition.ts';
import type { Op } from '#store/contract.ts';

/** Source: kube-apiserver, etcd_request_duration_seconds. */
const BOUNDS = [
  0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60,
];

/** How long commits take, by what they do and to which resource. Reads come from memory. */
export class StoreMetrics {
  readonly #series = new Map<string, { operation: string; type: string; seconds: Histogram }>();

  committed(op: Op, tookMs: number): void {
    const operation = op.op === 'delete' ? 'delete' : op.expect === 0 ? 'create' : 'update';
    const type = resourceOfKey(op.key);
    const key = `${operation} ${type}`;
    let series = this.#series.get(key);
    if (!series) {
      series = { operation, type, seconds: new Histogram(BOUNDS) };
      this.#series.set(key, series);
    }
    series.seconds.observe(tookMs / 1000);
  }

  /** Under the name that dashboards know, whichever store it is. */
  text(): string {
    const family = new Family(
      'etcd_request_duration_seconds',
      'histogram',
      'Time that commits to the store take.',
    );
    for (const { operation, type, seconds } of this.#series.values())
      family.histogram(`operation="${operation}",type="${type}"`, seconds);
    return family.text();
  }
}

/** `deployments.apps` of `/gantry/<cluster>/v1/apps/deployments/...` (engine/keys.ts). */
function resourceOfKey(key: string): string {
  const [, , , , group = '', resource = ''] = key.split('/', 6);
  return group === 'core' ? resource : `${resource}.${group}`;
}
