import { PodKind } from '#api/kinds/pod.ts';
import type { Pod } from '#api/objects.ts';
import { startInformer } from '#client/informer.ts';
import { connect } from '#cmd/gantry/connection/connect.ts';
import { systemClock } from '#machinery/clock.ts';
import { systemRandom } from '#machinery/random.ts';
import { type Measure, percentile } from './table.ts';

/** Runs on the cluster's host: `pod-load.ts KUBECONFIG` prints how long pods take, as JSON. */
const { client, transport } = connect(process.argv[2]!);
const stop = new AbortController();
const informer = startInformer({
  client,
  kind: PodKind,
  clock: systemClock,
  random: systemRandom,
  signal: stop.signal,
  namespace: 'default',
});
await informer.synced;

const running = new Map<string, () => void>();
const gone = new Map<string, () => void>();
informer.onChange((change) => {
  const { name } = change.object.metadata;
  if (change.type === 'deleted') gone.get(name)?.();
  else if (change.object.status?.phase === 'Running') running.get(name)?.();
});

const podOf = (name: string) =>
  ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default' },
    spec: {
      terminationGracePeriodSeconds: 0,
      containers: [
        { name: 'c', image: 'gantry/busybox:1', imagePullPolicy: 'IfNotPresent', command: ['sleep', '1000'] },
      ],
    },
  }) as Pod;

async function createAndWait(name: string): Promise<number> {
  const started = performance.now();
  const ready = new Promise<void>((resolve) => running.set(name, resolve));
  await client.create(PodKind, podOf(name));
  await ready;
  return performance.now() - started;
}

async function removeAndWait(name: string): Promise<number> {
  const started = performance.now();
  const removed = new Promise<void>((resolve) => gone.set(name, resolve));
  await client.delete(PodKind, { name, namespace: 'default' }, { graceSeconds: 0 });
  await removed;
  return performance.now() - started;
}

const measures: Measure[] = [];
const starts: number[] = [];
const removals: number[] = [];
for (let i = 0; i < 40; i++) {
  const name = `one-${i}`;
  starts.push(await createAndWait(name));
  removals.push(await removeAndWait(name));
}
measures.push({
  what: 'pod create to running, image present, p50',
  value: percentile(starts, 0.5),
  unit: 'ms',
  mark: { at: 'most', value: 100 },
});
measures.push({
  what: 'pod create to running, image present, p99',
  value: percentile(starts, 0.99),
  unit: 'ms',
});
measures.push({ what: 'pod delete to gone (no grace), p50', value: percentile(removals, 0.5), unit: 'ms' });

const names = Array.from({ length: 50 }, (_, i) => `many-${i}`);
const started = performance.now();
await Promise.all(names.map(createAndWait));
measures.push({
  what: '50 pods at once, created to all running',
  value: 50 / ((performance.now() - started) / 1000),
  unit: '/s',
});

process.stdout.write(JSON.stringify(measures));
stop.abort();
transport.close();
