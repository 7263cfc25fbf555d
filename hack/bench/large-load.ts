/** Runs on the cluster's host: `large-load.ts KUBECONFIG OBJECTS` prints its measures as JSON. */
import { HttpLoad } from './http-load.ts';
import { bigConfigMap } from './seed.ts';
import { type Measure, percentile } from './table.ts';

const [kubeconfig = '', objects = ''] = process.argv.slice(2);
const COUNT = Number(objects);
const PATH = '/api/v1/namespaces/default/configmaps';
const CHURN_SECONDS = 8;
/** How long each number of watchers is looked at, and how often it is written meanwhile. */
const WATCH_SECONDS = 5;
const WRITES_A_SECOND = 50;
/** Watches of one connection. */
const WATCHES_A_SESSION = 100;
/** More than the 8 MiB that the server lets wait for a watcher. */
const UNREAD_UPDATES = 6_000;
/** Source: HTTP/2's default window (RFC 9113, section 6.9.2). */
const UNREAD_WINDOW_BYTES = 65_535;
/** How long an event may take before it counts as lost. */
const LOST_AFTER_MS = 10_000;

const load = new HttpLoad(kubeconfig);
const measures: Measure[] = [];

async function metric(name: string): Promise<number> {
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(await load.text('/metrics'))?.[1]);
}

/** Calls `call` so many times a second; resolves when all are answered. */
async function pace(
  perSecond: number,
  seconds: number,
  call: (i: number) => Promise<unknown>,
): Promise<void> {
  const calls: Promise<unknown>[] = [];
  const started = performance.now();
  for (let i = 0; i < perSecond * seconds; i++) {
    const due = started + (i * 1000) / perSecond;
    if (performance.now() < due) await new Promise((resolve) => setTimeout(resolve, due - performance.now()));
    calls.push(call(i));
  }
  await Promise.all(calls);
}

const update = (i: number) => {
  const name = `big-${(i * 7919) % COUNT}`;
  return load.request('PUT', `${PATH}/${name}`, JSON.stringify(bigConfigMap(name, i)));
};

async function churn(): Promise<void> {
  measures.push({
    what: 'large: RSS of the server when the controllers have read all',
    value: (await metric('process_resident_memory_bytes')) / 1e6,
    unit: 'MB',
    mark: { at: 'most', value: 400 },
  });
  const { resourceVersion } = JSON.parse(await load.text(`${PATH}?limit=1`)).metadata;
  const path = `${PATH}?watch=true&resourceVersion=${resourceVersion}`;
  const watches = Array.from({ length: 10 }, () => load.watch(path));
  const stalls: string[] = [];
  let longest = 0;
  for (const rate of [50, 200]) {
    await metric('nodejs_eventloop_lag_max_seconds');
    await Promise.all([
      pace(rate, CHURN_SECONDS, update),
      pace(200, CHURN_SECONDS, (i) => load.request('GET', `${PATH}/big-${(i * 104729) % COUNT}`)),
      pace(5, CHURN_SECONDS, () => load.request('GET', `${PATH}?limit=500`)),
    ]);
    const ms = (await metric('nodejs_eventloop_lag_max_seconds')) * 1000;
    stalls.push(`${rate}/s ${ms.toFixed(0)}`);
    longest = Math.max(longest, ms);
  }
  measures.push({
    what: `large: longest event-loop stall while objects are updated (${stalls.join(', ')})`,
    value: longest,
    unit: 'ms',
    mark: { at: 'most', value: 20 },
  });
  measures.push({
    what: 'large: RSS of the server after that',
    value: (await metric('process_resident_memory_bytes')) / 1e6,
    unit: 'MB',
    mark: { at: 'most', value: 400 },
  });
  for (const watch of watches) watch.close();
}

/** From the sending of a write to its event, for each watcher; and how many events did not come. */
async function delivery(watchers: number): Promise<void> {
  const name = `pulse-${watchers}`;
  await load.request('POST', PATH, JSON.stringify({ metadata: { name }, data: { beat: '' } }));
  const { resourceVersion } = JSON.parse(await load.text(`${PATH}/${name}`)).metadata;
  const sent: number[] = [];
  const delays: number[] = [];
  const sessions = Array.from(
    { length: Math.ceil(watchers / WATCHES_A_SESSION) },
    () => new HttpLoad(kubeconfig),
  );
  const path = `${PATH}?watch=true&fieldSelector=metadata.name%3D${name}&resourceVersion=${resourceVersion}`;
  await Promise.all(
    Array.from(
      { length: watchers },
      (_, n) =>
        sessions[n % sessions.length]!.watch(path, (text) => {
          const now = performance.now();
          for (const [, beat] of text.matchAll(/"beat":"(\d+)"/g)) delays.push(now - sent[Number(beat)]!);
        }).open,
    ),
  );
  // Writes of one object that meet may be refused: these make no event.
  let writes = 0;
  await pace(WRITES_A_SECOND, WATCH_SECONDS, async (i) => {
    sent[i] = performance.now();
    const { status } = await load.request(
      'PUT',
      `${PATH}/${name}`,
      JSON.stringify({ metadata: { name }, data: { beat: String(i) } }),
    );
    if (status === 200) writes++;
  });
  const end = performance.now() + LOST_AFTER_MS;
  while (delays.length < writes * watchers && performance.now() < end)
    await new Promise((resolve) => setTimeout(resolve, 20));
  const what = `watch: ${watchers} watchers, ${WRITES_A_SECOND} updates/s, sending to event`;
  measures.push({ what: `${what}, p50`, value: percentile(delays, 0.5), unit: 'ms' });
  measures.push({
    what: `${what}, p99`,
    value: percentile(delays, 0.99),
    unit: 'ms',
    ...(watchers <= 200 && { mark: { at: 'most', value: 5 } }),
  });
  measures.push({
    what: `watch: ${watchers} watchers, events lost`,
    value: writes * watchers - delays.length,
    unit: '',
    mark: { at: 'most', value: 0 },
  });
  for (const session of sessions) session.destroy();
}

/** What watchers cost who do not read, until they are dropped; their connections stay. */
async function unread(watchers: number): Promise<void> {
  const { resourceVersion } = JSON.parse(await load.text(`${PATH}?limit=1`)).metadata;
  const sessions = Array.from(
    { length: Math.ceil(watchers / WATCHES_A_SESSION) },
    () => new HttpLoad(kubeconfig, UNREAD_WINDOW_BYTES),
  );
  const path = `${PATH}?watch=true&resourceVersion=${resourceVersion}`;
  const before = await metric('process_resident_memory_bytes');
  const watches = Array.from({ length: watchers }, (_, n) =>
    sessions[n % sessions.length]!.watch(path, 'unread'),
  );
  await Promise.all(watches.map(({ open }) => open));
  let dropped = 0;
  for (const { broken } of watches) void broken.then(() => dropped++);
  let most = 0;
  await load.rate(UNREAD_UPDATES, 8, 200, async (i) => {
    if (i % 500 === 0) most = Math.max(most, await metric('process_resident_memory_bytes'));
    return update(i);
  });
  most = Math.max(most, await metric('process_resident_memory_bytes'));
  measures.push({
    what: `watch: RSS that ${watchers} watchers cost who do not read (${dropped} dropped)`,
    value: (most - before) / 1e6,
    unit: 'MB',
  });
  for (const session of sessions) session.destroy();
}

await churn();
await delivery(200);
await delivery(2000);
await unread(1000);
load.close();
process.stdout.write(JSON.stringify(measures));
