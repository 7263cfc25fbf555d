/**
 * GET and LIST, from the watch cache. Rules of resourceVersion, resourceVersionMatch, limit and continue: Kubernetes API
 * concepts, "Resource versions" and "Retrieving large result sets in chunks".
 */
import type { StatusError } from '#machinery/errors.ts';
import type { TransportResponse } from '#machinery/transport.ts';
import { CompactedError, FutureRevisionError } from '#store/contract.ts';
import type { CacheItem } from '../cache/item.ts';
import { renderList } from '../encoding/render.ts';
import type { ListMeta } from '../encoding/table.ts';
import { badRequest, expired, notFound } from '../engine/faults.ts';
import { filterInTurns } from '../turns.ts';
import { candidatesOf } from './candidates.ts';
import { checkListOptions, integerOf } from './options.ts';
import { rendererOf, respond, respondObject, type Scope } from './scope.ts';
import { type Selection, selectionOf, selects } from './selection.ts';

export async function getResource(scope: Scope): Promise<TransportResponse> {
  const { stored, namespace, name, parts, context } = scope;
  const { cache, keys } = parts.storage;
  context.trace?.enter('store');
  if (context.info.query.has('at')) return getPast(scope);
  const version = versionOf(context.info.query);
  if (version) await cache.waitFor(version);
  else if (version === undefined) {
    const waiting = cache.fresh();
    if (waiting) await waiting;
  }
  const item = cache.of(stored).get(keys.object(stored, namespace, name));
  if (!item) throw notFound(scope.kind, name);
  return respondObject(scope, item.bytes);
}

async function getPast(scope: Scope): Promise<TransportResponse> {
  const { stored, namespace, name, parts } = scope;
  const { storage } = parts;
  const revision = await revisionAtTime(scope);
  const item = await storage
    .past(stored, storage.keys.object(stored, namespace, name), revision)
    .catch((error: unknown) => {
      throw error instanceof CompactedError ? expired(EXPIRED_PAST) : error;
    });
  if (!item) throw notFound(scope.kind, name);
  return respondObject(scope, item.bytes);
}

const EXPIRED_PAST = 'The history of that time is no longer kept.';

/**
 * Ours: `at=<RFC 3339 time>` reads the state of that time, within the history that the store keeps. The store revision of
 * the newest commit then.
 */
async function revisionAtTime({ context, parts }: Scope): Promise<number> {
  const { query } = context.info;
  const text = query.get('at')!;
  const time = /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time))
    throw badRequest(`Invalid value: ${JSON.stringify(text)}: at must be a time as 2026-01-31T12:00:00Z`);
  if (query.has('resourceVersion') || query.has('continue'))
    throw badRequest('at: Forbidden: a time cannot be given beside resourceVersion or continue');
  const revision = await parts.storage.store.revisionAt(time);
  if (revision === undefined) throw expired(EXPIRED_PAST);
  return revision;
}

/** Undefined = newest, 0 = whatever the cache holds. */
export function versionOf(query: URLSearchParams): number | undefined {
  const text = query.get('resourceVersion');
  if (text === null || text === '') return undefined;
  if (!/^\d{1,15}$/.test(text))
    throw badRequest(
      `invalid resource version: resourceVersion: Invalid value: ${JSON.stringify(text)}: strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`,
    );
  return Number(text);
}

/** Where a list in chunks goes on: the snapshot and the last key sent, without the kind's prefix. */
interface Continue {
  version: number;
  after: string;
}

/** Stands for the newest version: the list goes on, but is not consistent with its beginning. Source: etcd3/errors.go. */
const NEWEST = -1;

const EXPIRED_CONTINUE =
  'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.';

/** The snapshot of a list is no longer kept, or never was. */
function expiredList(token: Continue | undefined): StatusError {
  if (!token) return expired('The resourceVersion for the provided list is too old.');
  const error = expired(EXPIRED_CONTINUE);
  error.continueToken = encodeContinue({ version: NEWEST, after: token.after });
  return error;
}

export async function listResource(scope: Scope): Promise<TransportResponse> {
  const { context, kind } = scope;
  const { query } = context.info;
  checkListOptions(query);
  context.trace?.enter('store');
  const selection = selectionOf(kind, query);
  const limit = limitOf(query);
  const token = continueOf(query);
  const goesOn = token !== undefined && token.version !== NEWEST;
  const at = goesOn ? token.version : await snapshotVersion(scope, limit);
  // A list of "whatever the cache holds" is not cut: the cache has no such snapshot to go on from.
  const bounded = versionOf(query) === 0 && !token ? 0 : limit;
  const page = await collectPage(scope, selection, at, token?.after, bounded).catch((error: unknown) => {
    const isLost = error instanceof CompactedError || error instanceof FutureRevisionError;
    throw isLost ? expiredList(goesOn ? token : undefined) : error;
  });
  const meta: ListMeta = { resourceVersion: String(page.version) };
  if (page.last !== undefined) {
    meta.continue = encodeContinue({ version: page.version, after: page.last });
    if (selection.empty && page.remaining !== undefined) meta.remainingItemCount = page.remaining;
  }
  const renderer = rendererOf(scope);
  const bytes = page.items.map((item) => item.bytes);
  const response = respond(await renderList(renderer, bytes, meta));
  // Tables tell ages.
  if (renderer.rendering.shape === 'table') return response;
  const form = `${response.headers['content-type']} ${renderer.rendering.pretty}`;
  return { ...response, variant: `${context.request.path} ${form} ${page.version}` };
}

