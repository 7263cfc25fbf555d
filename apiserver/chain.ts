/**
 * The request chain: authenticate → wait for a seat → authorize → route → decode, admit, validate, store (engine) →
 * encode. Every failure becomes a Status object here and nowhere else.
 */
import type { Duplex } from 'node:stream';
import type { Kind } from '#api/kind.ts';
import { isStatus, messageOf, StatusError } from '#machinery/errors.ts';
import type { Logger } from '#machinery/log.ts';
import { EXPOSITION_TYPE } from '#machinery/metrics/exposition.ts';
import type { TransportRequest, TransportResponse, Upgraded } from '#machinery/transport.ts';
import { impersonated } from './authentication/impersonation.ts';
import { ANONYMOUS, authenticate } from './authentication/index.ts';
import type { RemovedNodes } from './authentication/removed-nodes.ts';
import { attributesOf, forbidden } from './authorization/attributes.ts';
import type {
  Authenticator,
  Authorizer,
  Credentials,
  PathHandler,
  Place,
  RequestContext,
  RequestInfo,
  ResourceHandler,
} from './contract.ts';
import { timeoutMs } from './deadline.ts';
import { Discovery } from './discovery/index.ts';
import { Compressor } from './encoding/compress.ts';
import { renderStatus, warningHeader } from './encoding/status.ts';
import { methodNotAllowed } from './engine/faults.ts';
import type { KindIndex } from './engine/kind-index.ts';
import { seatsOf } from './fairness/cost.ts';
import type { Ticket } from './fairness/ticket.ts';
import { type Check, healthResponse } from './health.ts';
import { openApiResponse } from './openapi/response.ts';
import type { Operation } from './operation.ts';
import { isLongRunning, requestInfo } from './request-info.ts';
import { serveResource } from './resources/index.ts';
import type { ResourceParts } from './resources/scope.ts';
import { logSlowRequest, RequestTrace } from './trace.ts';
import { unknownPath } from './unknown-path.ts';
import { SERVER_VERSION } from './version.ts';

export interface ServerRequest extends TransportRequest {
  credentials?: Credentials;
  /** When it has been worked out already. */
  info?: RequestInfo;
  /** In place of `body`: asked for once the caller may do what it wants. Rejects with a StatusError. */
  readBody?: () => Promise<Uint8Array | undefined>;
}

export interface ChainParts {
  kinds: KindIndex;
  resources: ResourceParts;
  authenticators: readonly Authenticator[];
  authorizer: Authorizer;
  removedNodes: Pick<RemovedNodes, 'endOf'>;
  handlers: readonly ResourceHandler[];
  pathHandlers: readonly PathHandler[];
  checks: readonly Check[];
  log: Logger;
  /** `host:port` as clients outside reach the server. */
  address: string;
  metrics?: () => Promise<string>;
  operation: Operation;
}

export class RequestChain {
  readonly #parts: ChainParts;
  readonly #discovery: Discovery;
  readonly #compressor = new Compressor();
  readonly #handlers: Map<string, ResourceHandler>;
  #requests = 0;

  constructor(parts: ChainParts) {
    this.#parts = parts;
    this.#discovery = new Discovery(parts.kinds);
    this.#handlers = new Map(parts.handlers.map((handler) => [handler.resource, handler]));
  }

  /** Answers a request, whatever happens: never rejects. */
  async serve(request: ServerRequest): Promise<TransportResponse> {
    const { log, operation } = this.#parts;
    const { requests, slowRequestMs } = operation;
    const context = this.#contextOf(request);
    const { info, trace } = context;
    requests.begin(info, trace.startedMs);
    const response = await this.#answer(context, request);
    if (context.warnings.length > 0) response.headers['warning'] = warningHeader(context.warnings);
    response.headers['audit-id'] = context.requestId;
    if (context.place) tellPlace(response, context.place);
    const tookMs = trace.end();
    requests.answered(context, response, tookMs, trace.spentMs('queue'));
    if (tookMs > slowRequestMs) logSlowRequest(log, context, response.status, tookMs);
    if (isLongRunning(info) && !(response.body instanceof Uint8Array))
      response.body = watched(response.body, requests.longRunning(info));
    return response;
  }

