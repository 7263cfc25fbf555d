import type { Kind } from '../kind.ts';
import type { ClusterRoleBinding } from '../objects.ts';
import { isPathSegment } from '../validation/names.ts';
import { checkBinding, checkBindingUpdate, defaultBinding } from '../validation/rbac.ts';
import { bindingColumns } from './binding-columns.ts';
import { strategyOf } from './strategy.ts';

/** Grants a role to subjects, everywhere. */
export const ClusterRoleBindingKind: Kind<ClusterRoleBinding> = {
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  kind: 'ClusterRoleBinding',
  plural: 'clusterrolebindings',
  singular: 'clusterrolebinding',
  namespaced: false,
  schema: 'io.k8s.api.rbac.v1.ClusterRoleBinding',
  strategy: strategyOf<ClusterRoleBinding>({
    namespaced: false,
    name: isPathSegment,
    defaults: defaultBinding,
    check: (binding, faults) => checkBinding(binding, ['ClusterRole'], faults),
    checkUpdate: checkBindingUpdate,
  }),
  columns: bindingColumns,
};
