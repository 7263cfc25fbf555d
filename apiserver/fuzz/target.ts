/** A server that is fuzzed, and what it did not say in its answers. */
import { type Clock, systemClock } from '#machinery/clock.ts';
import type { Logger } from '#machinery/log.ts';
import { generatedSchemas } from '#machinery/schema/load.ts';
import type { Schemas } from '#machinery/schema/model.ts';
import type { Transport, TransportRequest } from '#machinery/transport.ts';
import { startTestServer, TEST_ADMIN } from '../fake/server.ts';
import type { ApiServer } from '../server.ts';
import { NAMESPACE } from './cases.ts';
import type { Answer } from './judge.ts';
import { type Surface, surfaceOf } from './surface.ts';

export interface Target {
  server: ApiServer;
  schemas: Schemas;
  surface: Surface;
  /** Makes what a case may have deleted: the namespace, and the account without which pods are refused. */
  prepare(): Promise<void>;
  /** What the server has logged as an error since the last call. */
  takeErrors(): string[];
  /** Sends a request as an administrator; of a stream only what is there at once is read. */
  send(request: TransportRequest): Promise<Answer>;
}

/** Waits of the server are a hundredth of what they are: they are not what is tested. */
const hastyClock: Clock = {
  ...systemClock,
  timer: (delayMs, fire) => systemClock.timer(delayMs <= 10_000 ? delayMs / 100 : delayMs, fire),
};

export async function startTarget(): Promise<Target> {
  const errors: string[] = [];
  const server = await startTestServer({ clock: hastyClock, log: collectingLogger(errors) });
  const transport = server.transport(TEST_ADMIN);
  const surface = await surfaceOf(transport);
  const target: Target = {
    server,
    schemas: generatedSchemas(),
    surface,
    async prepare() {
      // No controller ends a namespace here: without finalizers it goes at once when it is being deleted.
      await target.send({
        method: 'PUT',
        path: `/api/v1/namespaces/${NAMESPACE}/finalize`,
        headers: {},
        body: Buffer.from(JSON.stringify({ metadata: { name: NAMESPACE } })),
      });
      await make(target, '/api/v1/namespaces', NAMESPACE);
      await make(target, `/api/v1/namespaces/${NAMESPACE}/serviceaccounts`, 'default');
    },
    takeErrors: () => errors.splice(0),
    send: (request) => sendTo(transport, request),
  };
  await target.prepare();
  return target;
}

async function make(target: Target, path: string, name: string): Promise<void> {
  const body = Buffer.from(JSON.stringify({ metadata: { name } }));
  const { status, bytes } = await target.send({ method: 'POST', path, headers: {}, body });
  if (status !== 201 && status !== 409)
    throw new Error(`making ${name} was answered with ${status}: ${bytes.toString()}`);
}

/** A watch without events is left after this. */
const QUIET_WATCH_MS = 100;
/** More of an answer is not looked at. */
const MAX_STREAM_BYTES = 16 * 1024 * 1024;

async function sendTo(transport: Transport, request: TransportRequest): Promise<Answer> {
  const abort = new AbortController();
  const { status, headers, body, release } = await transport.request({ ...request, signal: abort.signal });
  if (body instanceof Uint8Array) {
    // A copy: the server may use the buffer again once it is released.
    const bytes = Buffer.from(body);
    release?.();
    return { status, headers, bytes };
  }
  const parts: Uint8Array[] = [];
  let size = 0;
  const patience = systemClock.timer(QUIET_WATCH_MS, () => abort.abort());
  const isWatch = /[?&]watch=(1|true)/.test(request.path);
  for await (const part of body) {
    parts.push(part);
    size += part.length;
    if (isWatch || size > MAX_STREAM_BYTES) break;
  }
  patience.cancel();
  abort.abort();
  return { status, headers, bytes: Buffer.concat(parts) };
}

function collectingLogger(errors: string[]): Logger {
  const ignore = () => undefined;
  const logger: Logger = {
    debug: ignore,
    info: ignore,
    warn: ignore,
    error: (message, fields) => {
      const { error } = (fields ?? {}) as { error?: unknown };
      errors.push(`${message}: ${error instanceof Error ? error.stack : String(error)}`);
    },
    child: () => logger,
  } as Logger;
  return logger;
}
