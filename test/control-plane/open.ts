/** A control plane without network or disk: the real apiserver over a store in memory, reached in process. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TlsFiles } from '#apiserver/http/index.ts';
import { type ApiServer, apiServer } from '#apiserver/server.ts';
import type { Client } from '#client/contract.ts';
import { restClient } from '#client/rest.ts';
import { generated } from '#cmd/gantry/assets.ts';
import { systemClock } from '#machinery/clock.ts';
import { silentLogger } from '#machinery/log.ts';
import { systemRandom } from '#machinery/random.ts';
import { loadSchemas } from '#machinery/schema/load.ts';
import type { Store } from '#store/contract.ts';
import { MemoryStore } from '#store/memory/index.ts';

export interface ControlPlane {
  server: ApiServer;
  /** As a member of system:masters. */
  client: Client;
  /** As somebody else. */
  clientOf(name: string, groups?: string[]): Client;
  close(): Promise<void>;
}

export interface Outside {
  tls: TlsFiles;
  /** On the loopback address; 0 picks one. */
  port: number;
}

/** `store` outlives the server when it is given; `outside` serves HTTPS too. */
export async function openControlPlane(given?: Store, outside?: Outside): Promise<ControlPlane> {
  const clock = systemClock;
  const store = given ?? new MemoryStore({ clock });
  const schemas = loadSchemas(readFileSync(join(generated, 'schemas.json')));
  const server = await apiServer.start(
    {
      store,
      clock,
      random: systemRandom,
      log: silentLogger,
      schemas,
      descriptions: () => ({}),
      ...(outside && { tls: outside.tls, listen: [{ host: '127.0.0.1', port: outside.port }] }),
      config: { cluster: 'test', serviceCidr: '10.96.0.0/16', nodePorts: { from: 30_000, to: 32_767 } },
    },
    new AbortController().signal,
  );
  await server.ready;
  const clientOf = (name: string, groups: string[] = []) =>
    restClient({
      transport: server.transport({ name, groups: [...groups, 'system:authenticated'] }),
      clock,
      userAgent: 'test',
    });
  return {
    server,
    client: clientOf('admin', ['system:masters']),
    clientOf,
    async close() {
      await server.stop();
      if (!given) await store.close();
    },
  };
}
