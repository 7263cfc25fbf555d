import type { Kind } from '../kind.ts';
import type { ClusterRole } from '../objects.ts';
import { isPathSegment } from '../validation/names.ts';
import { checkRole } from '../validation/rbac.ts';
import { createdAtColumn, nameColumn } from './columns.ts';
import { strategyOf } from './strategy.ts';

/** What may be done, in the whole cluster or any namespace. */
export const ClusterRoleKind: Kind<ClusterRole> = {
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  kind: 'ClusterRole',
  plural: 'clusterroles',
  singular: 'clusterrole',
  namespaced: false,
  schema: 'io.k8s.api.rbac.v1.ClusterRole',
  strategy: strategyOf<ClusterRole>({
    namespaced: false,
    name: isPathSegment,
    check: (role, faults) => checkRole(role, false, faults),
  }),
  columns: [nameColumn, createdAtColumn],
};
