/** HTTPS, HTTP/1.1 and HTTP/2 on one port: a thin layer over the request chain. */
import type { IncomingMessage, Server } from 'node:http';
import type {
  Http2SecureServer,
  Http2ServerRequest,
  Http2ServerResponse,
  ServerHttp2Session,
} from 'node:http2';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import fastify from 'fastify';
import type { Clock } from '#machinery/clock.ts';
import { StatusError } from '#machinery/errors.ts';
import type { Logger } from '#machinery/log.ts';
import type { TransportResponse } from '#machinery/transport.ts';
import type { RequestChain } from '../chain.ts';
import { BODY_LIMIT_BYTES, tooLarge } from '../encoding/body.ts';
import { unknownPath } from '../unknown-path.ts';
import { credentialsOf } from './credentials.ts';
import { sendResponse } from './respond.ts';
import { serveUpgrade } from './upgrade.ts';

export interface TlsFiles {
  /** PEM of the server's certificate and key. */
  certificate: string;
  key: string;
  /** PEM of the CA that client certificates must come from. */
  clientAuthority: string;
}

export interface ListenAddress {
  host: string;
  /** 0 = any free one. */
  port: number;
}

export interface HttpListener {
  address: ListenAddress;
  /** Stops accepting, lets requests finish for a moment, then closes what is left. */
  close(): Promise<void>;
}

/** Until the head of the answer is there. Source: kube-apiserver --request-timeout. */
const REQUEST_TIMEOUT_MS = 60_000;
/** Streams get this much before the client must acknowledge: the default of 64 kB makes watches and lists crawl. */
const STREAM_WINDOW_BYTES = 1024 * 1024;
const SESSION_WINDOW_BYTES = 16 * 1024 * 1024;
/** Above this Node refuses new streams of a connection; its default of 10 MB is one large list and a few slow watches. */
const SESSION_MEMORY_MB = 256;
const CLOSE_GRACE_MS = 2_000;

export async function listenHttps(
  chain: RequestChain,
  tls: TlsFiles,
  listen: ListenAddress,
  parts: { clock: Clock; log: Logger },
): Promise<HttpListener> {
  const app = fastify({
    http2: true,
    https: {
      allowHTTP1: true,
      key: tls.key,
      cert: tls.certificate,
      ca: tls.clientAuthority,
      requestCert: true,
      rejectUnauthorized: false,
      minVersion: 'TLSv1.2',
      maxSessionMemory: SESSION_MEMORY_MB,
      settings: { initialWindowSize: STREAM_WINDOW_BYTES, maxConcurrentStreams: 1000 },
    },
    bodyLimit: BODY_LIMIT_BYTES,
    routerOptions: { maxParamLength: 4096 },
    exposeHeadRoutes: false,
    logger: false,
    frameworkErrors: (error, _request, reply) => {
      sendStatus(reply as unknown as StatusReply, new StatusError('BadRequest', error.message));
    },
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.setErrorHandler((error: { code?: string; message: string }, _request, reply) => {
    const status =
      error.code === 'FST_ERR_CTP_BODY_TOO_LARGE' ? tooLarge() : new StatusError('BadRequest', error.message);
    sendStatus(reply, status);
  });
  app.setNotFoundHandler((_request, reply) => sendStatus(reply, unknownPath()));
  app.all('/*', (request, reply) => {
    reply.hijack();
    const raw = request.raw as unknown as Http2ServerRequest;
    const response = reply.raw as unknown as Http2ServerResponse;
    return serve(chain, raw, response, request.body as Uint8Array | undefined, parts);
  });
  await app.listen({ host: listen.host, port: listen.port });
  const server = app.server as unknown as Http2SecureServer & Server;
  const sessions = track(server, chain, parts.log);
  const bound = server.address() as { port: number };
  return {
    address: { host: listen.host, port: bound.port },
    async close() {
      const force = parts.clock.timer(CLOSE_GRACE_MS, () => sessions.destroy());
      sessions.close();
      await app.close();
      force.cancel();
      sessions.destroy();
    },
  };
}

interface StatusReply {
  code(status: number): StatusReply;
  header(name: string, value: string): StatusReply;
  send(body: string): unknown;
}

/** Errors of HTTP itself, before the chain has seen the request. */
function sendStatus(reply: StatusReply, error: StatusError): void {
  reply.code(error.code).header('content-type', 'application/json').send(JSON.stringify(error.status()));
}

async function serve(
  chain: RequestChain,
  raw: Http2ServerRequest,
  reply: Http2ServerResponse,
  body: Uint8Array | undefined,
  { clock, log }: { clock: Clock; log: Logger },
): Promise<void> {
  const abort = new AbortController();
  let answered = false;
  reply.once('close', () => {
    // An answer that was sent whole needs nobody stopped, and aborting costs more than a read.
    if (!answered) abort.abort();
  });
  const timeout = late(clock, abort);
  const served = chain.serve({
    method: raw.method,
    path: raw.url,
    headers: raw.headers as Record<string, string>,
    credentials: credentialsOf(raw),
    signal: abort.signal,
    ...(body && { body }),
  });
  const response = await Promise.race([served, timeout.response]);
  timeout.cancel();
  try {
    await sendResponse(reply, response, raw.method === 'HEAD');
    answered = true;
  } catch (error) {
    // Once the head is out, a broken body can only be shown by breaking the connection's stream.
    log.warn('a response broke off', { error, path: raw.url });
    reply.destroy();
  }
}

function late(
  clock: Clock,
  abort: AbortController,
): { response: Promise<TransportResponse>; cancel(): void } {
  let cancel = () => {};
  const response = new Promise<TransportResponse>((resolve) => {
    const timer = clock.timer(REQUEST_TIMEOUT_MS, () => {
      const error = new StatusError(
        'Timeout',
        'Timeout: request did not complete within the allotted timeout',
      );
      resolve({
        status: error.code,
        headers: { 'content-type': 'application/json' },
        body: Buffer.from(JSON.stringify(error.status())),
      });
      abort.abort();
    });
    cancel = () => timer.cancel();
  });
  return { response, cancel: () => cancel() };
}

/** Connections, so that the server can close them, with windows that let them run. */
function track(server: Http2SecureServer & Server, chain: RequestChain, log: Logger) {
  const sessions = new Set<ServerHttp2Session>();
  const sockets = new Set<Socket>();
  server.on('session', (session: ServerHttp2Session) => {
    session.setLocalWindowSize(SESSION_WINDOW_BYTES);
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
    session.on('error', (error) => log.debug('an HTTP/2 connection broke', { error }));
  });
  server.on('secureConnection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('upgrade', (message: IncomingMessage, socket: Duplex, head: Buffer) => {
    void serveUpgrade(chain, message, socket, head, log);
  });
  return {
    close: () => {
      for (const session of sessions) session.close();
    },
    destroy: () => {
      for (const session of sessions) session.destroy();
      for (const socket of sockets) socket.destroy();
    },
  };
}