  async #answer(context: TracedContext, request: ServerRequest): Promise<TransportResponse> {
    const { fairness, shutdown } = this.#parts.operation;
    const isCounted = !isLongRunning(context.info);
    if (isCounted) shutdown.enter();
    let ticket: Ticket | undefined;
    try {
      shutdown.refuse(context.info);
      timeoutMs(context.info);
      await this.#identify(context, request.credentials);
      const place = this.#placeFor(context);
      ticket = place instanceof Promise ? await place : place;
      this.#authorize(context);
      context.trace.enter('serve');
      const body = await request.readBody?.();
      if (body) request.body = body;
      const response = await this.#route(context);
      context.trace.enter('encode');
      return await this.#compressor.pack(response, context.request.headers['accept-encoding']);
    } catch (error) {
      return this.#failure(error, context);
    } finally {
      if (ticket) fairness.finish(ticket);
      if (isCounted) shutdown.leave();
    }
  }

  /** For requests with an Upgrade header: the handler of the subresource takes the connection. Rejects with a StatusError. */
  async upgrade(request: ServerRequest, client: Duplex): Promise<Upgraded | undefined> {
    const { operation, resources } = this.#parts;
    const { requests, shutdown } = operation;
    const context = this.#contextOf(request);
    shutdown.refuse(context.info);
    await this.#identify(context, request.credentials);
    this.#authorize(context);
    // By the handler alone: the tunnel of a node is of no stored kind.
    const handler = this.#handlers.get(handlerName(context.info));
    if (!handler?.upgrade) throw unknownPath();
    client.once('close', requests.longRunning(context.info));
    return handler.upgrade(context, client, resources.engine);
  }

  /** A request that took too long has been answered without waiting for its end. */
  gaveUp(info: RequestInfo, code: number): void {
    this.#parts.operation.requests.terminated(info, code);
  }

  #contextOf(request: ServerRequest): TracedContext {
    const { startId, clock } = this.#parts.resources;
    return {
      info: request.info ?? requestInfo(request.method, request.path),
      request,
      identity: request.identity ?? ANONYMOUS,
      requestId: `${startId}-${(++this.#requests).toString(36)}`,
      warnings: [],
      signal: request.signal ?? NEVER,
      trace: new RequestTrace(clock),
    };
  }

  async #identify(context: RequestContext, credentials: Credentials | undefined): Promise<void> {
    const { authenticators, authorizer } = this.#parts;
    if (!context.request.identity && credentials)
      context.identity = await authenticate(authenticators, credentials);
    context.identity = impersonated(context.identity, context.request.headers, authorizer);
    const end = isLongRunning(context.info) ? this.#parts.removedNodes.endOf(context.identity) : undefined;
    if (end) context.signal = AbortSignal.any([context.signal, end]);
  }

  /** What goes on for as long as the client wants takes no seat, but for watches, which take one while they start. */
  #placeFor(context: TracedContext): Ticket | Promise<Ticket> | undefined {
    const { info, trace } = context;
    if (isLongRunning(info) && info.verb !== 'watch') return undefined;
    trace.enter('queue');
    return this.#parts.operation.fairness.admit(context, seatsOf(info, this.#count));
  }

  /** Objects of the resource that a request is about. */
  readonly #count = (info: RequestInfo): number => {
    const { kinds, resources } = this.#parts;
    const kind = kinds.at(info.group, info.version, info.resource);
    if (!kind || kind.virtual || kind.computed) return 0;
    return resources.storage.cache.of(storedKindOf(kinds, kind)).size;
  };

  #authorize({ info, identity, trace }: TracedContext): void {
    trace.enter('authorize');
    if (isPublic(info)) return;
    const attributes = attributesOf(info, identity);
    const decision = this.#parts.authorizer.authorize(attributes);
    if (!decision.allowed) throw forbidden(attributes, decision);
  }

  async #route(context: RequestContext): Promise<TransportResponse> {
    const { info } = context;
    const { kinds, resources } = this.#parts;
    if (info.isResource) {
      const kind = kinds.at(info.group, info.version, info.resource);
      if (!kind) throw unknownPath();
      return serveResource(resources, { kind, stored: storedKindOf(kinds, kind) }, context, this.#handlers);
    }
    const handler = this.#parts.pathHandlers.find(
      ({ path, verb }) =>
        verb === info.verb && (typeof path === 'string' ? path === info.path : path.test(info.path)),
    );
    if (handler) return handler.serve(context);
    if (info.verb !== 'get') throw methodNotAllowed();
    return this.#document(context);
  }

  /** Paths that are about no resource. */
  async #document({ info, request }: RequestContext): Promise<TransportResponse> {
    const { checks, address, metrics, resources } = this.#parts;
    const path = info.path.length > 1 && info.path.endsWith('/') ? info.path.slice(0, -1) : info.path;
    const accept = request.headers['accept'] ?? '';
    const health = healthResponse(path, info.query, checks);
    if (health) return health;
    if (path === '/version') return jsonResponse(SERVER_VERSION);
    if (path === '/') return jsonResponse({ paths: this.#paths() });
    if (path === '/metrics' && metrics) {
      return {
        status: 200,
        headers: { 'content-type': EXPOSITION_TYPE },
        body: Buffer.from(await metrics()),
      };
    }
    if (path.startsWith('/openapi/'))
      return openApiResponse(path, accept, info.query, resources.formats.openapi);
    const document = this.#discovery.document(path, accept, address);
    if (!document) throw unknownPath();
    return jsonResponse(document.body, document.contentType);
  }

  #paths(): string[] {
    const versions = new Set(
      this.#parts.kinds.all.map(({ group, version }) =>
        group ? `/apis/${group}/${version}` : `/api/${version}`,
      ),
    );
    return [
      '/api',
      '/apis',
      ...versions,
      '/healthz',
      '/livez',
      '/metrics',
      '/openapi/v2',
      '/openapi/v3',
      '/readyz',
      '/version',
    ].sort();
  }

  #failure(error: unknown, context: RequestContext): TransportResponse {
    const known = this.#statusError(error, context);
    const accept = context.request.headers['accept'];
    const { contentType, body } = renderStatus(known, accept, this.#parts.resources.formats);
    const headers: Record<string, string> = { 'content-type': contentType };
    const retry = known.details?.retryAfterSeconds;
    if (retry) headers['retry-after'] = String(retry);
    // What is left of a body that is too large is not read.
    if (this.#parts.operation.shutdown.draining.aborted || known.reason === 'RequestEntityTooLarge')
      headers['connection'] = 'close';
    if (known.reason === 'Unauthorized') headers['www-authenticate'] = 'Bearer';
    return { status: known.code, headers, body };
  }

  #statusError(error: unknown, { info, requestId, signal }: RequestContext): StatusError {
    if (isStatus(error)) return error;
    if (!signal.aborted)
      this.#parts.log.error('a request failed inside the server', { error, path: info.path, requestId });
    return new StatusError('InternalError', `Internal error occurred: ${messageOf(error)}`, {
      causes: [{ message: messageOf(error) }],
    });
  }
}

