import type { Kind } from '../kind.ts';
import type { Namespace } from '../objects.ts';
import { isDnsLabel } from '../validation/names.ts';
import { checkFinalizerNames } from '../validation/object-meta.ts';
import { ageColumn, column, nameColumn } from './columns.ts';
import { strategyOf } from './strategy.ts';

/** Held by a namespace until the namespace controller has emptied it. */
const FINALIZER = 'kubernetes';

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
  strategy: strategyOf<Namespace>({
    namespaced: false,
    name: isDnsLabel,
    defaults(namespace) {
      // So that selectors can name a namespace.
      namespace.metadata.labels ??= {};
      if (namespace.metadata.name)
        namespace.metadata.labels['kubernetes.io/metadata.name'] = namespace.metadata.name;
    },
    prepareForCreate(namespace) {
      namespace.status = { phase: 'Active' };
      namespace.spec ??= {};
      namespace.spec.finalizers ??= [];
      if (!namespace.spec.finalizers.includes(FINALIZER)) namespace.spec.finalizers.push(FINALIZER);
    },
    prepareForUpdate(namespace, old) {
      // Only the finalize subresource lets a namespace go.
      namespace.spec = old.spec;
    },
    prepareForDelete(namespace) {
      namespace.status = { ...namespace.status, phase: 'Terminating' };
    },
    heldBy: (namespace) => namespace.spec?.finalizers ?? [],
    check(namespace, faults) {
      checkFinalizerNames(namespace.spec?.finalizers, 'spec.finalizers', faults);
    },
    checkStatus(namespace, _old, faults) {
      const { deletionTimestamp } = namespace.metadata;
      const phase = namespace.status?.phase ?? '';
      if (phase === (deletionTimestamp ? 'Terminating' : 'Active')) return;
      const detail = deletionTimestamp
        ? "may only be 'Terminating' if `deletionTimestamp` is not empty"
        : "may only be 'Active' if `deletionTimestamp` is empty";
      faults.invalid('status.Phase', phase, detail);
    },
  }),
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
