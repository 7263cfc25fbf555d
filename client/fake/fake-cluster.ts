/**
 * An apiserver in memory for tests: resourceVersions, conflicts, generations, finalizers, selectors, subresources and
 * watches behave as the real one's; strategic and apply patches are merged without list keys, and nothing is validated
 * unless asked. It carries failure knobs, so that every step of a controller can be failed once.
 */
import type { Kind } from '#api/kind.ts';
import { resourceName } from '#api/kind.ts';
import { type ApiObject, keyOf, type ObjectKey } from '#api/objects.ts';
import { type Clock, rfc3339 } from '#machinery/clock.ts';
import { StatusError } from '#machinery/errors.ts';
import { nameSuffix, type Random, uuid } from '#machinery/random.ts';
import type { Client, DeleteOptions, ObjectRef, WatchOptions } from '../contract.ts';
import { FakeClient } from './fake-client.ts';
import { type Logged, openWatch, type Watcher } from './fake-watch.ts';
import { fieldsOf, labelsOf } from './matching.ts';

export interface FakeOptions {
  clock: Clock;
  random: Random;
  /** Calls strategy.validate on each write, as the server does. */
  validate?: boolean;
}

export type FakeVerb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete' | 'post';

/** One call to the API, as a failure knob sees it. */
export interface FakeCall {
  verb: FakeVerb;
  /** `pods`, `deployments.apps`. */
  resource: string;
  key: ObjectKey;
  subresource?: string;
}

const WRITES: readonly FakeVerb[] = ['create', 'update', 'patch', 'delete', 'post'];

/** Revisions kept for watches that resume. */
const LOG_LENGTH = 50_000;

interface Collection {
  kind: Kind<never>;
  objects: Map<ObjectKey, ApiObject>;
}

export class FakeCluster {
  readonly client: Client;
  readonly clock: Clock;
  /** Every call so far, in order. */
  readonly calls: FakeCall[] = [];
  readonly #random: Random;
  readonly #validate: boolean;
  readonly #collections = new Map<string, Collection>();
  readonly #watchers = new Set<Watcher>();
  #log: Logged[] = [];
  #revision = 1;
  #compacted = 0;
  readonly #answers = new Map<string, (question: ApiObject) => ApiObject>();
  #knobs: ((call: FakeCall) => StatusError | undefined)[] = [];
  #writes = 0;

  constructor(options: FakeOptions) {
    this.clock = options.clock;
    this.#random = options.random;
    this.#validate = options.validate ?? false;
    this.client = new FakeClient(this);
  }

  /** How a kind that is never stored (a review) is answered; as it came when left out. */
  answer<T extends ApiObject>(kind: Kind<T>, reply: (question: T) => T): void {
    this.#answers.set(resourceName(kind), reply as unknown as (question: ApiObject) => ApiObject);
  }

  // Failure knobs

  /** Asks `knob` about each call from now on; an error it returns is thrown before anything happens. */
  intercept(knob: (call: FakeCall) => StatusError | undefined): () => void {
    this.#knobs.push(knob);
    return () => {
      this.#knobs = this.#knobs.filter((other) => other !== knob);
    };
  }

  /** The `n`th write from now on (0 = the next) fails. `after` = it is done, but its answer is lost. */
  failWrite(n: number, when: 'before' | 'after' = 'before'): void {
    this.#failAt = { write: this.#writes + n, when };
  }
  #failAt: { write: number; when: 'before' | 'after' } | undefined;

  /** Writes so far. */
  get writes(): number {
    return this.#writes;
  }

