import type { Kind } from '../kind.ts';
import type { RoleBinding } from '../objects.ts';
import { bindingColumns } from './binding-columns.ts';

/** Grants a role to subjects, in one namespace. */
export const RoleBindingKind: Kind<RoleBinding> = {
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  kind: 'RoleBinding',
  plural: 'rolebindings',
  singular: 'rolebinding',
  namespaced: true,
  schema: 'io.k8s.api.rbac.v1.RoleBinding',
  strategy: { validate: () => [] },
  columns: bindingColumns,
};
