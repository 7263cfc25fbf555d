/**
 * A Client that speaks the Kubernetes REST API over any Transport. One request per call; it never retries by itself:
 * who asks knows whether to read again or to wait (RETRY in machinery/errors.ts).
 */
import { apiVersionOf, type Kind, pathOf } from '#api/kind.ts';
import type { ApiObject } from '#api/objects.ts';
import { CAUSE_HEADER, causeText, type Why } from '#api/why.ts';
import type { Clock } from '#machinery/clock.ts';
import { isStatus, type Status, StatusError } from '#machinery/errors.ts';
import {
  type Body,
  collect,
  type Identity,
  type Transport,
  type TransportRequest,
  type TransportResponse,
} from '#machinery/transport.ts';
import type {
  Client,
  DeleteOptions,
  ListOptions,
  ObjectList,
  ObjectRef,
  PatchBody,
  WatchEvent,
  WatchOptions,
} from './contract.ts';
import { jsonLines } from './json-lines.ts';

export interface RestOptions {
  transport: Transport;
  clock: Clock;
  /** Program and component, as servers log it: `gantry-controllers/0.1`. */
  userAgent: string;
  /** Only for transports in process; over the network the certificate or token says who asks. */
  identity?: Identity;
  /** For one whole request; for a watch until its headers arrive. Default 30 s. */
  timeoutMs?: number;
  /** The server ends a watch after this time and it is opened anew, so that none lives on a dead route. Default 5 min. */
  watchSeconds?: number;
}

const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_WATCH_SECONDS = 300;

const PATCH_TYPES: Record<PatchBody['type'], string> = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
};

const WATCH_TYPES: Record<string, 'added' | 'modified' | 'deleted'> = {
  ADDED: 'added',
  MODIFIED: 'modified',
  DELETED: 'deleted',
};

interface Call {
  method: string;
  path: string;
  query?: Record<string, string | number | boolean | undefined>;
  body?: object;
  contentType?: string;
}

export function restClient(options: RestOptions): Client {
  return new RestClient(options);
}

class RestClient implements Client {
  readonly #options: RestOptions;
  readonly #cause: string | undefined;

  constructor(options: RestOptions, cause?: string) {
    this.#options = options;
    this.#cause = cause;
  }

