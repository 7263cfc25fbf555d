import type { Kind } from '#api/kind.ts';
import type { ApiObject } from '#api/objects.ts';

/** How unknown and duplicate fields of a body are treated. Source: Kubernetes API, fieldValidation. */
export type FieldValidation = 'Strict' | 'Warn' | 'Ignore';

export type PatchType = 'json' | 'merge' | 'strategic';

/**
 * The formats of the wire, which the server needs but does not own: schemas, YAML, protobuf, patches, OpenAPI. All
 * reject with a StatusError (BadRequest, Invalid, UnsupportedMediaType) when the input is at fault.
 */
export interface Formats {
  /**
   * The object of a schema in a JSON text: unknown fields are dropped, wrong types refused. `warnings` hold what Strict
   * would refuse.
   */
  fromJson(text: string, schema: string, validation: FieldValidation): Decoded;
  fromYaml(text: string, schema: string, validation: FieldValidation): Decoded;
  /**
   * The configuration of a server-side apply: it declares nothing but what its type has.
   */
  fromApplied(text: string, kind: Kind, validation: FieldValidation): Decoded;
  /** `k8s\0` + runtime.Unknown. The schema is that of the type named inside. */
  fromProtobuf(bytes: Uint8Array): Decoded;
  /** Undefined when the type has no protobuf form. */
  toProtobuf(object: object): Uint8Array | undefined;
  toYaml(object: object): string;
  /** The text of a patch. */
  parsePatch(text: string, type: PatchType): unknown;
  /** The patched object, checked against the schema. */
  patch(
    kind: Kind,
    type: PatchType,
    current: ApiObject,
    patch: unknown,
    validation: FieldValidation,
  ): Decoded;
  /** Server-side apply. `current` undefined = create. Conflict when fields belong to others and `force` is false. */
  apply(kind: Kind, current: ApiObject | undefined, applied: ApiObject, options: ApplyOptions): ApiObject;
  openapi: OpenApi;
}

export interface Decoded {
  object: ApiObject;
  warnings: string[];
}

export interface ApplyOptions {
  fieldManager: string;
  force: boolean;
  subresource: string;
  /** What the write puts back: nobody owns it by it. */
  resets: readonly string[];
  time: string;
}

export interface OpenApi {
  v2(format: 'json' | 'protobuf'): Uint8Array;
  /** Path (`api/v1`, `apis/apps/v1`) → hash of its document. */
  v3(): Record<string, string>;
  /** As JSON. */
  v3Document(path: string): Uint8Array | undefined;
}

/** `io.k8s.api.apps.v1.Deployment` of `apps/v1` and `Deployment`: the schema of a type that no Kind names. */
export function schemaOf(apiVersion: string, kind: string): string {
  const [group, version] = apiVersion.includes('/') ? apiVersion.split('/') : ['core', apiVersion];
  return `io.k8s.api.${group!.replace(/\.k8s\.io$/, '').replace(/^rbac\.authorization$/, 'rbac')}.${version}.${kind}`;
}
