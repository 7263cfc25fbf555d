import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { HttpLoad } from './http-load.ts';
import type { Mark, Measure } from './table.ts';

/**
 * Runs on the cluster's host: `api-load.ts KUBECONFIG KEY CERTIFICATE` prints its measures as JSON. Key and certificate are
 * the server's: a bare server beside it takes them, as the floor.
 */
const [kubeconfig = '', key = '', certificate = ''] = process.argv.slice(2);
const load = new HttpLoad(kubeconfig);
const PATH = '/api/v1/namespaces/default/configmaps';
const OBJECTS = 6000;
const measures: Measure[] = [];
const configMap = (name: string) =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name },
    data: { text: 'x'.repeat(1800) },
  });

/** What the server says of itself; its delay of the event loop starts anew with each look. */
async function look(): Promise<{ cpuSeconds: number; longestStallMs: number }> {
  const text = await load.text('/metrics');
  const value = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
  return {
    cpuSeconds: value('process_cpu_seconds_total'),
    longestStallMs: value('nodejs_eventloop_lag_max_seconds') * 1000,
  };
}

const stalls: { during: string; ms: number }[] = [];

/**
 * Calls per second, which depends on who else uses the machine, and the server's CPU time for each, which hardly does.
 * The server's time is that of all its threads: store, controllers and garbage collection too.
 */
async function phase(
  name: string,
  what: string,
  least: Mark | undefined,
  count: number,
  run: () => Promise<number>,
): Promise<number> {
  const before = await look();
  const rate = await run();
  const after = await look();
  measures.push({ what: `API: ${what}`, value: rate, unit: '/s', ...(least && { mark: least }) });
  const each = ((after.cpuSeconds - before.cpuSeconds) / count) * 1e6;
  measures.push({ what: `API: server CPU per ${name}`, value: each, unit: 'us' });
  stalls.push({ during: name, ms: after.longestStallMs });
  return rate;
}

/** How many answers of a size a bare server gives in the same minute, to the same client. */
async function bareRate(path: string, count: number, width: number): Promise<number> {
  const program = new URL('./bare-server.ts', import.meta.url).pathname;
  const server = spawn(process.execPath, [program, key, certificate], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const ended = once(server, 'exit').then(() => Promise.reject(new Error('the bare server ended')));
    ended.catch(() => {}); // It ends when this has been done.
    const [port] = (await Promise.race([once(server.stdout, 'data'), ended])) as [Buffer];
    const { bytes } = await load.request('GET', path);
    const bare = new HttpLoad(kubeconfig, undefined, `https://127.0.0.1:${port.toString().trim()}`);
    const rate = await bare.rate(count, width, 200, () => bare.request('GET', `/${bytes}`));
    bare.close();
    return rate;
  } finally {
    server.kill();
  }
}

/** `rate` as a share of what a bare server does. */
function share(what: string, rate: number, bare: number, least: number): void {
  measures.push({
    what: `API: ${what}, share of a bare server (${Math.round(bare).toLocaleString('en-US')} /s)`,
    value: (rate / bare) * 100,
    unit: '%',
    mark: { at: 'least', value: least },
  });
}

const create = (prefix: string) => (i: number) => load.request('POST', PATH, configMap(`${prefix}${i}`));
const get = (i: number) => load.request('GET', `${PATH}/b${i % OBJECTS}`);
const list = () => load.request('GET', `${PATH}?limit=1000`);
const patch = (i: number) =>
  load.request(
    'PATCH',
    `${PATH}/b${i % OBJECTS}`,
    JSON.stringify({ data: { changed: String(i) } }),
    'application/merge-patch+json',
  );
const apply = (i: number) =>
  load.request(
    'PATCH',
    `${PATH}/b${i % OBJECTS}?fieldManager=bench`,
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: `b${i % OBJECTS}` },
      data: { applied: String(i) },
    }),
    'application/apply-patch+yaml',
  );

// The first request makes what later ones only use.
await look();
await phase(
  'CREATE',
  'CREATE a 2 kB ConfigMap, durable, 32 clients',
  { at: 'least', value: 5000 },
  OBJECTS,
  () => load.rate(OBJECTS, 32, 201, create('b')),
);
const gets = await phase(
  'GET',
  'GET a 2 kB ConfigMap, 32 clients',
  { at: 'least', value: 15_000 },
  30_000,
  () => load.rate(30_000, 32, 200, get),
);
share('GET', gets, await bareRate(`${PATH}/b0`, 30_000, 32), 45);
const lists = await phase(
  'LIST',
  'LIST 1000 ConfigMaps (2 MB), 4 clients',
  { at: 'least', value: 180 },
  300,
  () => load.rate(300, 4, 200, list),
);
share('LIST', lists, await bareRate(`${PATH}?limit=1000`, 300, 4), 60);
await phase(
  'PATCH',
  'PATCH (merge) a 2 kB ConfigMap, 32 clients',
  { at: 'least', value: 2000 },
  OBJECTS,
  () => load.rate(OBJECTS, 32, 200, patch),
);
await phase(
  'apply',
  'server-side apply to a 2 kB ConfigMap, 32 clients',
  { at: 'least', value: 2000 },
  OBJECTS,
  () => load.rate(OBJECTS, 32, 200, apply),
);

/** Everything at once, beside ten watches that see each change. */
const watches = Array.from({ length: 10 }, () => load.watch(`${PATH}?watch=true&resourceVersion=0`));
await look();
await Promise.all([
  load.rate(3000, 16, 201, create('m')),
  load.rate(10_000, 16, 200, get),
  load.rate(100, 2, 200, list),
]);
const mixed = await look();
stalls.push({ during: 'mixed', ms: mixed.longestStallMs });
for (const watch of watches) watch.close();
measures.push({
  what: `API: longest event-loop stall (${stalls.map(({ during, ms }) => `${during} ${ms.toFixed(0)}`).join(', ')})`,
  value: Math.max(...stalls.map(({ ms }) => ms)),
  unit: 'ms',
  mark: { at: 'most', value: 20 },
});
load.close();
process.stdout.write(JSON.stringify(measures));
