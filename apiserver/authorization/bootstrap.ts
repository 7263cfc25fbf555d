import type { Kind } from '#api/kind.ts';
import { ClusterRoleKind } from '#api/kinds/cluster-role.ts';
import { ClusterRoleBindingKind } from '#api/kinds/cluster-role-binding.ts';
import { RoleKind } from '#api/kinds/role.ts';
import { RoleBindingKind } from '#api/kinds/role-binding.ts';
import { SERVERS_GROUP } from '#api/node-link.ts';
import type {
  ApiObject,
  ClusterRole,
  ClusterRoleBinding,
  PolicyRule,
  RbacSubject,
  Role,
  RoleBinding,
} from '#api/objects.ts';
import { NODE_TOKEN_GROUP, SERVER_TOKEN_GROUP } from '#api/semantics/bootstrap-tokens.ts';
import { CLUSTER_INFO, CONTROL_PLANE_PATH, WELL_KNOWN } from '#api/well-known.ts';
import { CERTIFICATE_ROLES } from './bootstrap-certificates.ts';
import { NODE_RULES } from './bootstrap-node.ts';
import { CONTROLLER_RULES, SCHEDULER_RULES } from './bootstrap-system.ts';
import { ADMIN_RULES, EDIT_RULES, VIEW_RULES } from './bootstrap-users.ts';
import { GANTRY, path, read, rule } from './rule-words.ts';

/**
 * The roles and bindings every cluster begins with, as data. Source: Kubernetes "Default roles and role bindings".
 */
const BOOTSTRAP_LABEL = { 'kubernetes.io/bootstrapping': 'rbac-defaults' };
/** An administrator sets it to "false" on an object that start-up shall leave alone. */
export const AUTOUPDATE = 'rbac.authorization.kubernetes.io/autoupdate';
const AGGREGATE = 'rbac.authorization.k8s.io/aggregate-to-';
const RBAC_VERSION = 'rbac.authorization.k8s.io/v1';
const RBAC_GROUP = 'rbac.authorization.k8s.io';

const group = (name: string): RbacSubject => ({ kind: 'Group', name, apiGroup: RBAC_GROUP });
const user = (name: string): RbacSubject => ({ kind: 'User', name, apiGroup: RBAC_GROUP });

const DISCOVERY_PATHS = path(
  '/api',
  '/api/*',
  '/apis',
  '/apis/*',
  '/healthz',
  '/livez',
  '/openapi',
  '/openapi/*',
  '/readyz',
  '/version',
  '/version/',
);

