import { Etcd3 } from 'etcd3';
import { systemClock } from '#machinery/clock.ts';
import { silentLogger } from '#machinery/log.ts';
import { systemRandom } from '#machinery/random.ts';
import { openEtcdStore } from '#store/etcd/index.ts';
import { EtcdServer, whyNoEtcd } from '#store/etcd/testing/server.ts';
import type { Section } from './table.ts';

const VALUE = Buffer.alloc(2048, 120);
const SECONDS = 2;

/** Commits of 2 kB values to one member of etcd, beside bare puts over the same gRPC client. */
export const etcd: Section = async (report) => {
  const missing = whyNoEtcd();
  if (missing) return console.log(`etcd: ${missing}`);
  const server = await new EtcdServer().start();
  const bare = new Etcd3({ hosts: `http://${server.endpoint}` });
  const store = await openEtcdStore({
    endpoints: [server.endpoint],
    root: '/gantry/bench/',
    prefix: '/gantry/bench',
    clock: systemClock,
    random: systemRandom,
    log: silentLogger,
  });
  try {
    for (const writers of [1, 32, 256]) {
      const raw = await rate(writers, (n) => bare.kv.put({ key: Buffer.from(`/raw/${n}`), value: VALUE }));
      const ours = await rate(writers, (n) =>
        store.commit([{ op: 'put', key: `/ours/${n}`, value: VALUE }], { time: n, actor: 'bench' }),
      );
      const floor = { what: 'bare puts, same client', value: raw };
      report({ what: `etcd store: commits of 2 kB, ${writers} writers`, value: ours, unit: '/s', floor });
    }
  } finally {
    await store.close();
    bare.close();
    await server.remove();
  }
};

async function rate(writers: number, write: (n: number) => Promise<unknown>): Promise<number> {
  const end = performance.now() + SECONDS * 1000;
  let count = 0;
  const writer = async () => {
    while (performance.now() < end) await write(count++ % 10_000);
  };
  await Promise.all(Array.from({ length: writers }, writer));
  return count / SECONDS;
}
