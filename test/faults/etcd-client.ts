/**
 * A user of a store in etcd, as a process that a test runs in a network of its own: `etcd-client.ts ENDPOINT...`, with
 * `--read` to read only. Several writers and one watcher; says on stdout, a line each, `ack REVISION KEY TEXT` for what was acknowledged, `failed NAME` for
 * what was not, and `saw REVISION KEY TEXT` for each event. On stdin it takes `leader` (answers `leader ENDPOINT`), `read`
 * (answers `read REVISION` or `unread NAME`: one consistent read of the newest revision) and `stop`: then it ends its writers,
 * waits until the watcher has seen all, says `end REVISION` and ends.
 */
import { createInterface } from 'node:readline';
import { sleep, systemClock } from '#machinery/clock.ts';
import { silentLogger } from '#machinery/log.ts';
import { systemRandom } from '#machinery/random.ts';
import type { Store } from '#store/contract.ts';
import { openEtcdStore } from '#store/etcd/index.ts';
import { etcdStatus } from '#store/etcd/maintenance.ts';

const WRITERS = 4;
const KEYS = 10;
const ROOT = '/gantry/faults/';
const PAUSE_MS = 5;
const RETRY_MS = 2_000;

const endpoints = process.argv.slice(2).filter((arg) => !arg.startsWith('--'));
const readsOnly = process.argv.includes('--read');
const options = { endpoints, clock: systemClock, retryMs: RETRY_MS };
const store = await openEtcdStore({ ...options, root: ROOT, random: systemRandom, log: silentLogger });
const say = (line: string) => process.stdout.write(`${line}\n`);
const over = new AbortController();
let seen = await store.revision();
let stopping = false;
say('ready');

const following = follow(store);
const writing = Promise.all(
  Array.from({ length: readsOnly ? 0 : WRITERS }, (_, writer) => write(store, writer)),
);
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'leader') void tellLeader();
  else if (line === 'read') void tellNewest(store);
  else if (line === 'stop') break;
}
stopping = true;
await writing;
const end = await store.revision();
while (seen < end) await sleep(systemClock, PAUSE_MS);
say(`end ${end}`);
over.abort();
await following;
await store.close();
process.exit(0);

async function write(to: Store, writer: number): Promise<void> {
  for (let i = 0; !stopping; i++) {
    const key = `${ROOT}${writer}-${i % KEYS}`;
    const text = `${writer}.${i}`;
    const ops = [{ op: 'put', key, value: Buffer.from(text) }] as const;
    try {
      const result = await to.commit(ops, { time: systemClock.now(), actor: 'test' });
      if (result.ok) say(`ack ${result.revision} ${key} ${text}`);
    } catch (error) {
      say(`failed ${(error as Error).name}`);
    }
    await sleep(systemClock, PAUSE_MS);
  }
}

async function follow(from: Store): Promise<void> {
  for await (const { revision, events } of from.watch(ROOT, seen, over.signal)) {
    for (const event of events)
      if (event.type === 'put') say(`saw ${revision} ${event.entry.key} ${Buffer.from(event.entry.value)}`);
    seen = revision;
  }
}

async function tellLeader(): Promise<void> {
  for (const member of await etcdStatus(options))
    if ('isLeader' in member && member.isLeader) return void say(`leader ${member.endpoint}`);
  say('leader none');
}

async function tellNewest(of: Store): Promise<void> {
  try {
    say(`read ${await of.revision()}`);
  } catch (error) {
    say(`unread ${(error as Error).name}`);
  }
}
