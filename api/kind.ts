import type { Identity } from '#machinery/transport.ts';
import type { ApiObject } from './objects.ts';

/**
 * A kind is one value: everything the generic engine of the server needs to know about it hangs off it. Adding a kind is
 * one file here and one line in index.ts. A built-in kind is a CustomResourceDefinition that ships with the server.
 */
export interface Kind<T extends ApiObject = ApiObject> {
  group: string;
  version: string;
  kind: string;
  plural: string;
  singular: string;
  shortNames?: string[];
  categories?: string[];
  /** Every answer about it warns with these words. */
  deprecation?: string;
  /** Nothing acts on it yet: what writes it is answered with a warning that says so. */
  inert?: true;
  namespaced: boolean;
  /** All of create, delete, deletecollection, get, list, patch, update, watch unless given. */
  verbs?: Verb[];
  /** Type name in the generated schemas: `io.k8s.api.core.v1.Pod`. */
  schema: string;
  /**
   * Answered at once and never stored (reviews): `verbs` is ['create'], the server has a handler for each, the strategy
   * only fills defaults and validates.
   */
  virtual?: true;
  /** Worked out by the server each time somebody asks, and never stored: `verbs` is ['get', 'list']. */
  computed?: true;
  /** Another view of objects that are stored as another kind: same names, resourceVersions and watch events. */
  storedAs?: StoredAs;
  /** Changes all the time, and nobody asks for its past: the store keeps minutes of it. */
  shortLived?: true;
  subresources?: Subresources<T>;
  strategy: Strategy<T>;
  columns: Column<T>[];
  /** How the rows of a table are ordered where not by name. */
  rowOrder?(a: T, b: T): number;
  /** Field selectors besides metadata.name and metadata.namespace: `spec.nodeName` → its value. */
  selectableFields?: Record<string, (object: T) => string>;
  /** Those of them by which the server finds objects without looking at all: many clients select by them. */
  indexedFields?: string[];
}

export type Verb = 'create' | 'delete' | 'deletecollection' | 'get' | 'list' | 'patch' | 'update' | 'watch';

/**
 * How a kind without storage of its own reads and writes the objects of another. The strategy of the stored kind makes and
 * judges them; what the view demands besides, of requests that name it, is its own validateCreate and validateUpdate.
 */
export interface StoredAs {
  group: string;
  version: string;
  plural: string;
  toStored(object: ApiObject): ApiObject;
  fromStored(stored: ApiObject): ApiObject;
}

export interface Subresources<T> {
  /** Spec and status are written apart: an update of one leaves the other alone. */
  status?: true;
  scale?: ScaleAccess<T>;
  /** Served by their own handlers in the apiserver: log, exec, binding, eviction, token, ... */
  others?: { name: string; kind: string; group?: string; version?: string; verbs: string[] }[];
}

/** How autoscaling/v1 Scale maps onto the kind. */
export interface ScaleAccess<T> {
  replicas(object: T): number;
  setReplicas(object: T, replicas: number): void;
  statusReplicas(object: T): number;
  /** As a string, `app=web,tier in (a,b)`. */
  selector(object: T): string;
}

