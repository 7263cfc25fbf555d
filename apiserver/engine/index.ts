import type { Kind } from '#api/kind.ts';
import type { ApiObject } from '#api/objects.ts';
import { keyOf } from '#api/objects.ts';
import { objectOf } from '../cache/item.ts';
import type { WatchCache } from '../cache/watch-cache.ts';
import type { Engine, ObjectReader } from '../contract.ts';
import { createObject } from './create.ts';
import type { KeySpace } from './keys.ts';
import { type ModifyOptions, modifyObject, type Produce } from './modify.ts';
import { type EngineParts, internalContext, type WriteOptions } from './parts.ts';
import { type Removed, type RemoveOptions, removeObject } from './remove.ts';
import type { Written } from './storage.ts';

/** Reads parsed objects from the watch cache. They are shared: not to be changed. */
export class CacheReader implements ObjectReader {
  readonly #cache: WatchCache;
  readonly #keys: KeySpace;

  constructor(cache: WatchCache, keys: KeySpace) {
    this.#cache = cache;
    this.#keys = keys;
  }

  get<T extends ApiObject>(kind: Kind<T>, name: string, namespace?: string): T | undefined {
    const item = this.#cache.of(kind).get(this.#keys.object(kind, namespace, name));
    return item && (objectOf(item) as T);
  }

  list<T extends ApiObject>(kind: Kind<T>, namespace?: string): readonly T[] {
    const items = this.#cache.of(kind).under(this.#keys.prefix(kind, namespace));
    return items.map((item) => objectOf(item) as T);
  }

  async fresh(): Promise<void> {
    await this.#cache.fresh();
  }

  onChange<T extends ApiObject>(
    kind: Kind<T>,
    listener: (key: string, object: T | undefined) => void,
  ): () => void {
    const cache = this.#cache.of(kind);
    for (const object of this.list(kind)) listener(keyOf(object), object);
    return cache.onEvent((event) => {
      const key = event.item.namespace ? `${event.item.namespace}/${event.item.name}` : event.item.name;
      listener(key, event.type === 'DELETED' ? undefined : (objectOf(event.item) as T));
    });
  }
}

/** The verbs over stored kinds: what request handlers and the server's own parts call. */
export class ObjectEngine implements Engine {
  readonly parts: EngineParts;
  readonly #signal: AbortSignal;

  constructor(parts: EngineParts, signal: AbortSignal) {
    this.parts = parts;
    this.#signal = signal;
  }

  get<T extends ApiObject>(kind: Kind<T>, name: string, namespace?: string): T | undefined {
    return this.parts.reader.get(kind, name, namespace);
  }

  list<T extends ApiObject>(kind: Kind<T>, namespace?: string): readonly T[] {
    return this.parts.reader.list(kind, namespace);
  }

  fresh(): Promise<void> {
    return this.parts.reader.fresh();
  }

  onChange<T extends ApiObject>(
    kind: Kind<T>,
    listener: (key: string, object: T | undefined) => void,
  ): () => void {
    return this.parts.reader.onChange(kind, listener);
  }

  async create<T extends ApiObject>(kind: Kind<T>, object: T, actor: string): Promise<T> {
    const copy = structuredClone(object);
    const context = internalContext(actor, `internal create by ${actor}`, this.#signal);
    const written = await this.insert(kind as unknown as Kind, copy.metadata.namespace, copy, { context });
    return written.object as T;
  }

  async update<T extends ApiObject>(
    kind: Kind<T>,
    name: string,
    namespace: string | undefined,
    actor: string,
    change: (object: T) => T,
  ): Promise<T> {
    const context = internalContext(actor, `internal update by ${actor}`, this.#signal);
    const produce: Produce = (current) => change(current as T);
    const written = await this.modify(kind as unknown as Kind, namespace, name, produce, {
      context,
      scope: 'object',
    });
    return written.object as T;
  }

  /** A create for a request. */
  insert(
    kind: Kind,
    namespace: string | undefined,
    object: ApiObject,
    options: WriteOptions,
  ): Promise<Written> {
    return createObject(this.parts, kind, namespace, object, options);
  }

  /** An update or patch for a request. */
  modify(
    kind: Kind,
    namespace: string | undefined,
    name: string,
    produce: Produce,
    options: ModifyOptions,
  ): Promise<Written> {
    return modifyObject(this.parts, kind, namespace, name, produce, options);
  }

  remove(kind: Kind, namespace: string | undefined, name: string, options: RemoveOptions): Promise<Removed> {
    return removeObject(this.parts, kind, namespace, name, options);
  }
}
