import type { Clock } from '#machinery/clock.ts';
import { systemClock } from '#machinery/clock.ts';
import { silentLogger } from '#machinery/log.ts';
import { seededRandom } from '#machinery/random.ts';
import { generatedDescriptions, generatedSchemas } from '#machinery/schema/load.ts';
import { collect } from '#machinery/transport.ts';
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

export interface Answer {
  status: number;
  headers: Record<string, string>;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  body: any;
}

/** Requests to a server as TEST_ADMIN, with JSON in and out. */
export function callsTo(server: ApiServer) {
  const transport = server.transport(TEST_ADMIN);
  return async (
    method: string,
    path: string,
    body?: object | string,
    headers: Record<string, string> = {},
  ): Promise<Answer> => {
    const response = await transport.request({
      method,
      path,
      headers: { 'content-type': 'application/json', ...headers },
      ...(body !== undefined && {
        body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
      }),
    });
    const text = Buffer.from(await collect(response.body)).toString();
    const isJson = response.headers['content-type']?.startsWith('application/json');
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
  };
}

/** The events of a watch, one at a time. */
export async function watchOf(server: ApiServer, path: string, headers: Record<string, string> = {}) {
  const abort = new AbortController();
  const response = await server
    .transport(TEST_ADMIN)
    .request({ method: 'GET', path, headers, signal: abort.signal });
  if (response.body instanceof Uint8Array) throw new Error(Buffer.from(response.body).toString());
  const chunks = response.body[Symbol.asyncIterator]();
  const lines: string[] = [];
  let rest = '';
  return {
    // biome-ignore lint/suspicious/noExplicitAny: tests look into events of every shape
    async next(): Promise<any> {
      while (lines.length === 0) {
        const chunk = await chunks.next();
        if (chunk.done) return undefined;
        const parts = (rest + Buffer.from(chunk.value).toString()).split('\n');
        rest = parts.pop()!;
        lines.push(...parts);
      }
      return JSON.parse(lines.shift()!);
    },
    stop: () => abort.abort(),
  };
}