  /** Ends every open watch, as a restart of the server does. */
  dropWatches(): void {
    for (const watcher of [...this.#watchers]) watcher.end();
  }

  /** Forgets history: a watch from an older revision is Expired. */
  compact(): void {
    this.#compacted = this.#revision;
    this.#log = [];
  }

  /** Sends every open watch the current revision. */
  bookmark(): void {
    for (const watcher of this.#watchers) watcher.bookmark(String(this.#revision));
  }

  // What tests look at and set up with

  revision(): string {
    return String(this.#revision);
  }

  get<T extends ApiObject>(kind: Kind<T>, ref: ObjectRef): T | undefined {
    return this.#collection(kind).objects.get(refKey(ref)) as T | undefined;
  }

  all<T extends ApiObject>(kind: Kind<T>, namespace?: string): T[] {
    const objects = [...this.#collection(kind).objects.values()] as T[];
    return namespace ? objects.filter((object) => object.metadata.namespace === namespace) : objects;
  }

  /** Changes a stored object as its user or node would, and tells watchers. */
  change<T extends ApiObject>(kind: Kind<T>, ref: ObjectRef, edit: (object: T) => void): T {
    const object = structuredClone(this.require(kind, ref));
    edit(object);
    kind.strategy.defaults?.(object);
    return this.store(kind, object, 'modified');
  }

  // What the client is made of

  /** Throws what a knob asks for; the returned function is to be called once the write is done. */
  enter(call: FakeCall): () => void {
    this.calls.push(call);
    const isWrite = WRITES.includes(call.verb);
    const write = isWrite ? this.#writes++ : -1;
    for (const knob of this.#knobs) {
      const error = knob(call);
      if (error) throw error;
    }
    if (!isWrite || this.#failAt?.write !== write) return () => undefined;
    const lost = new StatusError(
      'ServiceUnavailable',
      `planted failure of ${call.verb} ${call.resource} ${call.key}`,
    );
    if (this.#failAt.when === 'before') throw lost;
    return () => {
      throw lost;
    };
  }

  require<T extends ApiObject>(kind: Kind<T>, ref: ObjectRef): T {
    const object = this.get(kind, ref);
    if (!object) throw notFound(kind, ref.name);
    return object;
  }

  select<T extends ApiObject>(
    kind: Kind<T>,
    scope: { namespace?: string; labelSelector?: string; fieldSelector?: string },
  ): T[] {
    const byLabels = labelsOf(scope.labelSelector);
    const byFields = fieldsOf(kind, scope.fieldSelector);
    return this.all(kind, scope.namespace).filter((object) => byLabels(object) && byFields(object));
  }

  create<T extends ApiObject>(kind: Kind<T>, given: T): T {
    const object = structuredClone(given);
    if (kind.virtual) return (this.#answers.get(resourceName(kind))?.(object) ?? object) as T;
    const metadata = object.metadata;
    if (!metadata.name && metadata.generateName)
      metadata.name = `${metadata.generateName}${nameSuffix(this.#random)}`;
    if (kind.namespaced) metadata.namespace ??= 'default';
    if (this.get(kind, metadata))
      throw new StatusError('AlreadyExists', `${resourceName(kind)} "${metadata.name}" already exists`, {
        name: metadata.name,
        group: kind.group,
        kind: kind.plural,
      });
    if (metadata.resourceVersion)
      throw new StatusError('BadRequest', 'resourceVersion should not be set on objects to be created');
    metadata.uid = uuid(this.#random);
    metadata.creationTimestamp = rfc3339(this.clock.now());
    metadata.generation = 1;
    kind.strategy.defaults?.(object);
    kind.strategy.prepareForCreate?.(object);
    this.#check(kind, object);
    return this.store(kind, object, 'added');
  }

  update<T extends ApiObject>(kind: Kind<T>, given: T, part: 'spec' | 'status'): T {
    const old = this.require(kind, given.metadata);
    const { resourceVersion } = given.metadata;
    if (resourceVersion && resourceVersion !== old.metadata.resourceVersion) throw conflict(kind, old);
    if (given.metadata.uid && given.metadata.uid !== old.metadata.uid) throw conflict(kind, old);
    const object = part === 'status' ? withStatus(old, given) : withoutStatus(kind, old, given);
    kind.strategy.defaults?.(object);
    if (part === 'spec') {
      kind.strategy.prepareForUpdate?.(object, old);
      if (specChanged(object, old)) object.metadata.generation = (old.metadata.generation ?? 0) + 1;
    }
    this.#check(kind, object);
    if (object.metadata.deletionTimestamp && !object.metadata.finalizers?.length && !isPending(kind, object))
      return this.remove(kind, object);
    if (same(object, old)) return old;
    return this.store(kind, object, 'modified');
  }

  delete<T extends ApiObject>(kind: Kind<T>, ref: ObjectRef, options: DeleteOptions): void {
    const old = this.require(kind, ref);
    if (options.uid && options.uid !== old.metadata.uid) throw conflict(kind, old);
    if (options.resourceVersion && options.resourceVersion !== old.metadata.resourceVersion)
      throw conflict(kind, old);
    const object = structuredClone(old);
    const finalizers = new Set(object.metadata.finalizers);
    if (options.propagation === 'Foreground') finalizers.add('foregroundDeletion');
    if (options.propagation === 'Orphan') finalizers.add('orphan');
    object.metadata.finalizers = finalizers.size ? [...finalizers] : undefined;
    const grace = kind.strategy.graceSeconds?.(old, options.graceSeconds) ?? 0;
    if (!finalizers.size && !(grace > 0) && !isHeld(kind, object)) {
      this.remove(kind, object);
      return;
    }
    const now = this.clock.now();
    object.metadata.deletionTimestamp ??= rfc3339(now + grace * 1000);
    object.metadata.deletionGracePeriodSeconds = grace;
    kind.strategy.prepareForDelete?.(object);
    if (same(object, old)) return;
    this.store(kind, object, 'modified');
  }

  store<T extends ApiObject>(kind: Kind<T>, object: T, type: 'added' | 'modified'): T {
    const key = keyOf(object);
    const previous = this.#collection(kind).objects.get(key);
    object.metadata.resourceVersion = String(++this.#revision);
    this.#collection(kind).objects.set(key, object);
    this.#publish({ revision: this.#revision, kind, type, object, previous });
    return object;
  }

  remove<T extends ApiObject>(kind: Kind<T>, object: T): T {
    this.#collection(kind).objects.delete(keyOf(object));
    const last = structuredClone(object);
    last.metadata.resourceVersion = String(++this.#revision);
    this.#publish({ revision: this.#revision, kind, type: 'deleted', object: last, previous: object });
    return last;
  }

  watch(kind: Kind<never>, options: WatchOptions): Watcher {
    const from = Number(options.resourceVersion);
    if (from < this.#compacted)
      throw new StatusError('Expired', `too old resource version: ${from} (${this.#compacted})`);
    const past = this.#log.filter((logged) => logged.revision > from);
    return openWatch(kind, options, past, this.#watchers);
  }

  #publish(logged: Logged): void {
    this.#log.push(logged);
    if (this.#log.length > LOG_LENGTH) {
      this.#log = this.#log.slice(LOG_LENGTH / 2);
      this.#compacted = this.#log[0]!.revision - 1;
    }
    for (const watcher of this.#watchers) watcher.push(logged);
  }

  #check<T extends ApiObject>(kind: Kind<T>, object: T): void {
    if (!this.#validate) return;
    const faults = kind.strategy.validate(object);
    if (faults.length)
      throw new StatusError(
        'Invalid',
        faults.map((fault) => `${fault.field}: ${fault.type}: ${fault.detail}`).join(', '),
      );
  }

  #collection(kind: Kind<never>): Collection {
    const name = resourceName(kind);
    let collection = this.#collections.get(name);
    if (!collection) {
      collection = { kind, objects: new Map() };
      this.#collections.set(name, collection);
    }
    return collection;
  }
}

function refKey(ref: ObjectRef): ObjectKey {
  return keyOf({ metadata: ref });
}

function notFound(kind: Kind<never>, name: string): StatusError {
  return new StatusError('NotFound', `${resourceName(kind)} "${name}" not found`, {
    name,
    group: kind.group,
    kind: kind.plural,
  });
}

function conflict(kind: Kind<never>, old: ApiObject): StatusError {
  return new StatusError(
    'Conflict',
    `Operation cannot be fulfilled on ${resourceName(kind)} "${old.metadata.name}": the object has been modified`,
    { name: old.metadata.name, group: kind.group, kind: kind.plural },
  );
}

interface Parts {
  spec?: unknown;
  status?: unknown;
}

/** As the server: labels and annotations can be written with the status. */
function withStatus<T extends ApiObject>(old: T, given: T): T {
  const object = structuredClone(old);
  const { labels, annotations } = structuredClone(given.metadata);
  Object.assign(object.metadata, { labels, annotations });
  (object as Parts).status = structuredClone((given as Parts).status);
  return object;
}

function withoutStatus<T extends ApiObject>(kind: Kind<T>, old: T, given: T): T {
  const object = structuredClone(given);
  const { uid, creationTimestamp, generation, deletionTimestamp, deletionGracePeriodSeconds } = old.metadata;
  Object.assign(object.metadata, {
    uid,
    creationTimestamp,
    generation,
    deletionTimestamp,
    deletionGracePeriodSeconds,
  });
  object.metadata.resourceVersion = old.metadata.resourceVersion;
  if (kind.subresources?.status) (object as Parts).status = structuredClone((old as Parts).status);
  return object;
}

function specChanged(object: ApiObject, old: ApiObject): boolean {
  return JSON.stringify((object as Parts).spec) !== JSON.stringify((old as Parts).spec);
}

function same(object: ApiObject, old: ApiObject): boolean {
  return JSON.stringify(object) === JSON.stringify(old);
}

/** A pod that its node still has to stop stays after its finalizers are gone. */
function isPending<T extends ApiObject>(kind: Kind<T>, object: T): boolean {
  return (object.metadata.deletionGracePeriodSeconds ?? 0) > 0 || isHeld(kind, object);
}

function isHeld<T extends ApiObject>(kind: Kind<T>, object: T): boolean {
  return (kind.strategy.heldBy?.(object) ?? []).length > 0;
}
