/**
 * The schema of API objects as the server needs it: structure for decoding, list and map semantics for patches, numbers
 * for protobuf. Built-in types come from generated tables (load.ts); custom resources build the same values.
 */

/** What a leaf holds in JSON. `object` and `json` hold anything (an object, any value); `fields` is metav1.FieldsV1. */
export type Scalar =
  | 'string'
  | 'bool'
  | 'int32'
  | 'int64'
  | 'double'
  | 'bytes'
  | 'time'
  | 'microTime'
  | 'duration'
  | 'quantity'
  | 'intOrString'
  | 'object'
  | 'json'
  | 'fields';

/** Beside a JSONSchemaProps, what a union of apiextensions may hold. */
export type UnionOther = 'bool' | 'schemas' | 'strings';

export type ValueType =
  | { readonly form: 'scalar'; readonly scalar: Scalar }
  | { readonly form: 'struct'; readonly type: StructType }
  /** `wrapped`: in protobuf the list is a message of its own. */
  | { readonly form: 'list'; readonly of: ValueType; readonly wrapped?: boolean }
  | { readonly form: 'map'; readonly of: ValueType }
  | { readonly form: 'union'; readonly type: StructType; readonly other: UnionOther };

export type ListSemantics =
  | { readonly type: 'atomic' | 'set' }
  | { readonly type: 'map'; readonly keys: readonly string[] };

export type PatchStrategy = 'merge' | 'replace' | 'retainKeys';

export interface Field {
  /** In JSON. */
  readonly name: string;
  /** In protobuf; 0 = not there. */
  readonly number: number;
  readonly value: ValueType;
  readonly required: boolean;
  /** Zero ('', 0, false, {}, []) means something else than absent, and is kept. */
  readonly keepsZero: boolean;
  /** A pointer in Kubernetes' own programs: what is not a pointer is there even when nobody has set it. */
  readonly pointer?: boolean;
  readonly patch?: { readonly strategies: readonly PatchStrategy[]; readonly mergeKey?: string };
  /** How server-side apply sees the list; atomic unless given. */
  readonly list?: ListSemantics;
  /** A map or struct that server-side apply replaces whole. */
  readonly atomic?: boolean;
  /** The Go name of a named string type, for messages: `v1.PullPolicy`. */
  readonly as?: string;
  readonly enum?: readonly string[];
  readonly default?: unknown;
  /** A message on the wire whose fields stand directly in the parent in JSON. */
  readonly inline?: boolean;
}

export interface GroupVersionKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

export interface StructType {
  /** `io.k8s.api.core.v1.Pod`. */
  readonly name: string;
  /** Of types with apiVersion and kind of their own. */
  readonly gvk?: GroupVersionKind;
  /** By JSON name, inlined ones flattened in; `apiVersion` and `kind` too where there is a gvk. */
  readonly fields: ReadonlyMap<string, Field>;
  /** As on the protobuf wire: inlined messages as one field. */
  readonly wire: readonly Field[];
  /** Server-side apply replaces it whole. */
  readonly atomic?: boolean;
  /** Fields that the schema does not name are kept (x-kubernetes-preserve-unknown-fields). */
  readonly preservesUnknown?: boolean;
}

export interface Schemas {
  /** Throws RangeError when there is no such type. */
  type(name: string): StructType;
  /** undefined when the kind is not built in. */
  kind(group: string, version: string, kind: string): StructType | undefined;
  /** All type names, unsorted. */
  names(): string[];
  /** The version of the Kubernetes API that the schemas describe: `1.36`. */
  readonly version: string;
}

export type JsonObject = Record<string, unknown>;

/** Whether a JSON value is an object (not null, not a list). */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `v1.Container`: the Go name of a type, for error messages. */
export function goNameOf(type: StructType): string {
  return type.name.split('.').slice(-2).join('.');
}

/** Sets a member even when it is called `__proto__`. */
export function setMember(object: JsonObject, key: string, value: unknown): void {
  if (key === '__proto__')
    Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
  else object[key] = value;
}

/** The member of that name, never one of the prototype. */
export function member(object: JsonObject, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}
