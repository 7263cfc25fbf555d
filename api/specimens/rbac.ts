import { ClusterRoleKind } from '../kinds/cluster-role.ts';
import { ClusterRoleBindingKind } from '../kinds/cluster-role-binding.ts';
import { RoleKind } from '../kinds/role.ts';
import { RoleBindingKind } from '../kinds/role-binding.ts';
import { type Specimen, specimenOf } from './specimen.ts';

const apiGroup = 'rbac.authorization.k8s.io';
const rule = { verbs: ['get'], apiGroups: [''], resources: ['configmaps'], resourceNames: ['settings'] };
const subjects = [
  { kind: 'User', name: 'ann', apiGroup },
  { kind: 'Group', name: 'staff', apiGroup },
  { kind: 'ServiceAccount', name: 'robot', namespace: 'default' },
];

export const rbacSpecimens: readonly Specimen[] = [
  specimenOf(ClusterRoleKind, {
    'a role of rules': { rules: [rule, { verbs: ['get'], nonResourceURLs: ['/healthz', '/metrics/*'] }] },
    'a role of roles': {
      aggregationRule: {
        clusterRoleSelectors: [
          {
            matchLabels: { a: 'b' },
            matchExpressions: [{ key: 'c', operator: 'NotIn', values: ['d'] }],
          },
        ],
      },
    },
  }),
  specimenOf(ClusterRoleBindingKind, {
    'a role for all': { roleRef: { apiGroup, kind: 'ClusterRole', name: 'system:view' }, subjects },
  }),
  specimenOf(RoleKind, { 'a role': { rules: [rule] } }),
  specimenOf(RoleBindingKind, {
    'a role for all': { roleRef: { apiGroup, kind: 'Role', name: 'view' }, subjects },
  }),
];