function limitOf(query: URLSearchParams): number {
  return Math.max(0, integerOf(query, 'limit') ?? 0);
}

/** The snapshot a list without continue is of: undefined = the cache as it is now. */
async function snapshotVersion(scope: Scope, limit: number): Promise<number | undefined> {
  const { query } = scope.context.info;
  const { cache, base } = scope.parts.storage;
  if (query.has('at')) {
    const version = base.version(await revisionAtTime(scope));
    await cache.waitFor(version);
    return version;
  }
  const version = versionOf(query);
  const match = query.get('resourceVersionMatch') ?? '';
  if (version === undefined) {
    const waiting = cache.fresh();
    if (waiting) await waiting;
    return undefined;
  }
  if (version === 0) return undefined;
  await cache.waitFor(version);
  return match === 'Exact' || (match === '' && limit > 0) ? version : undefined;
}

interface Page {
  items: CacheItem[];
  version: number;
  /** The last key sent, when more follow. */
  last: string | undefined;
  remaining: number | undefined;
}

async function collectPage(
  scope: Scope,
  selection: Selection,
  at: number | undefined,
  after: string | undefined,
  limit: number,
): Promise<Page> {
  const { stored, parts } = scope;
  const { cache, keys } = parts.storage;
  const resource = cache.of(stored);
  const from = after === undefined ? '' : `${keys.prefix(stored)}${after}`;
  // Unchanged since the snapshot: the cache still shows it.
  const current = at === undefined || (resource.changed <= at && at <= cache.version);
  if (!current) return snapshotPage(scope, selection, at!, from, limit);
  const version = at ?? cache.version;
  const candidates = candidatesOf(scope, selection, from);
  const keep = (item: CacheItem) => selects(selection, scope.kind, item);
  // One more than asked for tells whether there is more.
  const found = selection.empty
    ? candidates.slice(0, limit ? limit + 1 : undefined)
    : await filterInTurns(candidates, keep, limit ? limit + 1 : 0);
  const items = limit ? found.slice(0, limit) : found;
  const more = found.length > items.length;
  return {
    items,
    version,
    last: more ? items.at(-1)!.key.slice(keys.prefix(stored).length) : undefined,
    remaining: candidates.length - items.length,
  };
}

/** How many objects of an old snapshot are read from the store at a time. */
const SNAPSHOT_PAGE = 500;

async function snapshotPage(
  scope: Scope,
  selection: Selection,
  version: number,
  from: string,
  limit: number,
): Promise<Page> {
  const { stored, namespace, parts } = scope;
  const { storage } = parts;
  const revision = storage.base.revision(version);
  if (revision < 0) throw new CompactedError(revision);
  const prefix = storage.keys.prefix(stored, namespace);
  const items: CacheItem[] = [];
  const strip = storage.keys.prefix(stored).length;
  let after = from || undefined;
  for (;;) {
    const page = await storage.snapshot(stored, prefix, { revision, after, limit: SNAPSHOT_PAGE });
    for (const item of page.items) {
      if (!selects(selection, scope.kind, item)) continue;
      if (limit > 0 && items.length === limit)
        return { items, version, last: items.at(-1)!.key.slice(strip), remaining: undefined };
      items.push(item);
    }
    after = page.items.at(-1)?.key;
    if (!page.more || after === undefined) return { items, version, last: undefined, remaining: undefined };
  }
}

function encodeContinue({ version, after }: Continue): string {
  return Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', rv: version, start: after })).toString(
    'base64url',
  );
}

function continueOf(query: URLSearchParams): Continue | undefined {
  const text = query.get('continue');
  if (!text) return undefined;
  if (versionOf(query)) throw badRequest('specifying resource version is not allowed when using continue');
  const { v, rv, start } = tokenOf(text);
  if (v !== 'meta.k8s.io/v1')
    throw invalidContinue(`: server does not recognize this encoded version ${v ?? ''}`);
  if (typeof rv !== 'number' || !Number.isSafeInteger(rv) || rv === 0)
    throw invalidContinue(': incorrect encoded start resourceVersion (version meta.k8s.io/v1)');
  if (typeof start !== 'string' || start === '')
    throw invalidContinue(': encoded start key empty (version meta.k8s.io/v1)');
  return { version: rv, after: start };
}

function tokenOf(text: string): Record<string, unknown> {
  const wrong = text.search(/[^A-Za-z0-9_-]/);
  if (wrong >= 0) throw invalidContinue(`: illegal base64 data at input byte ${wrong}`);
  try {
    return Object(JSON.parse(Buffer.from(text, 'base64url').toString())) as Record<string, unknown>;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw invalidContinue(`: ${error.message}`);
  }
}

function invalidContinue(why: string): StatusError {
  return badRequest(`invalid continue token: continue key is not valid${why}`);
}
