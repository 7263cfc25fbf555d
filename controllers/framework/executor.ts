/**
 * Performs the actions of a plan and nothing else: the only place where controllers have effects. It ends at the first
 * failure; what it wrote is remembered, so that the next plan waits until its caches have seen it.
 */
import type { Kind } from '#api/kind.ts';
import { resourceName } from '#api/kind.ts';
import { SubjectAccessReviewKind } from '#api/kinds/reviews.ts';
import { type ApiObject, keyOf, type ObjectKey, type SubjectAccessReview } from '#api/objects.ts';
import type { Why } from '#api/why.ts';
import type { Client, ObjectRef } from '#client/contract.ts';
import type { EventRecorder } from '#client/events.ts';
import { isStatus, StatusError } from '#machinery/errors.ts';
import type { AnyAction, Check } from './contract.ts';

/** What a cache must show before the next plan: a revision, or that an object is gone or going. */
export type Written =
  | { kind: Kind; resourceVersion: string; name: string }
  | { kind: Kind; deleted: ObjectKey; uid: string | undefined };

/** One action that was tried, for `gantry why` and logs. */
export interface Deed {
  atMs: number;
  controller: string;
  /** The object it was planned for. */
  for: ObjectKey;
  do: AnyAction['do'];
  /** `pods ns/name`. */
  what: string;
  why: Why;
  error?: string;
}

export interface Executor {
  /** `written` fills as actions succeed, also when a later one rejects. */
  perform(actions: readonly AnyAction[], written: Written[], tell: (deed: Performed) => void): Promise<void>;
}

export interface Performed {
  action: AnyAction;
  error?: unknown;
}

/** Requests under way at once for one plan. */
const LARGEST_BATCH = 64;

type Performers = {
  [A in AnyAction as A['do']]: (action: A) => Promise<Written | undefined>;
};

export function executor(client: Client, events: EventRecorder): Executor {
  const performers: Performers = {
    create: async ({ kind, why, ...write }) =>
      wrote(kind, await client.because(why).create(kind, await completed(write))),
    update: async ({ kind, subresource, why, ...write }) =>
      wrote(kind, await client.because(why).update(kind, await completed(write), subresource)),
    updateStatus: async ({ kind, why, ...write }) =>
      wrote(kind, await client.because(why).updateStatus(kind, await completed(write))),
    patch: async ({ kind, key, patch, subresource, why }) =>
      wrote(kind, await client.because(why).patch(kind, refOf(key), patch, subresource)),
    delete: async ({ kind, key, options, why }) => {
      try {
        await client.because(why).delete(kind, refOf(key), options);
      } catch (error) {
        if (!isStatus(error, 'NotFound')) throw error;
      }
      return { kind, deleted: key, uid: options?.uid };
    },
    evict: async ({ kind, key, options = {}, why }) => {
      try {
        await client.because(why).post(kind, refOf(key), 'eviction', evictionOf(refOf(key), options));
      } catch (error) {
        if (!isStatus(error, 'NotFound')) throw error;
      }
      return { kind, deleted: key, uid: options.uid };
    },
    event: async ({ about, type, why }) => {
      events.record(about, type, why);
      return undefined;
    },
  };

  const one = async (action: AnyAction, written: Written[], tell: (deed: Performed) => void) => {
    try {
      if (action.do !== 'event') for (const check of action.checks ?? []) await mustHold(client, check);
      const perform = performers[action.do] as (action: AnyAction) => Promise<Written | undefined>;
      const result = await perform(action);
      if (result) written.push(result);
      tell({ action });
      if (action.do !== 'event' && action.event) announce(events, action.event, result);
    } catch (error) {
      tell({ action, error });
      throw error;
    }
  };

  return {
    async perform(actions, written, tell) {
      for (const batch of batches(actions)) {
        const results = await Promise.allSettled(batch.map((action) => one(action, written, tell)));
        const failed = results.find((result) => result.status === 'rejected');
        if (failed) throw failed.reason;
      }
    },
  };
}

/** Source: policy/v1. */
function evictionOf(ref: ObjectRef, { uid, graceSeconds }: { uid?: string; graceSeconds?: number }): object {
  const deleteOptions = {
    ...(uid !== undefined && { preconditions: { uid } }),
    ...(graceSeconds !== undefined && { gracePeriodSeconds: graceSeconds }),
  };
  return { apiVersion: 'policy/v1', kind: 'Eviction', metadata: ref, deleteOptions };
}

/** Single actions, and runs of those marked `together` in batches that double. */
export function* batches(actions: readonly AnyAction[]): Generator<readonly AnyAction[]> {
  let size = 1;
  for (let start = 0; start < actions.length; ) {
    if (!isTogether(actions[start])) {
      yield actions.slice(start, ++start);
      size = 1;
      continue;
    }
    let end = start;
    while (end < actions.length && end - start < size && isTogether(actions[end])) end++;
    yield actions.slice(start, end);
    start = end;
    size = Math.min(size * 2, LARGEST_BATCH);
  }
}

function announce(
  events: EventRecorder,
  { about, type, why }: { about: ApiObject; type: 'Normal' | 'Warning'; why: Why },
  result: Written | undefined,
): void {
  const name = result === undefined ? '' : 'name' in result ? result.name : refOf(result.deleted).name;
  events.record(about, type, { ...why, message: why.message.replaceAll('{name}', name) });
}

function isTogether(action: AnyAction | undefined): boolean {
  return action !== undefined && action.do !== 'event' && action.together === true;
}

function completed({
  object,
  complete,
}: {
  object: ApiObject;
  complete?: (object: ApiObject) => Promise<ApiObject>;
}): ApiObject | Promise<ApiObject> {
  return complete ? complete(object) : object;
}

async function mustHold(client: Client, check: Check): Promise<void> {
  if (check.is === 'allowed') return await mustBeAllowed(client, check.spec);
  if (check.is === 'empty') {
    const { items } = await client.list(check.kind as Kind, { namespace: check.namespace, limit: 1 });
    if (items.length === 0) return;
    throw new StatusError('Conflict', `${check.namespace} still holds ${resourceName(check.kind)}`);
  }
  try {
    const found = await client.get(check.kind as Kind, refOf(check.key));
    if (check.uid !== undefined && found.metadata.uid !== check.uid) return;
  } catch (error) {
    if (isStatus(error, 'NotFound')) return;
    throw error;
  }
  throw new StatusError('Conflict', `${resourceName(check.kind)} ${check.key} is still there`);
}

async function mustBeAllowed(client: Client, spec: SubjectAccessReview['spec']): Promise<void> {
  const review = {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SubjectAccessReview',
    metadata: { name: '' },
    spec,
  };
  const { status } = await client.create(SubjectAccessReviewKind, review as SubjectAccessReview);
  if (!status?.allowed) throw new StatusError('Forbidden', `${spec?.user} may not: ${status?.reason ?? ''}`);
}

function wrote(kind: Kind, object: ApiObject): Written {
  return { kind, resourceVersion: object.metadata.resourceVersion ?? '0', name: object.metadata.name };
}

/** The other way of keyOf. */
function refOf(key: ObjectKey): ObjectRef {
  const slash = key.indexOf('/');
  return slash < 0 ? { name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/** `create pods ns/name`, for logs. */
export function describeAction(action: AnyAction): string {
  if (action.do === 'event') return `${action.type} event about ${action.about.kind} ${keyOf(action.about)}`;
  const key = 'key' in action ? action.key : keyOf(action.object);
  return `${resourceName(action.kind)} ${key}`;
}
