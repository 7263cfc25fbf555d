/** What OpenAPI documents are made of: the served resources. Pure data. */
import { createHash } from 'node:crypto';
import type { Descriptions } from '../schema/load.ts';
import type { GroupVersionKind, Schemas } from '../schema/model.ts';

export interface OpenApiResource {
  group: string;
  version: string;
  kind: string;
  plural: string;
  namespaced: boolean;
  /** create, delete, deletecollection, get, list, patch, update, watch. */
  verbs: readonly string[];
  /** Name of the type of its objects: `io.k8s.api.core.v1.Pod`. */
  schema: string;
  subresources?: readonly OpenApiSubresource[];
}

export interface OpenApiSubresource {
  /** `status`, `scale`, `log`, ... */
  name: string;
  verbs: readonly string[];
  /** Of the object it takes and gives; the resource's own unless given. */
  gvk?: GroupVersionKind;
  /** Type of that object; a string for those that give none (log, exec). */
  schema?: string;
}

/** Everything that the documents are made from. */
export interface OpenApiSource {
  resources: readonly OpenApiResource[];
  schemas: Schemas;
  descriptions: Descriptions;
  /** Of the server: `v1.36.0`. */
  version: string;
}

/** `api/v1` or `apis/apps/v1`: the key of a group version's document. */
export function groupVersionPath(at: { group: string; version: string }): string {
  return at.group ? `apis/${at.group}/${at.version}` : `api/${at.version}`;
}

/** Changes whenever the document may have changed, and is known without making it. */
export function documentHash(source: OpenApiSource, path: string): string {
  const resources = source.resources.filter((resource) => groupVersionPath(resource) === path);
  return createHash('sha256')
    .update(JSON.stringify([source.version, source.schemas.version, resources]))
    .digest('hex')
    .toUpperCase();
}
