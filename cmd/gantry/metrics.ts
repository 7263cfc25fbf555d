import { monitorEventLoopDelay } from 'node:perf_hooks';

/** For versions of Node that only look at the event loop from time to time: they report this much too long a delay. */
const RESOLUTION_MS = 10;

/**
 * What /metrics says of this process. How long each turn of the event loop takes, waiting apart, is watched from now on
 * and starts anew with each scrape; prom-client is loaded at the first one.
 */
export function processMetrics(): () => Promise<string> {
  const delay = monitorEventLoopDelay({ samplePerIteration: true, resolution: RESOLUTION_MS });
  delay.enable();
  // The turn in which it begins counts the waiting that follows.
  setImmediate(() => setImmediate(() => delay.reset()));
  let registry: Promise<import('prom-client').Registry> | undefined;
  return async () => {
    registry ??= makeRegistry(delay);
    const made = await registry;
    const text = await made.metrics();
    delay.reset();
    return text;
  };
}

async function makeRegistry(
  delay: ReturnType<typeof monitorEventLoopDelay>,
): Promise<import('prom-client').Registry> {
  // In the bundle a CommonJS package has only its default export.
  const { Gauge, Registry } = (await import('prom-client')).default;
  const registry = new Registry();
  const gauge = (name: string, help: string, read: () => number) =>
    registry.registerMetric(
      new Gauge({
        name,
        help,
        registers: [],
        collect() {
          this.set(read());
        },
      }),
    );
  const started = Date.now() / 1000 - process.uptime();
  gauge('process_start_time_seconds', 'Start of the process, seconds since the epoch.', () => started);
  gauge('process_resident_memory_bytes', 'Resident memory.', () => process.memoryUsage.rss());
  gauge('nodejs_heap_size_used_bytes', 'Memory of JavaScript objects.', () => process.memoryUsage().heapUsed);
  gauge('process_cpu_seconds_total', 'User and system CPU time spent.', () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });
  gauge(
    'nodejs_eventloop_lag_p99_seconds',
    'Delay of the event loop since the last scrape.',
    () => delay.percentile(99) / 1e9,
  );
  gauge(
    'nodejs_eventloop_lag_max_seconds',
    'Longest delay of the event loop since the last scrape.',
    () => delay.max / 1e9,
  );
  return registry;
}
