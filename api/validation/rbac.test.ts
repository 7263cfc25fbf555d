import { describe } from 'vitest';
import type { Kind } from '../kind.ts';
import { ClusterRoleKind } from '../kinds/cluster-role.ts';
import { ClusterRoleBindingKind } from '../kinds/cluster-role-binding.ts';
import { RoleKind } from '../kinds/role.ts';
import { RoleBindingKind } from '../kinds/role-binding.ts';
import { LABEL_VALUE, SUBDOMAIN } from '../testing/name-texts.ts';
import { type ChangeRefusal, type Refusal, refusesEach, refusesEachChange } from '../testing/refusals.ts';

const rbac = 'rbac.authorization.k8s.io';
const role = { roleRef: { kind: 'ClusterRole', name: 'view' } };

/** [kind, the wrong parts, the faults]. */
const WRONG: Refusal[] = [
  [
    RoleKind as Kind,
    { rules: [{ nonResourceURLs: ['/a'], resources: ['pods'] }, {}] },
    [
      'rules[0].verbs: Required value: verbs must contain at least one value',
      'rules[0].nonResourceURLs: Invalid value: ["/a"]: namespaced rules cannot apply to non-resource URLs',
      'rules[0].nonResourceURLs: Invalid value: ["/a"]: rules cannot apply to both regular resources and non-resource URLs',
      'rules[1].verbs: Required value: verbs must contain at least one value',
      'rules[1].apiGroups: Required value: resource rules must supply at least one api group',
      'rules[1].resources: Required value: resource rules must supply at least one resource',
    ],
  ],
  [
    ClusterRoleKind as Kind,
    { rules: [{ verbs: ['get'], nonResourceURLs: ['/a'] }], aggregationRule: {} },
    [
      'aggregationRule.clusterRoleSelectors: Required value: at least one clusterRoleSelector required if aggregationRule is non-nil',
    ],
  ],
  [
    RoleBindingKind as Kind,
    { roleRef: { apiGroup: 'x', kind: 'Rolle', name: '' } },
    [
      `roleRef.apiGroup: Unsupported value: "x": supported values: "${rbac}"`,
      'roleRef.kind: Unsupported value: "Rolle": supported values: "Role", "ClusterRole"',
      'roleRef.name: Required value',
    ],
  ],
  [
    ClusterRoleBindingKind as Kind,
    { roleRef: { kind: 'Role', name: 'a/b' } },
    [
      'roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"',
      'roleRef.name: Invalid value: "a/b": may not contain \'/\'',
    ],
  ],
  [
    RoleBindingKind as Kind,
    {
      ...role,
      subjects: [
        { kind: 'ServiceAccount', name: 'a', apiGroup: 'x' },
        { kind: 'Team', name: '' },
        { kind: 'User', name: 'u', apiGroup: 'x' },
      ],
    },
    [
      'subjects[0].apiGroup: Unsupported value: "x": supported values: ""',
      'subjects[0].namespace: Required value',
      'subjects[1].name: Required value',
      'subjects[1].kind: Unsupported value: "Team": supported values: "ServiceAccount", "User", "Group"',
      `subjects[2].apiGroup: Unsupported value: "x": supported values: "${rbac}"`,
    ],
  ],
  [
    ClusterRoleKind as Kind,
    { aggregationRule: { clusterRoleSelectors: [{ matchLabels: { a: '-' } }] } },
    [`aggregationRule.clusterRoleSelectors[0].matchLabels: Invalid value: "-": ${LABEL_VALUE}`],
  ],
  [
    RoleBindingKind as Kind,
    { ...role, subjects: [{ kind: 'ServiceAccount', name: 'A', namespace: 'default' }] },
    [`subjects[0].name: Invalid value: "A": ${SUBDOMAIN}`],
  ],
];

describe('what is wrong is refused', () => refusesEach(WRONG));

/** [kind, before, after, the faults]. */
const CHANGES: ChangeRefusal[] = [
  [
    RoleBindingKind as Kind,
    role,
    { roleRef: { kind: 'Role', name: 'view' } },
    [`roleRef: Invalid value: {"kind":"Role","name":"view","apiGroup":"${rbac}"}: cannot change roleRef`],
  ],
];

describe('what cannot change stays', () => refusesEachChange(CHANGES));
