import { HttpLoad } from './http-load.ts';
import type { Measure } from './table.ts';

/** Runs on the cluster's host: `api-load.ts KUBECONFIG` prints its measures as JSON. */
const load = new HttpLoad(process.argv[2]!);
const PATH = '/api/v1/namespaces/default/configmaps';
const measures: Measure[] = [];
const configMap = (name: string) =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name },
    data: { text: 'x'.repeat(1800) },
  });

const creates = await load.rate(6000, 32, 201, (i) => load.request('POST', PATH, configMap(`b${i}`)));
measures.push({
  what: 'API: CREATE a 2 kB ConfigMap, durable, 32 clients',
  value: creates,
  unit: '/s',
  mark: { at: 'least', value: 5000 },
});
const gets = await load.rate(30_000, 32, 200, (i) => load.request('GET', `${PATH}/b${i % 6000}`));
measures.push({
  what: 'API: GET a 2 kB ConfigMap, 32 clients',
  value: gets,
  unit: '/s',
  mark: { at: 'least', value: 15_000 },
});
const lists = await load.rate(300, 4, 200, () => load.request('GET', `${PATH}?limit=1000`));
measures.push({
  what: 'API: LIST 1000 ConfigMaps (2 MB), 4 clients',
  value: lists,
  unit: '/s',
  mark: { at: 'least', value: 180 },
});
const metrics = await fetchLag();
measures.push({
  what: 'API: longest event-loop stall under that load',
  value: metrics,
  unit: 'ms',
  mark: { at: 'most', value: 20 },
});
load.close();
process.stdout.write(JSON.stringify(measures));

async function fetchLag(): Promise<number> {
  const text = await load.text('/metrics');
  return Number(/^nodejs_eventloop_lag_max_seconds (\S+)$/m.exec(text)?.[1]) * 1000;
}