const NEVER = new AbortController().signal;

type TracedContext = RequestContext & { trace: RequestTrace };

function storedKindOf(kinds: KindIndex, kind: Kind): Kind {
  const { storedAs } = kind;
  return storedAs ? kinds.at(storedAs.group, storedAs.version, storedAs.plural)! : kind;
}

/** By uid: the names that administrators choose are nobody's business. Source: Kubernetes, "API Priority and Fairness". */
function tellPlace({ headers }: TransportResponse, { schema, level }: Place): void {
  if (schema.uid) headers['x-kubernetes-pf-flowschema-uid'] = schema.uid;
  if (level.uid) headers['x-kubernetes-pf-prioritylevel-uid'] = level.uid;
}

/** The same chunks; `ended` is called when there are no more, or nobody wants them any more. */
function watched(body: AsyncIterable<Uint8Array>, ended: () => void): AsyncIterable<Uint8Array> {
  const chunks = body[Symbol.asyncIterator]();
  const note = (result: IteratorResult<Uint8Array>) => {
    if (result.done) ended();
    return result;
  };
  const failed = (error: unknown): never => {
    ended();
    throw error;
  };
  return {
    [Symbol.asyncIterator]: () => ({
      next: () => chunks.next().then(note, failed),
      return: (value?: unknown) => {
        ended();
        return chunks.return?.(value) ?? Promise.resolve({ done: true, value });
      },
    }),
  };
}

/** Health and version are for everybody: load balancers and kubectl ask before they have credentials. */
function isPublic(info: RequestInfo): boolean {
  return !info.isResource && info.verb === 'get' && PUBLIC.has(info.path);
}

const PUBLIC = new Set(['/healthz', '/livez', '/readyz', '/version', '/version/']);

function handlerName({ resource, group, subresource }: RequestInfo): string {
  const name = group ? `${resource}.${group}` : resource;
  return subresource ? `${name}/${subresource.split('/')[0]}` : name;
}

function jsonResponse(body: object, contentType = 'application/json'): TransportResponse {
  return {
    status: 200,
    headers: { 'content-type': contentType },
    body: Buffer.from(`${JSON.stringify(body)}\n`),
  };
}
