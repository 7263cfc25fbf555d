import type { Kind } from '#api/kind.ts';
import type { Clock } from '#machinery/clock.ts';
import type { Random } from '#machinery/random.ts';
import type { TransportResponse } from '#machinery/transport.ts';
import type { Authorizer, RequestContext } from '../contract.ts';
import type { Formats } from '../encoding/formats.ts';
import { negotiate } from '../encoding/negotiate.ts';
import { type Rendered, type Renderer, renderObject, renderValue } from '../encoding/render.ts';
import { includeObjectOf } from '../encoding/table.ts';
import type { ObjectEngine } from '../engine/index.ts';
import type { Storage } from '../engine/storage.ts';
import type { RequestMetrics } from '../metrics/requests.ts';

/** What the handlers of resources work with. */
export interface ResourceParts {
  engine: ObjectEngine;
  storage: Storage;
  formats: Formats;
  clock: Clock;
  random: Random;
  /** For what is not known to be asked before a request is on its way: whether an update makes an object. */
  authorizer: Authorizer;
  /** Tells the requests of this start of the server from those of others. */
  startId: string;
  /** Aborts when the server stops: ends watches. */
  stopping: AbortSignal;
  requests: RequestMetrics;
}

/** One request about a resource. */
export interface Scope {
  parts: ResourceParts;
  /** As asked: may be a view of another kind. */
  kind: Kind;
  /** The kind that is stored. */
  stored: Kind;
  context: RequestContext;
  namespace: string | undefined;
  name: string;
}

export function rendererOf({ parts, kind, context }: Scope): Renderer {
  context.trace?.enter('encode');
  const { query } = context.info;
  const { accept, 'user-agent': agent = '' } = context.request.headers;
  const rendering = negotiate(accept, isPretty(query.get('pretty'), agent));
  const table = {
    metaVersion: rendering.metaVersion,
    includeObject: rendering.shape === 'table' ? includeObjectOf(query) : ('None' as const),
    now: parts.clock.now(),
  };
  return { kind, rendering, table, formats: parts.formats };
}

/** People who read what they ask for: with the tools they use, when they do not say. Source: apiserver, responsewriters. */
const READERS = ['curl', 'Wget', 'Mozilla/5.0'];

function isPretty(asked: string | null, agent: string): boolean {
  if (asked) return asked === 'true' || asked === '1';
  return READERS.some((reader) => agent.startsWith(reader));
}

export function respond(rendered: Rendered, status = 200): TransportResponse {
  const { contentType, body, release } = rendered;
  return { status, headers: { 'content-type': contentType }, body, ...(release && { release }) };
}

export function respondObject(scope: Scope, bytes: Buffer, status = 200): TransportResponse {
  return respond(renderObject(rendererOf(scope), bytes), status);
}

/** An object that is not of the scope's kind: a Status, a Scale. Never a table. */
export function respondValue(scope: Scope, value: object, status = 200): TransportResponse {
  const { rendering, formats } = rendererOf(scope);
  const format = rendering.format;
  return respond(renderValue(value, { ...rendering, format, shape: 'object' }, formats), status);
}
