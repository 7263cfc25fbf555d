/** A server that is killed again and again under watches that follow it over HTTPS: each event once, and no 410. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ConfigMapKind } from '#api/kinds/config-map.ts';
import type { ConfigMap } from '#api/objects.ts';
import type { Client } from '#client/contract.ts';
import { http2Transport } from '#client/http2-transport.ts';
import { needsRelist, restClient } from '#client/rest.ts';
import { sleep, systemClock } from '#machinery/clock.ts';
import { issueCertificate, makeAuthority } from '#machinery/pki/issue.ts';
import { seededRandom, systemRandom } from '#machinery/random.ts';
import type { Entry } from '#store/contract.ts';
import { openSqliteStore } from '#store/sqlite/index.ts';
import { decodeValue } from '#store/value.ts';

const KILLS = process.env['GANTRY_FULL'] ? 40 : 4;
const WRITES_A_LIFE = 60;
const PROGRAM = new URL('./server-process.ts', import.meta.url).pathname;
const PREFIX = '/gantry/test/v1/core/configmaps/default/';
const HOUR_MS = 3_600_000;
const clock = systemClock;
const random = systemRandom;

let directory: string;
let child: ChildProcess | undefined;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gantry-killed-'));
});
afterEach(() => {
  child?.kill('SIGKILL');
  rmSync(directory, { recursive: true, force: true });
});

async function startServer(port: number): Promise<number> {
  child = spawn(process.execPath, [PROGRAM, directory, String(port)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const died = once(child, 'exit').then(([code]) =>
    Promise.reject(new Error(`the server ended with ${code}`)),
  );
  // Once it serves, its end is what the test is about.
  died.catch(() => undefined);
  const said = once(createInterface({ input: child.stdout! }), 'line');
  const [line] = (await Promise.race([said, died])) as [string];
  return Number(line.split(' ')[1]);
}

async function killServer(): Promise<void> {
  const ended = once(child!, 'exit');
  child!.kill('SIGKILL');
  await ended;
}

/** Certificates on disk for the server; a transport with an admin's for us. */
async function pki() {
  const authority = await makeAuthority('ca', HOUR_MS, clock, random);
  const issue = (commonName: string, usage: 'server' | 'client', organizations: string[] = []) =>
    issueCertificate(
      authority,
      {
        subject: { commonName, organizations },
        usages: [usage],
        subjectAlternativeNames: usage === 'server' ? ['127.0.0.1'] : [],
        lifetimeMs: HOUR_MS,
      },
      clock,
      random,
    );
  const server = await issue('server', 'server');
  const admin = await issue('admin', 'client', ['system:masters']);
  const tls = { certificate: server.certificate, key: server.key, clientAuthority: authority.certificate };
  writeFileSync(join(directory, 'tls.json'), JSON.stringify(tls));
  return (port: number) =>
    http2Transport({
      url: `https://127.0.0.1:${port}`,
      clock,
      ca: authority.certificate,
      certificate: () => ({ cert: admin.certificate, key: admin.key }),
    });
}

/** What a client that never lists again sees after `version`; rejects when the server says that this is too old. */
async function follow(
  client: Client,
  version: string,
  labelSelector: string | undefined,
  signal: AbortSignal,
  seen: string[],
) {
  let resourceVersion = version;
  while (!signal.aborted) {
    try {
      const watch = client.watch(ConfigMapKind, {
        namespace: 'default',
        labelSelector,
        resourceVersion,
        signal,
      });
      for await (const event of watch) {
        resourceVersion =
          event.type === 'bookmark' ? event.resourceVersion : event.object.metadata.resourceVersion!;
        if (event.type !== 'bookmark')
          seen.push(`${event.type} ${event.object.metadata.name} ${resourceVersion}`);
      }
    } catch (error) {
      if (needsRelist(error)) throw error;
    }
    if (!signal.aborted) await sleep(clock, 10);
  }
}

/** One write; whether it was answered is not our business here: the store knows what happened. */
async function write(client: Client, name: string, team: string, turn: number): Promise<void> {
  const object: ConfigMap = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace: 'default', labels: { team } },
    data: { turn: String(turn) },
  };
  const ref = { name, namespace: 'default' };
  const attempts = [
    () => client.create(ConfigMapKind, object),
    () => client.update(ConfigMapKind, object),
    () => client.delete(ConfigMapKind, ref),
  ];
  await attempts[turn % 3]!().catch(() => undefined);
}

/** What the store's log says that a watcher must have seen after `version`. */
async function logged(version: number, matches: (map: ConfigMap) => boolean): Promise<string[]> {
  const store = await openSqliteStore({ directory: join(directory, 'store'), clock });
  const stop = new AbortController();
  const expected: string[] = [];
  const state = (entry: Entry | undefined) =>
    entry && (JSON.parse(Buffer.from(decodeValue(entry.value).body).toString()) as ConfigMap);
  const last = await store.revision();
  for await (const batch of store.watch(PREFIX, version, stop.signal)) {
    for (const event of batch.events) {
      const before = state(event.previous);
      const after = event.type === 'put' ? state(event.entry) : undefined;
      const was = before !== undefined && matches(before);
      const is = after !== undefined && matches(after);
      const type = is ? (was ? 'modified' : 'added') : was ? 'deleted' : undefined;
      if (type) expected.push(`${type} ${(after ?? before)!.metadata.name} ${batch.revision}`);
    }
    if (batch.revision === last) break;
  }
  stop.abort();
  await store.close();
  return expected;
}

it('watches go on through every kill, with and without a selector', async () => {
  const transportTo = await pki();
  const port = await startServer(0);
  const transport = transportTo(port);
  const client = restClient({ transport, clock, userAgent: 'test' });
  const { resourceVersion } = await client.list(ConfigMapKind, { namespace: 'default' });
  const stop = new AbortController();
  const all: string[] = [];
  const red: string[] = [];
  const following = Promise.all([
    follow(client, resourceVersion, undefined, stop.signal, all),
    follow(client, resourceVersion, 'team=red', stop.signal, red),
  ]);
  const chance = seededRandom(3);
  const below = (count: number) => Math.floor(chance.next() * count);
  for (let life = 0; life <= KILLS; life++) {
    const writes = Array.from({ length: WRITES_A_LIFE }, () =>
      write(client, `m${below(8)}`, below(2) === 0 ? 'red' : 'blue', below(3)),
    );
    // Half of the lives end while writes are under way.
    if (life % 2 === 0) await Promise.all(writes);
    if (life === KILLS) break;
    await killServer();
    await Promise.all(writes);
    await startServer(port);
  }
  // The last event of each watcher: one that both see.
  const mark = await client.create(ConfigMapKind, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'end', namespace: 'default', labels: { team: 'red' } },
  });
  const end = `added end ${mark.metadata.resourceVersion}`;
  while (!(all.includes(end) && red.includes(end))) await Promise.race([following, sleep(clock, 10)]);
  stop.abort();
  await following;
  transport.close();
  await killServer();
  const version = Number(resourceVersion);
  expect(all).toEqual(await logged(version, () => true));
  expect(red).toEqual(await logged(version, ({ metadata }) => metadata.labels?.['team'] === 'red'));
  expect(red.length).toBeGreaterThan(KILLS);
});
