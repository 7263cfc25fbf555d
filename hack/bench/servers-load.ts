import { Etcd3 } from 'etcd3';
import { HttpLoad } from './http-load.ts';
import type { Measure } from './table.ts';

/**
 * Runs on a host of its own: `servers-load.ts ETCD KUBECONFIG URL...` prints, as JSON, what bare puts to the etcd reach, and what the same
 * number of clients reach through the first server alone and through all of them in turn.
 */
const [etcd = '', kubeconfig = '', ...urls] = process.argv.slice(2);
const CLIENTS = 32;
const OBJECTS = 3_000;
const READS = 6_000;
const PATH = '/api/v1/namespaces/default/configmaps';
const TEXT = 'x'.repeat(1800);
const loads = urls.map((url) => new HttpLoad(kubeconfig, undefined, url));
const measures: Measure[] = [];

const configMap = (name: string) =>
  JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { text: TEXT } });

/** Requests a second, spread over `through` in turn. */
function rate(through: readonly HttpLoad[], count: number, wanted: number, call: Call): Promise<number> {
  return through[0]!.rate(count, CLIENTS, wanted, (i) => call(through[i % through.length]!, i));
}
type Call = (load: HttpLoad, i: number) => Promise<{ status: number }>;

async function barePuts(): Promise<number> {
  const bare = new Etcd3({ hosts: `http://${etcd}` });
  let next = 0;
  const since = performance.now();
  const lane = async () => {
    while (next < OBJECTS)
      await bare.kv.put({ key: Buffer.from(`/bare/${next++}`), value: Buffer.from(TEXT) });
  };
  await Promise.all(Array.from({ length: CLIENTS }, lane));
  bare.close();
  return OBJECTS / ((performance.now() - since) / 1000);
}

// What each makes at its first request is made.
for (const load of loads) await load.request('GET', `${PATH}?limit=1`);
for (const through of [loads.slice(0, 1), loads]) {
  const floor = { what: 'bare puts, as many clients', value: await barePuts() };
  const name = `${through.length} server${through.length > 1 ? 's' : ''}`;
  const create: Call = (load, i) => load.request('POST', PATH, configMap(`of-${through.length}-${i}`));
  const creates = await rate(through, OBJECTS, 201, create);
  measures.push({ what: `etcd: CREATE a 2 kB ConfigMap through ${name}`, value: creates, unit: '/s', floor });
  const get: Call = (load, i) => load.request('GET', `${PATH}/of-${through.length}-${i % OBJECTS}`);
  const gets = await rate(through, READS, 200, get);
  measures.push({ what: `etcd: GET of it through ${name}`, value: gets, unit: '/s' });
}
for (const load of loads) load.close();
process.stdout.write(JSON.stringify(measures));
