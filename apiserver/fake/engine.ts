import { type Kind, resourceName } from '#api/kind.ts';
import { type ApiObject, keyOf } from '#api/objects.ts';
import { StatusError } from '#machinery/errors.ts';
import type { Engine } from '../contract.ts';

type Listener = (key: string, object: ApiObject | undefined) => void;

/** The server's objects in memory, without defaults or validation: for tests of admission, authorization and handlers. */
export class FakeEngine implements Engine {
  readonly #objects = new Map<string, Map<string, ApiObject>>();
  readonly #listeners = new Map<string, Set<Listener>>();
  #uids = 0;
  /** Who wrote what, in order. */
  readonly writes: { actor: string; kind: string; key: string }[] = [];

  /** Puts the objects in place, as if they had been there. */
  seed<T extends ApiObject>(kind: Kind<T>, ...objects: T[]): this {
    for (const object of objects) this.#set(kind, object);
    return this;
  }

  remove(kind: Kind<never>, name: string, namespace?: string): void {
    const key = namespace ? `${namespace}/${name}` : name;
    this.#of(kind).delete(key);
    for (const listener of this.#listenersOf(kind)) listener(key, undefined);
  }

  get<T extends ApiObject>(kind: Kind<T>, name: string, namespace?: string): T | undefined {
    return this.#of(kind).get(namespace ? `${namespace}/${name}` : name) as T | undefined;
  }

  list<T extends ApiObject>(kind: Kind<T>, namespace?: string): readonly T[] {
    const all = [...this.#of(kind).values()] as T[];
    return namespace === undefined ? all : all.filter((object) => object.metadata.namespace === namespace);
  }

  async fresh(): Promise<void> {}

  onChange<T extends ApiObject>(
    kind: Kind<T>,
    listener: (key: string, object: T | undefined) => void,
  ): () => void {
    for (const object of this.list(kind)) listener(keyOf(object), object);
    const listeners = this.#listenersOf(kind);
    listeners.add(listener as Listener);
    return () => listeners.delete(listener as Listener);
  }

  async create<T extends ApiObject>(kind: Kind<T>, object: T, actor: string): Promise<T> {
    const { name, namespace } = object.metadata;
    if (this.get(kind, name, namespace)) {
      throw new StatusError('AlreadyExists', `${resourceName(kind)} "${name}" already exists`);
    }
    this.writes.push({ actor, kind: kind.kind, key: keyOf(object) });
    return this.#set(kind, object);
  }

  async update<T extends ApiObject>(
    kind: Kind<T>,
    name: string,
    namespace: string | undefined,
    actor: string,
    change: (object: T) => T,
  ): Promise<T> {
    const found = this.get(kind, name, namespace);
    if (!found) throw new StatusError('NotFound', `${resourceName(kind)} "${name}" not found`);
    const changed = change(structuredClone(found));
    this.writes.push({ actor, kind: kind.kind, key: keyOf(changed) });
    return this.#set(kind, changed);
  }

  #set<T extends ApiObject>(kind: Kind<T>, object: T): T {
    object.metadata.uid ??= `uid-${++this.#uids}`;
    this.#of(kind).set(keyOf(object), object);
    for (const listener of this.#listenersOf(kind)) listener(keyOf(object), object);
    return object;
  }

  #of(kind: Pick<Kind, 'group' | 'plural'>): Map<string, ApiObject> {
    const name = resourceName(kind);
    const found = this.#objects.get(name) ?? new Map<string, ApiObject>();
    this.#objects.set(name, found);
    return found;
  }

  #listenersOf(kind: Pick<Kind, 'group' | 'plural'>): Set<Listener> {
    const name = resourceName(kind);
    const found = this.#listeners.get(name) ?? new Set<Listener>();
    this.#listeners.set(name, found);
    return found;
  }
}