/** All pure: they change or judge the object they are given and nothing else. */
export interface Strategy<T extends ApiObject> {
  /** Fills in what the user left out. Applied on every write and when reading from the wire. */
  defaults?(object: T): void;
  /** Before the first write: resets what users cannot set (status, generation is the engine's). */
  prepareForCreate?(object: T, write?: Write): void;
  /** Before a write to the object itself; the engine has already put the old status back. Not for subresources. */
  prepareForUpdate?(object: T, old: T): void;
  /** Before a write to the status subresource, or to one that writes a part of it (approval). */
  prepareForStatus?(object: T, old: T, write: Write): void;
  /** When deletion has begun and somebody still holds the object: deletionTimestamp has just been set. */
  prepareForDelete?(object: T): void;
  /** Who holds the object back besides metadata.finalizers: it goes only when both are empty (namespaces). */
  heldBy?(object: T): readonly string[];
  /** All faults, not only the first: of metadata too. */
  validate(object: T): FieldError[];
  /** Faults that only a new object can have; `validate` is called as well. */
  validateCreate?(object: T): FieldError[];
  /** Faults of the change itself (immutable fields); `validate` is called as well. */
  validateUpdate?(object: T, old: T): FieldError[];
  /** Validation of a write to the status subresource, or to `subresource`, which writes a part of it. */
  validateStatus?(object: T, old: T, subresource?: string): FieldError[];
  /** What people should know of an object that is valid: warnings of its creation, or of its change from `old`. */
  warnings?(object: T, old?: T): string[];
  /** The same of a write to the status. */
  statusWarnings?(object: T): string[];
  /** What the server must allocate in the same transaction. `old` is undefined on create, `object` on delete. */
  allocations?(object: T | undefined, old: T | undefined): AllocationRequest[];
  /** Whether a delete must wait for someone (pods: the node) and for how long, in seconds; 0 = at once. */
  graceSeconds?(object: T, asked: number | undefined): number;
}

/** Who writes what and when, for the kinds that note it. */
export interface Write {
  identity: Identity;
  /** RFC 3339. */
  now: string;
  /** Empty for the object itself. */
  subresource: string;
  /** Tells the writer what can no longer be seen when the write is prepared. */
  warn?(text: string): void;
}

/**
 * A claim on a pool that must be unique cluster-wide. The server picks a free value when `wanted` is missing and calls
 * `assign`, then commits claim and object together; a taken `wanted` is an Invalid error at `field`.
 */
export type AllocationRequest =
  | {
      type: 'claim';
      pool: 'clusterIP' | 'nodePort';
      wanted?: string;
      field: string;
      assign(value: string): void;
    }
  | { type: 'release'; pool: 'clusterIP' | 'nodePort'; value: string };

/** Reasons and wording follow Kubernetes' field package: "Required value", "Invalid value", ... */
export type FieldErrorType =
  | 'Required'
  | 'Invalid'
  | 'Duplicate'
  | 'NotSupported'
  | 'Forbidden'
  | 'TooLong'
  | 'TooMany'
  | 'NotFound'
  | 'TypeInvalid';

export interface FieldError {
  type: FieldErrorType;
  /** `spec.containers[0].name`, map keys in brackets: `metadata.labels[a/b]`. */
  field: string;
  /** The rejected value, shown in the message; left out for Required and Forbidden. */
  value?: unknown;
  detail: string;
}

/** A printer column. Source: Kubernetes API, TableColumnDefinition. */
export interface Column<T> {
  name: string;
  type: 'string' | 'integer' | 'number' | 'boolean' | 'date';
  /** `name` for the column that holds the object's name. */
  format?: string;
  description: string;
  /** 0 = always shown, 1 = with -o wide. */
  priority: 0 | 1;
  /** `now` in ms, for ages. */
  cell(object: T, now: number): string | number | boolean | null;
}

/** `pods` or `deployments.apps`. */
export function resourceName(kind: Pick<Kind, 'group' | 'plural'>): string {
  return kind.group ? `${kind.plural}.${kind.group}` : kind.plural;
}

/** `v1` or `apps/v1`. */
export function apiVersionOf(kind: Pick<Kind, 'group' | 'version'>): string {
  return kind.group ? `${kind.group}/${kind.version}` : kind.version;
}

/** `/api/v1/namespaces/ns/pods/name/log`: the path of a kind, an object or a subresource. */
export function pathOf(
  kind: Pick<Kind, 'group' | 'version' | 'plural' | 'namespaced'>,
  at: { namespace?: string; name?: string; subresource?: string } = {},
): string {
  const root = kind.group ? `/apis/${kind.group}/${kind.version}` : `/api/${kind.version}`;
  const namespace = kind.namespaced && at.namespace ? `/namespaces/${encodeURIComponent(at.namespace)}` : '';
  const name = at.name === undefined ? '' : `/${encodeURIComponent(at.name)}`;
  return `${root}${namespace}/${kind.plural}${name}${at.subresource ? `/${at.subresource}` : ''}`;
}
