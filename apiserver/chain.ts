/**
 * The request chain: authenticate → authorize → route → decode, admit, validate, store (engine) → encode. Every failure
 * becomes a Status object here and nowhere else.
 */
import type { Duplex } from 'node:stream';
import { promisify } from 'node:util';
import { gzip as gzipCallback } from 'node:zlib';
import { isStatus, messageOf, type Status, StatusError } from '#machinery/errors.ts';
import type { Logger } from '#machinery/log.ts';
import type { TransportRequest, TransportResponse, Upgraded } from '#machinery/transport.ts';
import { impersonated } from './authentication/impersonation.ts';
import { ANONYMOUS, authenticate } from './authentication/index.ts';
import { attributesOf, forbidden } from './authorization/attributes.ts';
import type {
  Authenticator,
  Authorizer,
  Credentials,
  PathHandler,
  RequestContext,
  RequestInfo,
  ResourceHandler,
} from './contract.ts';
import { Discovery } from './discovery/index.ts';
import { methodNotAllowed } from './engine/faults.ts';
import type { KindIndex } from './engine/kind-index.ts';
import { type Check, healthResponse } from './health.ts';
import { openApiResponse } from './openapi/response.ts';
import { requestInfo } from './request-info.ts';
import { serveResource } from './resources/index.ts';
import type { ResourceParts } from './resources/scope.ts';
import { unknownPath } from './unknown-path.ts';
import { SERVER_VERSION } from './version.ts';

export interface ServerRequest extends TransportRequest {
  credentials?: Credentials;
}

export interface ChainParts {
  kinds: KindIndex;
  resources: ResourceParts;
  authenticators: readonly Authenticator[];
  authorizer: Authorizer;
  handlers: readonly ResourceHandler[];
  pathHandlers: readonly PathHandler[];
  checks: readonly Check[];
  log: Logger;
  /** `host:port` as clients outside reach the server. */
  address: string;
  metrics?: () => Promise<{ contentType: string; text: string }>;
  observe?: (info: RequestInfo, status: number, durationMs: number) => void;
}

/** Larger answers are compressed for clients that ask. Source: kube-apiserver's APIResponseCompression. */
const GZIP_FROM_BYTES = 128 * 1024;
const gzip = promisify(gzipCallback);

export class RequestChain {
  readonly #parts: ChainParts;
  readonly #discovery: Discovery;
  readonly #handlers: Map<string, ResourceHandler>;
  #requests = 0;

  constructor(parts: ChainParts) {
    this.#parts = parts;
    this.#discovery = new Discovery(parts.kinds);
    this.#handlers = new Map(parts.handlers.map((handler) => [handler.resource, handler]));
  }

  /** Answers a request, whatever happens: never rejects. */
  async serve(request: ServerRequest): Promise<TransportResponse> {
    const info = requestInfo(request.method, request.path);
    const { clock } = this.#parts.resources;
    const started = clock.monotonic();
    const context = this.#contextOf(info, request);
    let response: TransportResponse;
    try {
      await this.#admitCaller(context, request.credentials);
      response = await this.#route(context);
      response = await compressed(response, request.headers['accept-encoding']);
    } catch (error) {
      response = this.#failure(error, context);
    }
    if (context.warnings.length > 0) response.headers['warning'] = warningHeader(context.warnings);
    response.headers['audit-id'] = context.requestId;
    this.#parts.observe?.(info, response.status, clock.monotonic() - started);
    return response;
  }

  /** For requests with an Upgrade header: the handler of the subresource takes the connection. Rejects with a StatusError. */
  async upgrade(request: ServerRequest, client: Duplex): Promise<Upgraded | undefined> {
    const info = requestInfo(request.method, request.path);
    const context = this.#contextOf(info, request);
    await this.#admitCaller(context, request.credentials);
    // By the handler alone: the tunnel of a node is of no stored kind.
    const handler = this.#handlers.get(handlerName(info));
    if (!handler?.upgrade) throw unknownPath();
    return handler.upgrade(context, client, this.#parts.resources.engine);
  }

  #contextOf(info: RequestInfo, request: ServerRequest): RequestContext {
    return {
      info,
      request,
      identity: request.identity ?? ANONYMOUS,
      requestId: `${this.#parts.resources.startId}-${(++this.#requests).toString(36)}`,
      warnings: [],
      signal: request.signal ?? NEVER,
    };
  }

