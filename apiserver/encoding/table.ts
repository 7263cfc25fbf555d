/** Tables for people. Source: meta.k8s.io/v1 Table. */
import type { Kind } from '#api/kind.ts';
import type { ApiObject } from '#api/objects.ts';
import { StatusError } from '#machinery/errors.ts';

export type IncludeObject = 'None' | 'Metadata' | 'Object';

export interface TableOptions {
  metaVersion: 'v1' | 'v1beta1';
  includeObject: IncludeObject;
  /** Wall time in ms, for ages. */
  now: number;
}

export function includeObjectOf(query: URLSearchParams): IncludeObject {
  const asked = query.get('includeObject') || 'Metadata';
  if (asked === 'None' || asked === 'Object' || asked === 'Metadata') return asked;
  throw new StatusError(
    'BadRequest',
    `Unable to convert to Table as requested: includeObject: Invalid value: ${JSON.stringify(asked)}: must be 'Metadata', 'Object', 'None', or empty`,
  );
}

export interface ListMeta {
  resourceVersion?: string;
  continue?: string;
  remainingItemCount?: number;
}

/** The rows of some objects under the kind's columns; without the columns when `columns` is false. */
export function tableOf(
  kind: Kind,
  objects: ApiObject[],
  meta: ListMeta,
  options: TableOptions,
  columns = true,
): object {
  return {
    kind: 'Table',
    apiVersion: `meta.k8s.io/${options.metaVersion}`,
    metadata: meta,
    columnDefinitions: columns
      ? kind.columns.map(({ name, type, format, description, priority }) => ({
          name,
          type,
          format: format ?? '',
          description,
          priority,
        }))
      : null,
    rows: (kind.rowOrder ? objects.toSorted(kind.rowOrder) : objects).map((object) => ({
      cells: kind.columns.map((column) => column.cell(object, options.now)),
      object: rowObject(object, options),
    })),
  };
}

function rowObject(object: ApiObject, { includeObject, metaVersion }: TableOptions): object | null {
  if (includeObject === 'None') return null;
  return includeObject === 'Object' ? object : partialOf(object, metaVersion);
}

export function partialOf(object: ApiObject, metaVersion: 'v1' | 'v1beta1'): ApiObject {
  return {
    kind: 'PartialObjectMetadata',
    apiVersion: `meta.k8s.io/${metaVersion}`,
    metadata: object.metadata,
  };
}
