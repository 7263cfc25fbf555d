import type { Kind } from '#api/kind.ts';
import type { ApiObject, ObjectKey, SubjectAccessReview } from '#api/objects.ts';
import type { Why } from '#api/why.ts';
import type { DeleteOptions, PatchBody } from '#client/contract.ts';
import type { StatusError } from '#machinery/errors.ts';

/**
 * A controller is declared, never run by itself: what it is for, what it reads, what it writes, and a pure plan. The
 * framework feeds it, performs its actions, retries, and records why. Reading or writing a kind that was not declared
 * does not compile (define.test.ts holds it to that).
 */
export interface Controller<
  For extends ApiObject,
  Reads extends readonly Kind<never>[],
  Writes extends readonly Kind<never>[],
> {
  /** Lower case, as in metrics and events: `replicaset-controller`. */
  name: string;
  for: Kind<For>;
  reads: Reads;
  writes: Writes;
  /** Which objects of `for` a change of a read object concerns. One entry per read kind that matters. */
  wakes: Wake[];
  /**
   * Whether it looks at more of an object than name, uid, resourceVersion, owners, finalizers and deletionTimestamp; it
   * does at each when left out. What no controller looks at is not held in memory.
   */
  content?(object: ApiObject): boolean;
  /** A key is not planned again sooner than this after its last plan, for plans over many objects that change at once. */
  spacingMs?: number;
  /** Plans of different keys depend on each other (they share a pool): each waits until the last one's writes are seen. */
  oneAtATime?: true;
  /** What it knows as numbers, for dashboards and alerts: asked at each scrape, of its own informers only. */
  gauges?(view: View<[Kind<For>, ...Reads]>): Gauge[];
  /**
   * No I/O, no clock: what to do about `object` now. `object` is undefined once it is gone. `failed` is what the last plan
   * for this key failed with, for conditions and events that tell of it.
   */
  plan(
    key: ObjectKey,
    object: For | undefined,
    view: View<[Kind<For>, ...Reads]>,
    now: number,
    failed?: Failure,
  ): Plan<Writes[number]>;
}

/** Source: Prometheus, metric and label naming. */
export interface Gauge {
  name: string;
  help: string;
  values: { labels?: Record<string, string>; value: number }[];
}

/** The action that ended the last plan of a key. */
export interface Failure {
  do: AnyAction['do'];
  kind: Kind;
  error: StatusError;
}

export interface Wake {
  kind: Kind<never>;
  /** Keys of `for` objects. Asked for the object as it was and as it is. `view` holds every declared kind. */
  keys(changed: ApiObject, view: View<readonly Kind<never>[]>): Iterable<ObjectKey>;
}

export type ObjectOf<K> = K extends Kind<infer T> ? T : never;

/** The informers of the declared kinds. Objects are shared: a plan copies what it changes. */
export interface View<Kinds extends readonly Kind<never>[]> {
  get<K extends Kinds[number]>(kind: K, key: ObjectKey): ObjectOf<K> | undefined;
  /** All, or those of one namespace. */
  list<K extends Kinds[number]>(kind: K, namespace?: string): readonly ObjectOf<K>[];
  /** Those with a controller ownerReference to `uid`; with '' those that have no controller, in all namespaces. */
  ownedBy<K extends Kinds[number]>(kind: K, uid: string): readonly ObjectOf<K>[];
  /** Those with any ownerReference to `uid`. */
  dependents<K extends Kinds[number]>(kind: K, uid: string): readonly ObjectOf<K>[];
  /**
   * When (ms since the epoch) the present version of the object came to this process: the age of a heartbeat without
   * trusting another machine's clock.
   */
  seenAt(kind: Kinds[number], key: ObjectKey): number | undefined;
}

export interface Plan<W = Kind<never>> {
  /** Performed in order; the first failure ends the plan and it is made anew. */
  actions: Action<W>[];
  /** Look again after this time though nothing changed. */
  againAfterMs?: number;
}

/**
 * Asked of the server itself right before an action, where acting on a cache that lags could not be undone. When it does
 * not hold, the plan ends there and is made anew.
 */
export type Check =
  /** No object with this uid is there; without a uid, none with this key. */
  | { is: 'gone'; kind: Kind<never>; key: ObjectKey; uid?: string }
  /** The namespace holds no object of the kind. */
  | { is: 'empty'; kind: Kind<never>; namespace: string }
  /** The user may do that (SubjectAccessReview). When not, the plan fails with Forbidden, which the next one is told. */
  | { is: 'allowed'; spec: SubjectAccessReview['spec'] };

interface Common {
  why: Why;
  /** All must hold. */
  checks?: Check[];
  /**
   * Neighbours in the list with this mark do not depend on each other: they are sent together, in batches that double
   * from one, so that a thousand creates are quick and a thousand refusals cost a few requests.
   */
  together?: true;
  /** An Event that is told once this is done; `{name}` in its message becomes the name of the object written. */
  event?: { about: ApiObject; type: 'Normal' | 'Warning'; why: Why };
}

interface Write<K, T> extends Common {
  kind: K;
  object: T;
  /** Right before it is written: what no pure plan can make, as a signature. */
  complete?: (object: T) => Promise<T>;
}

interface Aim<K> extends Common {
  kind: K;
  key: ObjectKey;
}

type ActionOn<K, T> =
  | ({ do: 'create' } & Write<K, T>)
  /** `subresource`: finalize, scale. */
  | ({ do: 'update'; subresource?: string } & Write<K, T>)
  | ({ do: 'updateStatus' } & Write<K, T>)
  | ({ do: 'patch'; patch: PatchBody; subresource?: string } & Aim<K>)
  /** An object that is gone already counts as deleted. */
  | ({ do: 'delete'; options?: DeleteOptions } & Aim<K>)
  /** A delete of a pod that disruption budgets may refuse (TooManyRequests). */
  | ({ do: 'evict'; options?: Pick<DeleteOptions, 'uid' | 'graceSeconds'> } & Aim<K>);

/** A core/v1 Event about `about` (needs no declaration). */
type EventAction = { do: 'event'; about: ApiObject; type: 'Normal' | 'Warning'; why: Why };

/** Closed: a new one does not compile until the executor handles it. Each carries why it is done. */
export type Action<W = Kind<never>> = (W extends Kind<infer T> ? ActionOn<W, T> : never) | EventAction;

/** An action of any controller, as the executor sees it. */
export type AnyAction = ActionOn<Kind, ApiObject> | EventAction;

/** A controller of any kind, as the framework keeps it. */
export interface AnyController {
  readonly name: string;
  readonly for: Kind;
  readonly reads: readonly Kind[];
  readonly writes: readonly Kind[];
  readonly wakes: readonly Wake[];
  content?(object: ApiObject): boolean;
  readonly spacingMs?: number;
  readonly oneAtATime?: true;
  gauges?(view: View<readonly Kind<never>[]>): Gauge[];
  plan(
    key: ObjectKey,
    object: ApiObject | undefined,
    view: View<readonly Kind[]>,
    now: number,
    failed?: Failure,
  ): { actions: AnyAction[]; againAfterMs?: number };
}
