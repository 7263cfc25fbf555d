/** Plays a case against a server, and makes a failing one small. */
import { systemClock } from '#machinery/clock.ts';
import { isObject, type JsonObject } from '#machinery/schema/model.ts';
import type { TransportRequest } from '#machinery/transport.ts';
import type { FuzzCase } from './cases.ts';
import { faultOf, parsed } from './judge.ts';
import { slotsOf } from './mutate.ts';
import { isReadable, readBackFault } from './read-back.ts';
import { creatorOf, type Operation } from './surface.ts';
import { startTarget, type Target } from './target.ts';

export interface Outcome {
  /** Undefined: all is well. */
  fault: string | undefined;
  status: number;
  elapsedMs: number;
}

/** Sends the request of a case and looks at all that follows from it. */
export async function play(target: Target, { operation, before, request }: FuzzCase): Promise<Outcome> {
  if (before) await target.send(before);
  target.takeErrors();
  const started = systemClock.monotonic();
  const answer = await target.send(request);
  const elapsedMs = systemClock.monotonic() - started;
  const fault =
    target.takeErrors()[0] ??
    faultOf(operation, request, answer, target.schemas) ??
    pollution() ??
    (answer.status < 300 ? await afterWrite(target, operation, request, answer.bytes) : undefined) ??
    target.takeErrors()[0];
  if (request.method === 'DELETE') await target.prepare();
  return { fault, status: answer.status, elapsedMs };
}

/** Members that a request has put on the prototype of all objects. */
function pollution(): string | undefined {
  for (const name in {}) return `Object.prototype has the member ${name}`;
  return Object.keys(Object.prototype).length ? 'Object.prototype has members' : undefined;
}

const WRITES = new Set(['post', 'put', 'patch']);

async function afterWrite(
  target: Target,
  operation: Operation,
  { path, method }: TransportRequest,
  bytes: Buffer,
): Promise<string | undefined> {
  if (!WRITES.has(operation.action) || method !== operation.method) return undefined;
  const creator = creatorOf(target.surface, operation);
  const [at = ''] = path.split('?');
  if (!creator || !isReadable(target, creator)) return undefined;
  const schema = creator.body;
  if (operation !== creator) {
    // As in Kubernetes, a binding may name a node that no pod could have been made for.
    if (operation.subresource === 'binding') return undefined;
    const own = operation.subresource ? at.slice(0, -operation.subresource.length - 1) : at;
    return readBackFault(target, own, schema);
  }
  const made = parsed(bytes);
  const name = isObject(made) && isObject(made['metadata']) ? made['metadata']['name'] : undefined;
  return typeof name === 'string'
    ? readBackFault(target, `${at}/${encodeURIComponent(name)}`, schema)
    : undefined;
}

/** As many requests are tried to make one smaller. */
const MAX_TRIES = 150;

/** The smallest request found that fails on a server of its own; the request itself when it only fails after others. */
export async function shrink(failing: FuzzCase): Promise<{ alone: boolean; request: TransportRequest }> {
  let tries = 0;
  const fails = async (request: TransportRequest) => {
    if (tries++ > MAX_TRIES) return false;
    const target = await startTarget();
    const { fault } = await play(target, { ...failing, request });
    await target.server.stop();
    return fault !== undefined;
  };
  if (!(await fails(failing.request))) return { alone: false, request: failing.request };
  let best = failing.request;
  for (let smaller = true; smaller; ) {
    smaller = false;
    for (const candidate of smallerThan(best)) {
      if (!(await fails(candidate))) continue;
      best = candidate;
      smaller = true;
      break;
    }
  }
  return { alone: true, request: best };
}

function* smallerThan(request: TransportRequest): Generator<TransportRequest> {
  const [path = '', query] = request.path.split('?');
  const parameters = query?.split('&') ?? [];
  for (const one of parameters) {
    const rest = parameters.filter((other) => other !== one);
    yield { ...request, path: rest.length ? `${path}?${rest.join('&')}` : path };
  }
  for (const name of Object.keys(request.headers)) {
    const { [name]: _, ...headers } = request.headers;
    yield { ...request, headers };
  }
  if (!request.body?.length) return;
  const value = parsed(request.body);
  if (value === undefined) yield* shorter(request, request.body);
  else
    for (const { parent, key } of slotsOf(value)) {
      const removed = removedFrom(value, parent, key);
      yield { ...request, body: Buffer.from(JSON.stringify(removed)) };
    }
}

/** A copy of `value` without one member or element. */
function removedFrom(value: unknown, parent: unknown, key: string | number): unknown {
  const copy = (inner: unknown): unknown => {
    if (Array.isArray(inner))
      return inner.filter((_, at) => inner !== parent || at !== key).map((element) => copy(element));
    if (!isObject(inner)) return inner;
    const members = Object.entries(inner).filter(([name]) => inner !== parent || name !== key);
    return Object.fromEntries(members.map(([name, member]) => [name, copy(member)])) as JsonObject;
  };
  return copy(value);
}

function* shorter(request: TransportRequest, body: Uint8Array): Generator<TransportRequest> {
  for (let size = Math.ceil(body.length / 2); size >= 1; size = Math.floor(size / 2))
    for (let at = 0; at < body.length && at < 8 * size; at += size)
      yield { ...request, body: Buffer.concat([body.subarray(0, at), body.subarray(at + size)]) };
}

/** A request as a report shows it. */
export function shown({ method, path, headers, body }: TransportRequest): string {
  const text = body === undefined ? '' : Buffer.from(body).toString('latin1');
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  const cut = (line: string) => (line.length > 2000 ? `${line.slice(0, 2000)}... (${line.length})` : line);
  return [`${method} ${cut(path)}`, ...head.map(cut), '', cut(text)].join('\n');
}
