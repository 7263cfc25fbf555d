/** HTTPS, HTTP/1.1 and HTTP/2 on one port: a thin layer over the request chain. */
import type { IncomingHttpHeaders, IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Http2SecureServer, ServerHttp2Stream } from 'node:http2';
import type { Readable } from 'node:stream';
import fastify from 'fastify';
import type { Clock } from '#machinery/clock.ts';
import { StatusError } from '#machinery/errors.ts';
import type { Logger } from '#machinery/log.ts';
import type { RequestChain } from '../chain.ts';
import { timeoutOrDefaultMs } from '../deadline.ts';
import { unknownFormat } from '../encoding/body.ts';
import { methodNotAllowed } from '../engine/faults.ts';
import { requestInfo } from '../request-info.ts';
import { unknownPath } from '../unknown-path.ts';
import { mayHaveBody, readBody } from './body.ts';
import { answerClientError } from './client-error.ts';
import { Connections } from './connections.ts';
import { credentialsOf } from './credentials.ts';
import { Deadline } from './deadline.ts';
import { DEFAULT_LIMITS, type HttpLimits } from './limits.ts';
import { breakOff, discard, sendResponse } from './respond.ts';
import { requestOf, StreamReply } from './streams.ts';
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
  /** Shows other certificates to new connections; those that are open go on, but for clients whose authority is trusted no more. */
  renew(tls: TlsFiles): void;
  /** Asks clients to go elsewhere (GOAWAY); what they have asked for goes on. */
  drain(): void;
  /** Ends the connections that were made to this address, which will be another machine's; it goes on listening there. */
  leave(host: string): Promise<void>;
  /** Stops accepting, lets answers be sent for a moment, then closes what is left. */
  close(): Promise<void>;
}

/** Streams get this much before the client must acknowledge: the default of 64 kB makes watches and lists crawl. */
const STREAM_WINDOW_BYTES = 1024 * 1024;
/** Above this Node refuses new streams of a connection; its default of 10 MB is one large list and a few slow watches. */
const SESSION_MEMORY_MB = 256;
const CLOSE_GRACE_MS = 2_000;
/** So long requests under way may still be answered when their address goes: nobody answers there meanwhile. */
const LEAVE_GRACE_MS = 200;

interface ListenParts {
  clock: Clock;
  log: Logger;
  limits?: Partial<HttpLimits>;
}

interface ServeParts extends ListenParts {
  /** Authorities (PEM) that client certificates must come from now. */
  trusted(): string;
}

export async function listenHttps(
  chain: RequestChain,
  tls: TlsFiles,
  listen: ListenAddress,
  given: ListenParts,
): Promise<HttpListener> {
  let { clientAuthority } = tls;
  const parts: ServeParts = { ...given, trusted: () => clientAuthority };
  const limits = { ...DEFAULT_LIMITS, ...parts.limits };
  const app = fastify({
    http2: true,
    // Connections watches for idle ones: it knows whether a watch is open on them.
    http2SessionTimeout: 0,
    https: {
      allowHTTP1: true,
      ...secureContext(tls),
      requestCert: true,
      rejectUnauthorized: false,
      handshakeTimeout: limits.headMs,
      maxSessionMemory: SESSION_MEMORY_MB,
      maxHeaderListPairs: limits.headers,
      settings: {
        initialWindowSize: STREAM_WINDOW_BYTES,
        maxConcurrentStreams: 1000,
        maxHeaderListSize: limits.headBytes,
      },
    },
    routerOptions: { maxParamLength: 4096 },
    exposeHeadRoutes: false,
    logger: false,
    clientErrorHandler: (error, socket) => answerClientError(error, socket, parts.clock),
    frameworkErrors: (error, _request, reply) => {
      sendStatus(reply as unknown as StatusReply, new StatusError('BadRequest', error.message));
    },
  });
  app.removeAllContentTypeParsers();
  // Bodies are read in `serve`, within the deadline of their request.
  app.addContentTypeParser('*', (_request, _body, done) => done(null));
  app.setErrorHandler((error: Error & { code?: string }, _request, reply) =>
    sendStatus(reply, faultOf(error)),
  );
  app.setNotFoundHandler((_request, reply) => sendStatus(reply, unknownPath()));
  app.all('/*', (request, reply) => {
    reply.hijack();
    const raw = request.raw as unknown as IncomingMessage;
    return serve(chain, raw, raw, reply.raw as unknown as ServerResponse, parts);
  });
  const server = app.server as unknown as Http2SecureServer & Server;
  serveStreams(server, chain, parts);
  const connections = new Connections(server, limits, parts);
  server.on('upgrade', (message, socket, head) => void serveUpgrade(chain, message, socket, head, parts));
  await app.listen({ host: listen.host, port: listen.port });
  const bound = server.address() as { port: number };
  return {
    address: { host: listen.host, port: bound.port },
    renew(next) {
      server.setSecureContext(secureContext(next));
      clientAuthority = next.clientAuthority;
    },
    drain: () => connections.drain(),
    leave: (host) => connections.leave(host, parts.clock, LEAVE_GRACE_MS),
    async close() {
      const force = parts.clock.timer(CLOSE_GRACE_MS, () => connections.destroy());
      connections.drain();
      await app.close();
      force.cancel();
      connections.destroy();
    },
  };
}

