import { afterAll, beforeAll } from 'vitest';
import { sleep, systemClock } from '#machinery/clock.ts';
import { silentLogger } from '#machinery/log.ts';
import { systemRandom } from '#machinery/random.ts';
import { storeConformance } from '../conformance.ts';
import { openEtcdStore } from './index.ts';
import { EtcdServer, whyNoEtcd } from './testing/server.ts';

const server = new EtcdServer(['--unsafe-no-fsync']);
const missing = whyNoEtcd();
let opened = 0;

beforeAll(async () => {
  if (!missing) await server.start();
});
afterAll(() => server.remove());

storeConformance(
  'etcd',
  {
    async open() {
      const prefix = `/gantry/test-${++opened}`;
      const watcherLimitBytes = 64 * 1024;
      const store = await openEtcdStore({
        endpoints: [server.endpoint],
        root: `${prefix}/`,
        prefix,
        clock: systemClock,
        random: systemRandom,
        log: silentLogger,
        watcherLimitBytes,
      });
      // etcd's leases follow real time, in whole seconds.
      return { store, clock: { advance: (ms) => sleep(systemClock, ms) }, watcherLimitBytes, leaseMs: 3_000 };
    },
    async cleanup() {},
  },
  missing,
);
