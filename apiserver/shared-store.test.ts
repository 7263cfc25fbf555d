/** Two servers on one store: each shows at once what the other has acknowledged, and clients may change between them. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { sleep, systemClock } from '#machinery/clock.ts';
import { silentLogger } from '#machinery/log.ts';
import { systemRandom } from '#machinery/random.ts';
import type { Store } from '#store/contract.ts';
import { openEtcdStore } from '#store/etcd/index.ts';
import { EtcdServer, whyNoEtcd } from '#store/etcd/testing/server.ts';
import { MemoryStore } from '#store/memory/index.ts';
import { callsTo, startTestServer, watchOf } from './fake/server.ts';
import type { ApiServer } from './server.ts';

const MAPS = '/api/v1/namespaces/default/configmaps';
/** How late each commit comes to one of the servers: without asking the store, its reads would be stale. */
const LAG_MS = 60;
/** Not while the servers start: what they make then would come one by one. */
let lagMs = 0;
const ROUNDS = 6;

const map = (name: string, data: Record<string, string> = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name },
  data,
});

/** The same store, whose events arrive late. */
function lagging(store: Store): Store {
  return new Proxy(store, {
    get(target, name) {
      if (name === 'watch') return (...args: Parameters<Store['watch']>) => late(target.watch(...args));
      const value = target[name as keyof Store];
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

async function* late<T>(batches: AsyncIterable<T>): AsyncIterable<T> {
  for await (const batch of batches) {
    if (lagMs > 0) await sleep(systemClock, lagMs);
    yield batch;
  }
}

/** The store as two servers see it; `close` ends it. */
interface SharedStore {
  sides: [Store, Store];
  close(): Promise<void>;
}

function inMemory(): SharedStore {
  const store = new MemoryStore({ clock: systemClock });
  return { sides: [store, lagging(store)], close: () => store.close() };
}

const etcdServer = new EtcdServer(['--unsafe-no-fsync']);
const noEtcd = whyNoEtcd();
beforeAll(async () => {
  if (!noEtcd) await etcdServer.start();
});
afterAll(() => etcdServer.remove());

async function onEtcd(): Promise<SharedStore> {
  const open = () =>
    openEtcdStore({
      endpoints: [etcdServer.endpoint],
      root: '/gantry/test/',
      clock: systemClock,
      random: systemRandom,
      log: silentLogger,
    });
  const [first, second] = [await open(), await open()];
  return {
    sides: [first, lagging(second)],
    async close() {
      await first.close();
      await second.close();
    },
  };
}

const STORES = [
  { name: 'one store in memory', open: async () => inMemory(), missing: undefined },
  { name: 'etcd', open: onEtcd, missing: noEtcd },
];

describe.each(STORES)('two servers on $name', ({ open, missing }) => {
  if (missing) {
    it.skip(missing, () => undefined);
    return;
  }
  let shared: SharedStore;
  let servers: ApiServer[];
  let calls: ReturnType<typeof callsTo>[];

  beforeEach(async () => {
    lagMs = 0;
    shared = await open();
    servers = [];
    const config = {
      cluster: 'test',
      serviceCidr: '10.96.0.0/16',
      nodePorts: { from: 30_000, to: 32_767 },
      sharedStore: true,
    };
    for (const store of shared.sides)
      servers.push(await startTestServer({ clock: systemClock, store, config }));
    calls = servers.map(callsTo);
    lagMs = LAG_MS;
  });
  afterEach(async () => {
    const { body } = await calls[0]!('GET', MAPS);
    for (const { metadata } of body.items) await calls[0]!('DELETE', `${MAPS}/${metadata.name}`);
    await Promise.all(servers.map((server) => server.stop()));
    await shared.close();
  });

  it('each reads what the other has written, changed and deleted', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const [writer, reader] = round % 2 ? [calls[1]!, calls[0]!] : [calls[0]!, calls[1]!];
      const path = `${MAPS}/m${round}`;
      await writer('POST', MAPS, map(`m${round}`));
      expect((await reader('GET', path)).status).toBe(200);
      await writer('PUT', path, map(`m${round}`, { round: 'two' }));
      const { body } = await reader('GET', MAPS);
      const found = body.items.find(
        ({ metadata }: { metadata: { name: string } }) => metadata.name === `m${round}`,
      );
      expect(found.data).toEqual({ round: 'two' });
      await writer('DELETE', path);
      expect((await reader('GET', path)).status).toBe(404);
    }
  });

  it('a change on one is based on what the other wrote last', async () => {
    await calls[0]!('POST', MAPS, map('counter', { n: '0' }));
    for (let n = 1; n <= ROUNDS; n++) {
      const call = calls[n % 2]!;
      const { body } = await call('GET', `${MAPS}/counter`);
      expect(body.data).toEqual({ n: String(n - 1) });
      body.data.n = String(n);
      expect((await call('PUT', `${MAPS}/counter`, body)).status).toBe(200);
    }
  });

  it('a list in chunks is of one moment, whichever server gives the chunks', async () => {
    for (const name of ['a', 'b', 'c', 'd', 'e']) await calls[0]!('POST', MAPS, map(name));
    const names: string[] = [];
    const versions = new Set<string>();
    let token = '';
    for (let chunk = 0; chunk < 3; chunk++) {
      const { body } = await calls[(chunk + 1) % 2]!('GET', `${MAPS}?limit=2&continue=${token}`);
      for (const { metadata } of body.items) names.push(metadata.name);
      versions.add(body.metadata.resourceVersion);
      token = body.metadata.continue;
      await calls[chunk % 2]!('DELETE', `${MAPS}/${['c', 'e', 'a'][chunk]}`);
      await calls[chunk % 2]!('POST', MAPS, map(`c${chunk}`));
    }
    expect(token).toBeUndefined();
    expect(names).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(versions.size).toBe(1);
  });

  it('a namespace that one has made can be written into at the other at once', async () => {
    for (let round = 0; round < 4; round++) {
      const name = `fresh-${round}`;
      await calls[round % 2]!('POST', '/api/v1/namespaces', { metadata: { name } });
      const made = await calls[(round + 1) % 2]!(
        'POST',
        `/api/v1/namespaces/${name}/configmaps`,
        map('first'),
      );
      expect(made.status).toBe(201);
      await calls[0]!('DELETE', `/api/v1/namespaces/${name}/configmaps/first`);
      await calls[0]!('DELETE', `/api/v1/namespaces/${name}`);
    }
  });

  it('a watch goes on at one where it was at the other', async () => {
    const { body } = await calls[0]!('GET', MAPS);
    let version = body.metadata.resourceVersion;
    const seen: string[] = [];
    for (let round = 0; round < 4; round++) {
      await calls[round % 2]!('POST', MAPS, map(`w${round}`));
      const watch = await watchOf(servers[(round + 1) % 2]!, `${MAPS}?watch=1&resourceVersion=${version}`);
      const { type, object } = await watch.next();
      watch.stop();
      seen.push(`${type} ${object.metadata.name}`);
      version = object.metadata.resourceVersion;
    }
    expect(seen).toEqual(['ADDED w0', 'ADDED w1', 'ADDED w2', 'ADDED w3']);
  });
});