const CLUSTER_ROLES: ClusterRole[] = [
  clusterRole('cluster-admin', [
    { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
    { verbs: ['*'], nonResourceURLs: ['*'] },
  ]),
  aggregatedRole('admin', ADMIN_RULES, []),
  aggregatedRole('edit', EDIT_RULES, ['admin']),
  aggregatedRole('view', VIEW_RULES, ['edit', 'admin']),
  clusterRole('system:discovery', [DISCOVERY_PATHS]),
  clusterRole('system:public-info-viewer', [path('/healthz', '/livez', '/readyz', '/version', '/version/')]),
  clusterRole('gantry:server-bootstrapper', [{ verbs: ['post'], nonResourceURLs: [CONTROL_PLANE_PATH] }]),
  clusterRole('gantry:public-documents', [path(`${WELL_KNOWN}/*`)]),
  clusterRole('system:monitoring', [
    path('/healthz', '/healthz/*', '/livez', '/livez/*', '/metrics', '/metrics/slis', '/readyz', '/readyz/*'),
  ]),
  clusterRole('system:basic-user', [
    rule(['create'], ['authorization.k8s.io'], ['selfsubjectaccessreviews', 'selfsubjectrulesreviews']),
    rule(['create'], ['authentication.k8s.io'], ['selfsubjectreviews']),
  ]),
  clusterRole('system:auth-delegator', [
    rule(['create'], ['authentication.k8s.io'], ['tokenreviews']),
    rule(['create'], ['authorization.k8s.io'], ['subjectaccessreviews']),
  ]),
  clusterRole('system:service-account-issuer-discovery', [
    path('/.well-known/openid-configuration', '/openid/v1/jwks'),
  ]),
  ...Object.entries(CERTIFICATE_ROLES).map(([name, rules]) => clusterRole(name, rules)),
  clusterRole('system:node', NODE_RULES),
  clusterRole('gantry:apiserver', [rule(['get'], [GANTRY], ['nodes/link'])]),
  clusterRole('system:node-proxier', [
    rule(['list', 'watch'], [''], ['services', 'endpoints']),
    rule(read, [''], ['nodes']),
    rule(['list', 'watch'], ['discovery.k8s.io'], ['endpointslices']),
    rule(['list', 'watch'], ['networking.k8s.io'], ['servicecidrs']),
  ]),
  clusterRole('system:kube-controller-manager', CONTROLLER_RULES),
  clusterRole('system:kube-scheduler', SCHEDULER_RULES),
];

const CLUSTER_ROLE_BINDINGS: ClusterRoleBinding[] = [
  clusterRoleBinding('cluster-admin', 'cluster-admin', [group('system:masters')]),
  clusterRoleBinding('system:discovery', 'system:discovery', [group('system:authenticated')]),
  clusterRoleBinding('system:basic-user', 'system:basic-user', [group('system:authenticated')]),
  clusterRoleBinding('system:public-info-viewer', 'system:public-info-viewer', [
    group('system:authenticated'),
    group('system:unauthenticated'),
  ]),

  clusterRoleBinding('gantry:public-documents', 'gantry:public-documents', [
    group('system:authenticated'),
    group('system:unauthenticated'),
  ]),
  ...nodeBindings(),
  clusterRoleBinding('system:monitoring', 'system:monitoring', [group('system:monitoring')]),
  clusterRoleBinding('system:service-account-issuer-discovery', 'system:service-account-issuer-discovery', [
    group('system:serviceaccounts'),
  ]),
  clusterRoleBinding('system:kube-controller-manager', 'system:kube-controller-manager', [
    user('system:kube-controller-manager'),
  ]),
  clusterRoleBinding('gantry:apiserver', 'gantry:apiserver', [group(SERVERS_GROUP)]),
  clusterRoleBinding('system:kube-scheduler', 'system:kube-scheduler', [user('system:kube-scheduler')]),
  clusterRoleBinding('system:node-proxier', 'system:node-proxier', [user('system:kube-proxy')]),
];

/** Machines that join may ask for certificates, and get them without people; so may nodes for their own. */
function nodeBindings(): ClusterRoleBinding[] {
  const joining = group(NODE_TOKEN_GROUP);
  const certificates = 'system:certificates.k8s.io:certificatesigningrequests';
  return [
    clusterRoleBinding('gantry:server-bootstrapper', 'gantry:server-bootstrapper', [
      group(SERVER_TOKEN_GROUP),
    ]),
    clusterRoleBinding('gantry:node-bootstrapper', 'system:node-bootstrapper', [joining]),
    clusterRoleBinding('gantry:node-autoapprove-bootstrap', `${certificates}:nodeclient`, [joining]),
    clusterRoleBinding('gantry:node-autoapprove-renewal', `${certificates}:selfnodeclient`, [
      group('system:nodes'),
    ]),
    clusterRoleBinding('gantry:node-autoapprove-serving', `${certificates}:selfnodeserver`, [
      group('system:nodes'),
    ]),
  ];
}

const KUBE_SYSTEM = 'kube-system';
/** kubeadm's, by its own name. */
const CLUSTER_INFO_READER = 'gantry:bootstrap-signer-clusterinfo';
const AUTHENTICATION_READER = 'extension-apiserver-authentication-reader';

const ROLES: Role[] = [
  {
    apiVersion: RBAC_VERSION,
    kind: 'Role',
    metadata: { ...metadata(AUTHENTICATION_READER), namespace: KUBE_SYSTEM },
    rules: [{ ...rule(read, [''], ['configmaps']), resourceNames: ['extension-apiserver-authentication'] }],
  },
  {
    apiVersion: RBAC_VERSION,
    kind: 'Role',
    metadata: { ...metadata(CLUSTER_INFO_READER), namespace: CLUSTER_INFO.namespace },
    rules: [{ ...rule(['get'], [''], ['configmaps']), resourceNames: [CLUSTER_INFO.name] }],
  },
];

const ROLE_BINDINGS: RoleBinding[] = [
  {
    apiVersion: RBAC_VERSION,
    kind: 'RoleBinding',
    metadata: { ...metadata(`system::${AUTHENTICATION_READER}`), namespace: KUBE_SYSTEM },
    roleRef: { apiGroup: RBAC_GROUP, kind: 'Role', name: AUTHENTICATION_READER },
    subjects: [user('system:kube-controller-manager'), user('system:kube-scheduler')],
  },
  {
    apiVersion: RBAC_VERSION,
    kind: 'RoleBinding',
    metadata: { ...metadata(CLUSTER_INFO_READER), namespace: CLUSTER_INFO.namespace },
    roleRef: { apiGroup: RBAC_GROUP, kind: 'Role', name: CLUSTER_INFO_READER },
    subjects: [user('system:anonymous')],
  },
];

/** Kind and objects, roles before the bindings that refer to them. */
export const BOOTSTRAP_POLICY: readonly { kind: Kind; objects: readonly ApiObject[] }[] = [
  { kind: ClusterRoleKind as unknown as Kind, objects: CLUSTER_ROLES },
  { kind: RoleKind as unknown as Kind, objects: ROLES },
  { kind: ClusterRoleBindingKind as unknown as Kind, objects: CLUSTER_ROLE_BINDINGS },
  { kind: RoleBindingKind as unknown as Kind, objects: ROLE_BINDINGS },
];

function metadata(name: string, labels: Record<string, string> = {}) {
  return { name, labels: { ...BOOTSTRAP_LABEL, ...labels }, annotations: { [AUTOUPDATE]: 'true' } };
}

function clusterRole(name: string, rules: PolicyRule[], labels: Record<string, string> = {}): ClusterRole {
  return { apiVersion: RBAC_VERSION, kind: 'ClusterRole', metadata: metadata(name, labels), rules };
}

/** A role that others can add to by their labels: its own rules, and the selected ones at evaluation. */
function aggregatedRole(name: string, rules: PolicyRule[], into: string[]): ClusterRole {
  const labels = Object.fromEntries(into.map((target) => [`${AGGREGATE}${target}`, 'true']));
  return {
    ...clusterRole(name, rules, labels),
    aggregationRule: { clusterRoleSelectors: [{ matchLabels: { [`${AGGREGATE}${name}`]: 'true' } }] },
  };
}

function clusterRoleBinding(name: string, role: string, subjects: RbacSubject[]): ClusterRoleBinding {
  return {
    apiVersion: RBAC_VERSION,
    kind: 'ClusterRoleBinding',
    metadata: metadata(name),
    roleRef: { apiGroup: RBAC_GROUP, kind: 'ClusterRole', name: role },
    subjects,
  };
}
