import type { Kind } from '../kind.ts';
import type { Namespace } from '../objects.ts';
import { ageColumn, column, nameColumn } from './columns.ts';

/** A scope for names; deleting it deletes all that is in it. */
export const NamespaceKind: Kind<Namespace> = {
  group: '',
  version: 'v1',
  kind: 'Namespace',
  plural: 'namespaces',
  singular: 'namespace',
  shortNames: ['ns'],
  namespaced: false,
  // No deletecollection: all namespaces are never deleted in one go.
  verbs: ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'],
  schema: 'io.k8s.api.core.v1.Namespace',
  subresources: { status: true, others: [{ name: 'finalize', kind: 'Namespace', verbs: ['update'] }] },
  strategy: { validate: () => [] },
  columns: [
    nameColumn,
    column(
      'Status',
      'string',
      'Active, or Terminating while its contents are deleted.',
      (ns) => ns.status?.phase ?? '',
    ),
    ageColumn,
  ],
  selectableFields: { 'status.phase': (ns) => ns.status?.phase ?? '' },
};
