import type { Kind } from '../kind.ts';
import type { RoleBinding } from '../objects.ts';
import { isPathSegment } from '../validation/names.ts';
import { checkBinding, checkBindingUpdate, defaultBinding } from '../validation/rbac.ts';
import { bindingColumns } from './binding-columns.ts';
import { strategyOf } from './strategy.ts';

/** Grants a role to subjects, in one namespace. */
export const RoleBindingKind: Kind<RoleBinding> = {
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  kind: 'RoleBinding',
  plural: 'rolebindings',
  singular: 'rolebinding',
  namespaced: true,
  schema: 'io.k8s.api.rbac.v1.RoleBinding',
  strategy: strategyOf<RoleBinding>({
    namespaced: true,
    name: isPathSegment,
    defaults: defaultBinding,
    check: (binding, faults) => checkBinding(binding, ['Role', 'ClusterRole'], faults),
    checkUpdate: checkBindingUpdate,
  }),
  columns: bindingColumns,
};
