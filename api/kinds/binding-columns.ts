import type { Column } from '../kind.ts';
import type { ClusterRoleBinding, RoleBinding } from '../objects.ts';
import { ageColumn, column, nameColumn, wideColumn } from './columns.ts';

/** The columns of role bindings and cluster role bindings. */
export const bindingColumns: Column<RoleBinding | ClusterRoleBinding>[] = [
  nameColumn,
  column('Role', 'string', 'The role it grants.', ({ roleRef }) =>
    roleRef ? `${roleRef.kind}/${roleRef.name}` : '',
  ),
  ageColumn,
  wideColumn('Users', 'string', 'Users it is granted to.', (binding) => subjectsText(binding, 'User')),
  wideColumn('Groups', 'string', 'Groups it is granted to.', (binding) => subjectsText(binding, 'Group')),
  wideColumn('ServiceAccounts', 'string', 'Service accounts it is granted to.', (binding) =>
    subjectsText(binding, 'ServiceAccount'),
  ),
];

function subjectsText(binding: RoleBinding | ClusterRoleBinding, kind: string): string {
  return (binding.subjects ?? [])
    .filter((subject) => subject.kind === kind)
    .map(({ namespace, name }) => (kind === 'ServiceAccount' ? `${namespace ?? ''}/${name}` : name))
    .join(', ');
}
