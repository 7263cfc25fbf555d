import { type Kind, resourceName } from '#api/kind.ts';
import { type ApiObject, keyOf } from '#api/objects.ts';
import { StatusError } from '#machinery/errors.ts';
import type {
  Client,
  DeleteOptions,
  ListOptions,
  ObjectList,
  ObjectRef,
  PatchBody,
  WatchEvent,
  WatchOptions,
} from '../contract.ts';
import type { FakeCall, FakeCluster, FakeVerb } from './fake-cluster.ts';
import { applyFakePatch } from './fake-patch.ts';
import { subresourceOf } from './subresources.ts';

/** The Client over a FakeCluster. What it returns are copies, as from a wire. */
export class FakeClient implements Client {
  readonly #cluster: FakeCluster;

  constructor(cluster: FakeCluster) {
    this.#cluster = cluster;
  }

  /** The fake keeps no causes. */
  because(): FakeClient {
    return this;
  }

  async get<T extends ApiObject>(kind: Kind<T>, ref: ObjectRef): Promise<T> {
    return this.#do('get', kind, ref, () => structuredClone(this.#cluster.require(kind, ref)));
  }

  async list<T extends ApiObject>(kind: Kind<T>, options: ListOptions = {}): Promise<ObjectList<T>> {
    return this.#do('list', kind, { name: '', namespace: options.namespace }, () => {
      const all = this.#cluster.select(kind, options).sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
      const start = options.continue ? all.findIndex((object) => keyOf(object) > options.continue!) : 0;
      const rest = start < 0 ? [] : all.slice(start);
      const page = options.limit ? rest.slice(0, options.limit) : rest;
      return {
        items: structuredClone(page),
        resourceVersion: this.#cluster.revision(),
        ...(page.length < rest.length && { continue: keyOf(page.at(-1)!) }),
      };
    });
  }

  async create<T extends ApiObject>(kind: Kind<T>, object: T): Promise<T> {
    return this.#do('create', kind, object.metadata, () => {
      return structuredClone(this.#cluster.create(kind, object));
    });
  }

  async update<T extends ApiObject>(kind: Kind<T>, object: T, subresource?: string): Promise<T> {
    return this.#do(
      'update',
      kind,
      object.metadata,
      () => this.#update(kind, object, subresource),
      subresource,
    );
  }

  async updateStatus<T extends ApiObject>(kind: Kind<T>, object: T): Promise<T> {
    return this.update(kind, object, 'status');
  }

  async patch<T extends ApiObject>(
    kind: Kind<T>,
    ref: ObjectRef,
    patch: PatchBody,
    subresource?: string,
  ): Promise<T> {
    return this.#do('patch', kind, ref, () => this.#patch(kind, ref, patch, subresource), subresource);
  }

  async delete<T extends ApiObject>(
    kind: Kind<T>,
    ref: ObjectRef,
    options: DeleteOptions = {},
  ): Promise<void> {
    this.#do('delete', kind, ref, () => this.#cluster.delete(kind, ref, options));
  }

  async post<R>(kind: Kind<never>, ref: ObjectRef, subresource: string, body: object): Promise<R> {
    return this.#do(
      'post',
      kind,
      ref,
      () => subresourceOf(kind, subresource)(this.#cluster, kind, ref, body) as R,
      subresource,
    );
  }

  async *watch<T extends ApiObject>(kind: Kind<T>, options: WatchOptions): AsyncGenerator<WatchEvent<T>> {
    const watcher = this.#do('watch', kind, { name: '', namespace: options.namespace }, () =>
      this.#cluster.watch(kind, options),
    );
    for await (const event of watcher) yield structuredClone(event) as WatchEvent<T>;
  }

  #update<T extends ApiObject>(kind: Kind<T>, object: T, subresource?: string): T {
    if (subresource && subresource !== 'status')
      return subresourceOf(kind, subresource)(this.#cluster, kind, object.metadata, object) as T;
    return structuredClone(this.#cluster.update(kind, object, subresource ? 'status' : 'spec'));
  }

  #patch<T extends ApiObject>(kind: Kind<T>, ref: ObjectRef, patch: PatchBody, subresource?: string): T {
    const old = this.#cluster.get(kind, ref);
    if (!old) {
      if (patch.type !== 'apply') this.#cluster.require(kind, ref);
      return structuredClone(this.#cluster.create(kind, structuredClone(patch.body) as T));
    }
    if (subresource && subresource !== 'status')
      throw new StatusError('MethodNotAllowed', `the fake cannot patch the subresource ${subresource}`);
    const patched = applyFakePatch(old, patch);
    return structuredClone(this.#cluster.update(kind, patched, subresource === 'status' ? 'status' : 'spec'));
  }

  #do<R>(
    verb: FakeVerb,
    kind: Kind<never>,
    ref: { name: string; namespace?: string },
    act: () => R,
    subresource?: string,
  ): R {
    const call: FakeCall = {
      verb,
      resource: resourceName(kind),
      key: keyOf({ metadata: ref }),
      ...(subresource && { subresource }),
    };
    const leave = this.#cluster.enter(call);
    const result = act();
    leave();
    return result;
  }
}
