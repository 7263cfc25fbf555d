/** One informer per kind for all controllers, and the views they are seen through. */
import { type Kind, resourceName } from '#api/kind.ts';
import { type ApiObject, keyOf, type ObjectKey } from '#api/objects.ts';
import type { Informer } from '#client/contract.ts';
import { type InformerOptions, startInformer } from '#client/informer.ts';
import { byController, byNamespace, byOwner } from '#client/object-indexes.ts';
import type { AnyController, ObjectOf, View } from './contract.ts';

const INDEXES = { namespace: byNamespace, controller: byController, owner: byOwner };

export class Informers implements View<readonly Kind<never>[]> {
  readonly #byResource = new Map<string, Informer<ApiObject>>();
  /** By resource and key: who waits for a change of that object. */
  readonly #waiting = new Map<string, Set<() => void>>();

  /** By resource: when the present version of each object came. */
  readonly #seen = new Map<string, Map<ObjectKey, number>>();

  /** Starts an informer for each kind; it holds what somebody looks at. */
  constructor(
    kinds: ReadonlyMap<Kind, readonly Pick<AnyController, 'content'>[]>,
    options: Omit<InformerOptions<ApiObject>, 'kind' | 'indexes' | 'keep'>,
  ) {
    for (const [kind, readers] of kinds) {
      const name = resourceName(kind);
      const informer = startInformer({ ...options, kind, indexes: INDEXES, keep: keptFor(readers) });
      this.#byResource.set(name, informer);
      const seen = new Map<ObjectKey, number>();
      this.#seen.set(name, seen);
      informer.onChange(({ type, object }) => {
        const key = keyOf(object);
        if (type === 'deleted') seen.delete(key);
        else seen.set(key, options.clock.now());
        for (const look of this.#waiting.get(`${name} ${key}`) ?? []) look();
      });
    }
  }

  /** Undefined when no controller reads the kind. */
  find(kind: Pick<Kind, 'group' | 'plural'>): Informer<ApiObject> | undefined {
    return this.#byResource.get(resourceName(kind));
  }

  async synced(): Promise<void> {
    await Promise.all([...this.#byResource.values()].map((informer) => informer.synced));
  }

  /** Resolves once the cached object (undefined when there is none) is as `test` wants it; rejects when `signal` aborts. */
  until(
    kind: Kind,
    key: ObjectKey,
    test: (object: ApiObject | undefined) => boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const informer = this.#of(kind);
    if (test(informer.get(key))) return Promise.resolve();
    const id = `${resourceName(kind)} ${key}`;
    return new Promise((resolve, reject) => {
      const looks = this.#waiting.get(id) ?? new Set();
      this.#waiting.set(id, looks);
      const stop = () => {
        looks.delete(look);
        if (looks.size === 0) this.#waiting.delete(id);
        signal.removeEventListener('abort', abort);
      };
      const look = () => {
        if (!test(informer.get(key))) return;
        stop();
        resolve();
      };
      const abort = () => {
        stop();
        reject(signal.reason);
      };
      signal.addEventListener('abort', abort, { once: true });
      looks.add(look);
    });
  }

  get<K extends Kind<never>>(kind: K, key: ObjectKey): ObjectOf<K> | undefined {
    return this.#of(kind).get(key) as ObjectOf<K> | undefined;
  }

  list<K extends Kind<never>>(kind: K, namespace?: string): readonly ObjectOf<K>[] {
    const informer = this.#of(kind);
    const found = namespace === undefined ? informer.list() : informer.byIndex('namespace', namespace);
    return found as unknown as readonly ObjectOf<K>[];
  }

  ownedBy<K extends Kind<never>>(kind: K, uid: string): readonly ObjectOf<K>[] {
    return this.#of(kind).byIndex('controller', uid) as unknown as readonly ObjectOf<K>[];
  }

  dependents<K extends Kind<never>>(kind: K, uid: string): readonly ObjectOf<K>[] {
    return this.#of(kind).byIndex('owner', uid) as unknown as readonly ObjectOf<K>[];
  }

  seenAt(kind: Kind<never>, key: ObjectKey): number | undefined {
    return this.#seen.get(resourceName(kind))?.get(key);
  }

  #of(kind: Kind<never>): Informer<ApiObject> {
    const informer = this.find(kind);
    if (!informer) throw new RangeError(`no controller declared that it reads ${resourceName(kind)}`);
    return informer;
  }
}

/** Of what no reader looks into, what says which object it is, whose, and whether it goes. */
function keptFor(readers: readonly Pick<AnyController, 'content'>[]): (object: ApiObject) => ApiObject {
  return (object) => {
    if (readers.some((reader) => reader.content?.(object) ?? true)) return object;
    const { apiVersion, kind } = object;
    const { name, namespace, uid, resourceVersion, ownerReferences, finalizers, deletionTimestamp } =
      object.metadata;
    const identity = { name, namespace, uid, resourceVersion };
    const metadata =
      ownerReferences || finalizers || deletionTimestamp
        ? { ...identity, ownerReferences, finalizers, deletionTimestamp }
        : identity;
    return { apiVersion, kind, metadata };
  };
}
