import type { Kind } from '#api/kind.ts';
import type { ApiObject, ObjectKey } from '#api/objects.ts';
import type { Why } from '#api/why.ts';

/**
 * The only way to talk to the apiserver. Implementations: rest (over a Transport) and fake/; both pass conformance.ts.
 * All calls reject with a StatusError (machinery/errors.ts).
 */
export interface ObjectRef {
  name: string;
  namespace?: string;
}

export interface ListOptions {
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
  limit?: number;
  continue?: string;
  /** '' or left out = newest; '0' = whatever the server's cache holds. */
  resourceVersion?: string;
}

export interface ObjectList<T> {
  items: T[];
  resourceVersion: string;
  continue?: string;
}

export type PatchBody =
  | { type: 'json'; body: { op: string; path: string; value?: unknown }[] }
  | { type: 'merge' | 'strategic'; body: object }
  | { type: 'apply'; body: object; fieldManager: string; force?: boolean };

export interface DeleteOptions {
  uid?: string;
  resourceVersion?: string;
  graceSeconds?: number;
  propagation?: 'Background' | 'Foreground' | 'Orphan';
}

/** `bookmark` carries a revision up to which everything has been delivered. */
export type WatchEvent<T> =
  | { type: 'added' | 'modified' | 'deleted'; object: T }
  | { type: 'bookmark'; resourceVersion: string };

export interface WatchOptions {
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
  resourceVersion: string;
  signal: AbortSignal;
}

export interface Client {
  /** The same connection; what is written through it is kept with this cause. */
  because(why: Why): Client;
  get<T extends ApiObject>(kind: Kind<T>, ref: ObjectRef): Promise<T>;
  list<T extends ApiObject>(kind: Kind<T>, options?: ListOptions): Promise<ObjectList<T>>;
  create<T extends ApiObject>(kind: Kind<T>, object: NoInfer<T>): Promise<T>;
  /** Conflict when metadata.resourceVersion is set and no longer the newest. `subresource`: finalize, scale. */
  update<T extends ApiObject>(kind: Kind<T>, object: NoInfer<T>, subresource?: string): Promise<T>;
  updateStatus<T extends ApiObject>(kind: Kind<T>, object: NoInfer<T>): Promise<T>;
  patch<T extends ApiObject>(
    kind: Kind<T>,
    ref: ObjectRef,
    patch: PatchBody,
    subresource?: string,
  ): Promise<T>;
  delete<T extends ApiObject>(kind: Kind<T>, ref: ObjectRef, options?: DeleteOptions): Promise<void>;
  /** POST to a subresource: binding, eviction, token. */
  post<R>(kind: Kind<never>, ref: ObjectRef, subresource: string, body: object): Promise<R>;
  /** Ends when the server closes it or the signal aborts; throws Expired when the revision is too old. */
  watch<T extends ApiObject>(kind: Kind<T>, options: WatchOptions): AsyncIterable<WatchEvent<T>>;
}

export type Change<T> =
  | { type: 'added'; object: T }
  | { type: 'modified'; object: T; previous: T }
  | { type: 'deleted'; object: T };

/** A local copy of one kind, kept up by list + watch; never lags silently, never goes back. Objects are not to be changed. */
export interface Informer<T extends ApiObject> {
  readonly kind: Kind<T>;
  /** Resolves after the first whole list. */
  readonly synced: Promise<void>;
  get(key: ObjectKey): T | undefined;
  list(): readonly T[];
  /** Objects for which the index function `name` (given when the informer was made) returned `value`. */
  byIndex(name: string, value: string): readonly T[];
  /** resourceVersion up to which the copy is complete. */
  revision(): string;
  /** Resolves when the copy has seen `resourceVersion`: read your own writes. */
  waitFor(resourceVersion: string, signal?: AbortSignal): Promise<void>;
  /** Calls for each change from now on; the returned function stops it. Existing objects come as `added` first. */
  onChange(listener: (change: Change<T>) => void): () => void;
}