  because(why: Why): Client {
    return new RestClient(this.#options, causeText(why));
  }

  get<T extends ApiObject>(kind: Kind<T>, ref: ObjectRef): Promise<T> {
    return this.#call<T>({ method: 'GET', path: pathOf(kind, ref) });
  }

  async list<T extends ApiObject>(kind: Kind<T>, options: ListOptions = {}): Promise<ObjectList<T>> {
    const list = await this.#call<{ items?: T[]; metadata: { resourceVersion: string; continue?: string } }>({
      method: 'GET',
      path: pathOf(kind, { namespace: options.namespace }),
      query: {
        labelSelector: options.labelSelector,
        fieldSelector: options.fieldSelector,
        limit: options.limit,
        continue: options.continue,
        resourceVersion: options.resourceVersion,
      },
    });
    const items = list.items ?? [];
    const apiVersion = apiVersionOf(kind);
    for (const item of items) {
      // Items of a list carry no type of their own.
      item.apiVersion ??= apiVersion;
      item.kind ??= kind.kind;
    }
    return {
      items,
      resourceVersion: list.metadata.resourceVersion,
      ...(list.metadata.continue && { continue: list.metadata.continue }),
    };
  }

  create<T extends ApiObject>(kind: Kind<T>, object: T): Promise<T> {
    const path = pathOf(kind, { namespace: object.metadata.namespace });
    return this.#call<T>({ method: 'POST', path, body: object });
  }

  update<T extends ApiObject>(kind: Kind<T>, object: T, subresource?: string): Promise<T> {
    const { namespace, name } = object.metadata;
    return this.#call<T>({
      method: 'PUT',
      path: pathOf(kind, { namespace, name, subresource }),
      body: object,
    });
  }

  updateStatus<T extends ApiObject>(kind: Kind<T>, object: T): Promise<T> {
    return this.update(kind, object, 'status');
  }

  patch<T extends ApiObject>(
    kind: Kind<T>,
    ref: ObjectRef,
    patch: PatchBody,
    subresource?: string,
  ): Promise<T> {
    return this.#call<T>({
      method: 'PATCH',
      path: pathOf(kind, { ...ref, subresource }),
      query: patch.type === 'apply' ? { fieldManager: patch.fieldManager, force: patch.force } : undefined,
      body: patch.body,
      contentType: PATCH_TYPES[patch.type],
    });
  }

  async delete<T extends ApiObject>(
    kind: Kind<T>,
    ref: ObjectRef,
    options: DeleteOptions = {},
  ): Promise<void> {
    const preconditions =
      options.uid || options.resourceVersion
        ? { uid: options.uid, resourceVersion: options.resourceVersion }
        : undefined;
    await this.#call({
      method: 'DELETE',
      path: pathOf(kind, ref),
      body: {
        apiVersion: 'v1',
        kind: 'DeleteOptions',
        gracePeriodSeconds: options.graceSeconds,
        propagationPolicy: options.propagation,
        preconditions,
      },
    });
  }

  post<R>(kind: Kind<never>, ref: ObjectRef, subresource: string, body: object): Promise<R> {
    return this.#call<R>({ method: 'POST', path: pathOf(kind, { ...ref, subresource }), body });
  }

  async *watch<T extends ApiObject>(kind: Kind<T>, options: WatchOptions): AsyncGenerator<WatchEvent<T>> {
    const request = this.#request({
      method: 'GET',
      path: pathOf(kind, { namespace: options.namespace }),
      query: {
        watch: true,
        allowWatchBookmarks: true,
        resourceVersion: options.resourceVersion,
        labelSelector: options.labelSelector,
        fieldSelector: options.fieldSelector,
        timeoutSeconds: this.#options.watchSeconds ?? DEFAULT_WATCH_SECONDS,
      },
    });
    const limit = this.#limit(request, options.signal);
    try {
      const response = await this.#options.transport.request(limit.request);
      limit.lift();
      if (response.status >= 400) throw await failure(response);
      for await (const line of jsonLines(chunks(response.body))) yield watchEvent<T>(line);
    } catch (error) {
      if (options.signal.aborted) return;
      throw limit.explain(error);
    } finally {
      limit.lift();
      limit.cancel();
    }
  }

  async #call<R>(call: Call): Promise<R> {
    const limit = this.#limit(this.#request(call));
    try {
      const response = await this.#options.transport.request(limit.request);
      if (response.status >= 400) throw await failure(response);
      return parse<R>(await collect(response.body), call);
    } catch (error) {
      throw limit.explain(error);
    } finally {
      limit.lift();
    }
  }

  #request(call: Call): TransportRequest {
    const headers: Record<string, string> = {
      accept: 'application/json',
      'user-agent': this.#options.userAgent,
    };
    if (this.#cause && call.method !== 'GET') headers[CAUSE_HEADER] = encodeURIComponent(this.#cause);
    if (call.body) headers['content-type'] = call.contentType ?? 'application/json';
    return {
      method: call.method,
      path: call.path + queryOf(call.query),
      headers,
      ...(call.body && { body: Buffer.from(JSON.stringify(call.body)) }),
      ...(this.#options.identity && { identity: this.#options.identity }),
    };
  }

  /** Aborts the request when its time is up or `outer` aborts, until it is lifted. */
  #limit(request: TransportRequest, outer?: AbortSignal) {
    const controller = new AbortController();
    const timeoutMs = this.#options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    const onOuter = () => controller.abort(outer?.reason);
    if (outer?.aborted) onOuter();
    outer?.addEventListener('abort', onOuter, { once: true });
    let late = false;
    const timer = this.#options.clock.timer(timeoutMs, () => {
      late = true;
      controller.abort();
    });
    return {
      request: { ...request, signal: controller.signal },
      lift: () => timer.cancel(),
      cancel: () => {
        outer?.removeEventListener('abort', onOuter);
        controller.abort();
      },
      explain: (error: unknown) =>
        late
          ? new StatusError('Timeout', `${request.method} ${request.path}: no answer within ${timeoutMs} ms`)
          : error,
    };
  }
}

function queryOf(query: Call['query']): string {
  const parts: string[] = [];
  for (const [key, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== '') parts.push(`${key}=${encodeURIComponent(String(value))}`);
  }
  return parts.length ? `?${parts.join('&')}` : '';
}

function parse<R>(body: Uint8Array, call: Call): R {
  try {
    return JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.length).toString('utf8')) as R;
  } catch (error) {
    throw new StatusError('InternalError', `${call.method} ${call.path}: the answer is not JSON: ${error}`);
  }
}

/** Errors are Status objects; a proxy in between may answer with something else. */
async function failure(response: TransportResponse): Promise<StatusError> {
  const bytes = await collect(response.body, 1024 * 1024);
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
  return StatusError.from(statusOf(text), response.status);
}

function statusOf(text: string): Partial<Status> {
  try {
    const value: unknown = JSON.parse(text);
    if (value && typeof value === 'object') return value as Partial<Status>;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  return { message: text.slice(0, 1000) || undefined };
}

async function* chunks(body: Body): AsyncGenerator<Uint8Array> {
  if (body instanceof Uint8Array) yield body;
  else yield* body;
}

function watchEvent<T extends ApiObject>(line: unknown): WatchEvent<T> {
  const { type, object } = line as { type: string; object: T | Status };
  const known = WATCH_TYPES[type];
  if (known) return { type: known, object: object as T };
  if (type === 'BOOKMARK')
    return { type: 'bookmark', resourceVersion: (object as T).metadata.resourceVersion ?? '' };
  const status = object as Status;
  throw StatusError.from(status, status?.code ?? 500);
}

/** Whether a watch from this revision can never be had again, so that a new list is needed. */
export function needsRelist(error: unknown): boolean {
  return isStatus(error, 'Expired', 'Gone');
}
