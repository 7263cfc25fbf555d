import type { Clock } from '#machinery/clock.ts';
import { systemClock } from '#machinery/clock.ts';
import { silentLogger } from '#machinery/log.ts';
import { seededRandom } from '#machinery/random.ts';
import { generatedDescriptions, generatedSchemas } from '#machinery/schema/load.ts';
import { MemoryStore } from '#store/memory/index.ts';
import { type ApiServer, type ApiServerDeps, apiServer } from '../server.ts';

/** A whole apiserver on a store in memory, for tests: everything is real but the disk and the network. */
export async function startTestServer(overrides: Partial<ApiServerDeps> = {}): Promise<ApiServer> {
  const clock: Clock = overrides.clock ?? systemClock;
  const server = await apiServer.start(
    {
      store: new MemoryStore({ clock }),
      clock,
      random: seededRandom(1),
      log: silentLogger,
      schemas: generatedSchemas(),
      descriptions: generatedDescriptions,
      config: {
        cluster: 'test',
        serviceCidr: '10.96.0.0/16',
        nodePorts: { from: 30_000, to: 32_767 },
        advertise: { address: '192.0.2.1', port: 6443 },
      },
      ...overrides,
    },
    new AbortController().signal,
  );
  await server.ready;
  return server;
}

/** An identity that may do everything. */
export const TEST_ADMIN = { name: 'admin', groups: ['system:masters', 'system:authenticated'] };
