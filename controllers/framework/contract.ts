import type { Kind } from '#api/kind.ts';
import type { ApiObject, ObjectKey } from '#api/objects.ts';
import type { Why } from '#api/why.ts';
import type { DeleteOptions, PatchBody } from '#client/contract.ts';

/**
 * A controller is declared, never run by itself: what it is for, what it reads, what it writes, and a pure plan. The
 * framework feeds it, performs its actions, retries, and records why. Reading or writing a kind that was not declared
 * does not compile.
 */
export interface Controller<
  For extends ApiObject,
  Reads extends readonly Kind<never>[],
  Writes extends readonly Kind<never>[],
> {
  name: string;
  for: Kind<For>;
  reads: Reads;
  writes: Writes;
  /** Which objects of `for` a change of a read object concerns. One entry per read kind that matters. */
  wakes: Wake[];
  /** No I/O, no clock: what to do about `object` now. `object` is undefined once it is gone. */
  plan(
    key: ObjectKey,
    object: For | undefined,
    view: View<[Kind<For>, ...Reads]>,
    now: number,
  ): Plan<Writes[number]>;
}

export interface Wake {
  kind: Kind<never>;
  /** Keys of `for` objects; `view` lists them when a relation needs a search. */
  keys(changed: ApiObject, view: View<readonly Kind<never>[]>): ObjectKey[];
}

export type ObjectOf<K> = K extends Kind<infer T> ? T : never;

/** The informers of the declared kinds. */
export interface View<Kinds extends readonly Kind<never>[]> {
  get<K extends Kinds[number]>(kind: K, key: ObjectKey): ObjectOf<K> | undefined;
  /** All, or those of one namespace. */
  list<K extends Kinds[number]>(kind: K, namespace?: string): readonly ObjectOf<K>[];
  /** Those with a controller ownerReference to `uid`. */
  ownedBy<K extends Kinds[number]>(kind: K, uid: string): readonly ObjectOf<K>[];
}

export interface Plan<W = Kind<never>> {
  /** Performed in order; the first failure ends the plan and it is made anew. */
  actions: Action<W>[];
  /** Look again after this time though nothing changed. */
  againAfterMs?: number;
}

/** Closed: a new one does not compile until the executor handles it. Each carries why it is done. */
export type Action<W = Kind<never>> =
  | { do: 'create'; kind: W; object: ApiObject; why: Why }
  | { do: 'update'; kind: W; object: ApiObject; why: Why }
  | { do: 'updateStatus'; kind: W; object: ApiObject; why: Why }
  | { do: 'patch'; kind: W; key: ObjectKey; patch: PatchBody; subresource?: string; why: Why }
  | { do: 'delete'; kind: W; key: ObjectKey; options?: DeleteOptions; why: Why }
  /** A core/v1 Event about `about` (needs no declaration). */
  | { do: 'event'; about: ApiObject; type: 'Normal' | 'Warning'; why: Why };