function secureContext({ key, certificate, clientAuthority }: TlsFiles) {
  return { key, cert: certificate, ca: clientAuthority, minVersion: 'TLSv1.2' as const };
}

/** What is refused before the chain has seen it: a type of body that is no type, a method that nobody knows. */
function faultOf({ code, message }: Error & { code?: string }): StatusError {
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return unknownFormat();
  return code === 'FST_ERR_NOT_FOUND' ? methodNotAllowed() : new StatusError('BadRequest', message);
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

/** Takes HTTP/2 from fastify, which goes on with HTTP/1. */
function serveStreams(server: Http2SecureServer, chain: RequestChain, parts: ServeParts): void {
  server.removeAllListeners('stream');
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    const request = requestOf(stream, headers);
    if (!request) return;
    // A body without a type is JSON. Patches have no type that could be guessed.
    if (!stream.endAfterHeaders && request.method !== 'PATCH') headers['content-type'] ??= 'application/json';
    serve(chain, request, stream, new StreamReply(stream), parts).catch((error: unknown) => {
      parts.log.error('a request failed outside the chain', { error, path: request.url });
      stream.destroy();
    });
  });
}

interface Head {
  method?: string | undefined;
  url?: string | undefined;
  headers: IncomingHttpHeaders;
  socket: unknown;
  stream?: { session?: object | undefined };
}

async function serve(
  chain: RequestChain,
  raw: Head,
  body: Readable,
  reply: ServerResponse | StreamReply,
  { clock, log, trusted }: ServeParts,
): Promise<void> {
  const { method = 'GET', url = '/' } = raw;
  const info = requestInfo(method, url);
  const abort = new AbortController();
  let answered = false;
  let tooLate = false;
  const deadline = new Deadline(clock, timeoutOrDefaultMs(info), () => {
    tooLate = true;
    chain.gaveUp(info, GATEWAY_TIMEOUT);
    abort.abort();
  });
  reply.once('close', () => {
    deadline.cancel();
    // An answer that was sent whole needs nobody stopped, and aborting costs more than a read.
    if (!answered) abort.abort();
  });
  const served = chain.serve({
    method,
    path: url,
    headers: raw.headers as Record<string, string>,
    credentials: credentialsOf(raw, trusted()),
    signal: abort.signal,
    info,
    ...(mayHaveBody(method) && { readBody: () => readBody(body, raw.headers) }),
  });
  const response = await Promise.race([served, deadline.response]);
  if (tooLate) void served.then(discard);
  try {
    if (response.body instanceof Uint8Array) deadline.sending(() => breakOff(reply));
    else deadline.cancel();
    await sendResponse(reply, response, method === 'HEAD');
    answered = true;
  } catch (error) {
    // Once the head is out, a broken body can only be shown by breaking the connection's stream.
    log.warn('a response broke off', { error, path: url });
    reply.destroy();
  }
}

const GATEWAY_TIMEOUT = 504;
