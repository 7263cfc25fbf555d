import type { Kind } from '../kind.ts';
import type { Role } from '../objects.ts';
import { isPathSegment } from '../validation/names.ts';
import { checkRole } from '../validation/rbac.ts';
import { createdAtColumn, nameColumn } from './columns.ts';
import { strategyOf } from './strategy.ts';

/** What may be done, in one namespace. */
export const RoleKind: Kind<Role> = {
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  kind: 'Role',
  plural: 'roles',
  singular: 'role',
  namespaced: true,
  schema: 'io.k8s.api.rbac.v1.Role',
  strategy: strategyOf<Role>({
    namespaced: true,
    name: isPathSegment,
    check: (role, faults) => checkRole(role, true, faults),
  }),
  columns: [nameColumn, createdAtColumn],
};
