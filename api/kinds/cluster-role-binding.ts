import type { Kind } from '../kind.ts';
import type { ClusterRoleBinding } from '../objects.ts';
import { bindingColumns } from './binding-columns.ts';

/** Grants a role to subjects, everywhere. */
export const ClusterRoleBindingKind: Kind<ClusterRoleBinding> = {
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  kind: 'ClusterRoleBinding',
  plural: 'clusterrolebindings',
  singular: 'clusterrolebinding',
  namespaced: false,
  schema: 'io.k8s.api.rbac.v1.ClusterRoleBinding',
  strategy: { validate: () => [] },
  columns: bindingColumns,
};