  async #admitCaller(context: RequestContext, credentials: Credentials | undefined): Promise<void> {
    if (!context.request.identity && credentials)
      context.identity = await authenticate(this.#parts.authenticators, credentials);
    context.identity = impersonated(context.identity, context.request.headers, this.#parts.authorizer);
    if (isPublic(context.info)) return;
    const attributes = attributesOf(context.info, context.identity);
    const decision = this.#parts.authorizer.authorize(attributes);
    if (decision.allowed) return;
    throw forbidden(attributes, decision);
  }

  async #route(context: RequestContext): Promise<TransportResponse> {
    const { info } = context;
    const { kinds, resources } = this.#parts;
    if (info.isResource) {
      const kind = kinds.at(info.group, info.version, info.resource);
      if (!kind) throw unknownPath();
      const stored = kind.storedAs
        ? kinds.at(kind.storedAs.group, kind.storedAs.version, kind.storedAs.plural)!
        : kind;
      return serveResource(resources, { kind, stored }, context, this.#handlers);
    }
    const handler = this.#parts.pathHandlers.find(
      ({ path, verb }) => path === info.path && verb === info.verb,
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
      const { contentType, text } = await metrics();
      return { status: 200, headers: { 'content-type': contentType }, body: Buffer.from(text) };
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
    const headers: Record<string, string> = { 'content-type': 'application/json' };
    const retry = known.details?.retryAfterSeconds;
    if (retry) headers['retry-after'] = String(retry);
    if (known.reason === 'Unauthorized') headers['www-authenticate'] = 'Bearer';
    return { status: known.code, headers, body: statusBody(known, context, this.#parts) };
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

/** Health and version are for everybody: load balancers and kubectl ask before they have credentials. */
function isPublic(info: RequestInfo): boolean {
  return !info.isResource && info.verb === 'get' && PUBLIC.has(info.path);
}

const PUBLIC = new Set(['/healthz', '/livez', '/readyz', '/version', '/version/']);

function handlerName({ resource, group, subresource }: RequestInfo): string {
  const name = group ? `${resource}.${group}` : resource;
  return subresource ? `${name}/${subresource.split('/')[0]}` : name;
}

function statusBody(error: StatusError, context: RequestContext, { resources }: ChainParts): Buffer {
  const status: Status = error.status();
  const accept = context.request.headers['accept'];
  if (accept?.includes('protobuf') && !accept.includes('json')) {
    const bytes = resources.formats.toProtobuf(status);
    if (bytes) return Buffer.from(bytes);
  }
  return Buffer.from(`${JSON.stringify(status)}\n`);
}

function jsonResponse(body: object, contentType = 'application/json'): TransportResponse {
  return {
    status: 200,
    headers: { 'content-type': contentType },
    body: Buffer.from(`${JSON.stringify(body)}\n`),
  };
}

async function compressed(
  response: TransportResponse,
  accepted: string | undefined,
): Promise<TransportResponse> {
  const { body } = response;
  if (!accepted?.includes('gzip') || !(body instanceof Uint8Array) || body.length < GZIP_FROM_BYTES)
    return response;
  const headers = { ...response.headers, 'content-encoding': 'gzip', vary: 'Accept-Encoding' };
  const packed = await gzip(body, { level: 1 });
  response.release?.();
  return { status: response.status, headers, body: packed };
}

/** Source: RFC 9110 section 5.5 of warnings in Kubernetes: code 299, agent `-`, the text quoted. */
function warningHeader(warnings: string[]): string {
  return [...new Set(warnings)]
    .map((text) => `299 - "${text.replace(/[^\x20-\x7e]/g, ' ').replace(/["\\]/g, '\\$&')}"`)
    .join(', ');
}
