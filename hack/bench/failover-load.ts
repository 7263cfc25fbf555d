import { createServer } from 'node:http';
import { ConfigMapKind } from '#api/kinds/config-map.ts';
import { connect } from '#cmd/gantry/connection/connect.ts';
import { systemClock } from '#machinery/clock.ts';

/**
 * Runs on a host of its own: `failover-load.ts KUBECONFIG SERVICE-URL SERVER...` writes a ConfigMap again and again through whichever server
 * answers, and asks the Service, a request after the other each; `GET /?since=MS` at 127.0.0.1:9000 tells what came of both since then.
 */
const [kubeconfig = '', service = '', ...servers] = process.argv.slice(2);
const PAUSE_MS = 20;
const REQUEST_MS = 1_000;
const KEPT = 100_000;

/** When it was answered or given up (ms of the wall clock), and whether it was answered. */
interface Outcome {
  at: number;
  ok: boolean;
}

const writes: Outcome[] = [];
const requests: Outcome[] = [];
const { client } = connect(kubeconfig, servers);
const pause = () => new Promise((resolve) => setTimeout(resolve, PAUSE_MS));

async function again(outcomes: Outcome[], act: (i: number) => Promise<unknown>): Promise<never> {
  for (let i = 0; ; i++) {
    const ok = await act(i).then(
      () => true,
      () => false,
    );
    outcomes.push({ at: systemClock.now(), ok });
    if (outcomes.length > KEPT) outcomes.shift();
    await pause();
  }
}

createServer((request, response) => {
  const since = Number(new URL(request.url!, 'http://x').searchParams.get('since'));
  const later = (outcomes: Outcome[]) => outcomes.filter(({ at }) => at >= since);
  response.end(JSON.stringify({ writes: later(writes), requests: later(requests) }));
}).listen(9000, '127.0.0.1');

const ref = { name: 'failover', namespace: 'default' };
await client.create(ConfigMapKind, { apiVersion: 'v1', kind: 'ConfigMap', metadata: ref });
await Promise.all([
  again(writes, (i) => client.patch(ConfigMapKind, ref, { type: 'merge', body: { data: { n: `${i}` } } })),
  again(requests, async () => {
    const answer = await fetch(service, {
      headers: { connection: 'close' },
      signal: AbortSignal.timeout(REQUEST_MS),
    });
    await answer.arrayBuffer();
    if (!answer.ok) throw new Error(`${answer.status}`);
  }),
]);
