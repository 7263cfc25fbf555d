import { beforeEach, describe, expect, test } from 'vitest';
import { ClusterRoleKind } from '#api/kinds/cluster-role.ts';
import { ClusterRoleBindingKind } from '#api/kinds/cluster-role-binding.ts';
import { PodKind } from '#api/kinds/pod.ts';
import { RoleKind } from '#api/kinds/role.ts';
import { RoleBindingKind } from '#api/kinds/role-binding.ts';
import type {
  ClusterRole,
  ClusterRoleBinding,
  Pod,
  PolicyRule,
  RbacSubject,
  Role,
  RoleBinding,
} from '#api/objects.ts';
import type { Identity } from '#machinery/transport.ts';
import type { AuthorizationAttributes } from '../contract.ts';
import { FakeEngine } from '../fake/engine.ts';
import { authorizer, forbidden, reconcilePolicy, type ServerAuthorizer } from './index.ts';
import { notCovered } from './rules.ts';

const VERSION = 'rbac.authorization.k8s.io/v1';
const ann: Identity = { name: 'ann', groups: ['dev', 'system:authenticated'] };
const builder: Identity = { name: 'system:serviceaccount:ci:builder', groups: ['system:serviceaccounts'] };

function role(name: string, rules: PolicyRule[], namespace = 'default'): Role {
  return { apiVersion: VERSION, kind: 'Role', metadata: { name, namespace }, rules };
}

function clusterRole(name: string, rules: PolicyRule[], labels: Record<string, string> = {}): ClusterRole {
  return { apiVersion: VERSION, kind: 'ClusterRole', metadata: { name, labels }, rules };
}

function bind(
  name: string,
  kind: string,
  roleName: string,
  subjects: RbacSubject[],
  namespace = 'default',
): RoleBinding {
  return {
    apiVersion: VERSION,
    kind: 'RoleBinding',
    metadata: { name, namespace },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind, name: roleName },
    subjects,
  };
}

function bindEverywhere(name: string, roleName: string, subjects: RbacSubject[]): ClusterRoleBinding {
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: roleName };
  return { apiVersion: VERSION, kind: 'ClusterRoleBinding', metadata: { name }, roleRef, subjects };
}

/** `get pods/log in default`, `list nodes`, `get /metrics` as attributes. */
function ask(
  identity: Identity,
  sentence: string,
  name = '',
  fieldSelector?: string,
): AuthorizationAttributes {
  const [verb = '', what = '', , namespace = ''] = sentence.split(' ');
  const isResource = !what.startsWith('/');
  const [qualified = '', subresource = ''] = isResource ? what.split('/') : [''];
  const [resource = '', ...group] = qualified.split('.');
  return {
    identity,
    verb,
    isResource,
    group: group.join('.'),
    version: 'v1',
    resource,
    subresource,
    namespace,
    name,
    path: isResource ? '' : what,
    ...(fieldSelector && { fieldSelector }),
  };
}

let objects: FakeEngine;
let policy: ServerAuthorizer;
beforeEach(() => {
  objects = new FakeEngine();
  policy = authorizer(objects);
});
const may = (identity: Identity, sentence: string, name = '', fieldSelector?: string) =>
  policy.authorize(ask(identity, sentence, name, fieldSelector)).allowed;

describe('RBAC', () => {
  test('a role binding grants in its namespace, to users, groups and service accounts', () => {
    objects.seed(RoleKind, role('reader', [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }]));
    objects.seed(
      RoleBindingKind,
      bind('b', 'Role', 'reader', [
        { kind: 'Group', name: 'dev' },
        { kind: 'ServiceAccount', name: 'builder', namespace: 'ci' },
      ]),
    );
    expect(may(ann, 'get pods in default')).toBe(true);
    expect(may(builder, 'get pods in default')).toBe(true);
    expect(may(ann, 'get pods in other')).toBe(false);
    expect(may(ann, 'get pods')).toBe(false);
    expect(may(ann, 'list pods in default')).toBe(false);
    expect(may(ann, 'get pods/log in default')).toBe(false);
    expect(may(ann, 'get pods.metrics.k8s.io in default')).toBe(false);
  });

  test('a cluster role counts everywhere by a cluster binding, in one namespace by a role binding', () => {
    objects.seed(
      ClusterRoleKind,
      clusterRole('r', [{ verbs: ['list'], apiGroups: ['apps'], resources: ['*'] }]),
    );
    objects.seed(RoleBindingKind, bind('b', 'ClusterRole', 'r', [{ kind: 'User', name: 'ann' }]));
    expect(may(ann, 'list deployments.apps in default')).toBe(true);
    expect(may(ann, 'list deployments.apps')).toBe(false);
    objects.seed(ClusterRoleBindingKind, bindEverywhere('b', 'r', [{ kind: 'User', name: 'ann' }]));
    expect(may(ann, 'list deployments.apps')).toBe(true);
    expect(may(ann, 'list deployments.apps in other')).toBe(true);
  });

  test('a change or removal of a role or binding counts at once', () => {
    objects.seed(ClusterRoleBindingKind, bindEverywhere('b', 'later', [{ kind: 'User', name: 'ann' }]));
    expect(may(ann, 'get nodes')).toBe(false);
    objects.seed(
      ClusterRoleKind,
      clusterRole('later', [{ verbs: ['*'], apiGroups: [''], resources: ['nodes'] }]),
    );
    expect(may(ann, 'get nodes')).toBe(true);
    objects.seed(ClusterRoleBindingKind, bindEverywhere('b', 'later', [{ kind: 'User', name: 'bob' }]));
    expect(may(ann, 'get nodes')).toBe(false);
    objects.remove(ClusterRoleBindingKind as never, 'b');
    expect(may({ name: 'bob', groups: [] }, 'get nodes')).toBe(false);
  });

  test('resource names, subresource patterns and paths', () => {
    const rules: PolicyRule[] = [
      { verbs: ['get'], apiGroups: [''], resources: ['secrets'], resourceNames: ['one'] },
      { verbs: ['update'], apiGroups: ['*'], resources: ['*/scale'] },
      { verbs: ['get'], nonResourceURLs: ['/logs/*', '/metrics'] },
    ];
    objects.seed(ClusterRoleKind, clusterRole('r', rules));
    objects.seed(ClusterRoleBindingKind, bindEverywhere('b', 'r', [{ kind: 'User', name: 'ann' }]));
    expect(may(ann, 'get secrets in default', 'one')).toBe(true);
    expect(may(ann, 'get secrets in default', 'two')).toBe(false);
    expect(may(ann, 'get secrets in default')).toBe(false);
    expect(may(ann, 'update deployments.apps/scale in default')).toBe(true);
    expect(may(ann, 'update deployments.apps in default')).toBe(false);
    expect(may(ann, 'get /logs/a/b')).toBe(true);
    expect(may(ann, 'get /metrics')).toBe(true);
    expect(may(ann, 'get /metrics/x')).toBe(false);
  });

  test('an aggregating role has the rules of the roles it selects, also of later ones', () => {
    const selector = { clusterRoleSelectors: [{ matchLabels: { 'add-to-view': 'true' } }] };
    objects.seed(ClusterRoleKind, { ...clusterRole('view', []), aggregationRule: selector });
    objects.seed(ClusterRoleBindingKind, bindEverywhere('b', 'view', [{ kind: 'User', name: 'ann' }]));
    expect(may(ann, 'get widgets.example.com')).toBe(false);
    const more = [{ verbs: ['get'], apiGroups: ['example.com'], resources: ['widgets'] }];
    objects.seed(ClusterRoleKind, clusterRole('more', more, { 'add-to-view': 'true' }));
    expect(may(ann, 'get widgets.example.com')).toBe(true);
  });

  test('a decision among 5,000 bindings of others is made from the asker’s own', () => {
    for (let i = 0; i < 5000; i++) {
      objects.seed(
        RoleBindingKind,
        bind(`b${i}`, 'Role', 'reader', [{ kind: 'User', name: `u${i}` }], `n${i}`),
      );
      objects.seed(
        RoleKind,
        role('reader', [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }], `n${i}`),
      );
    }
    expect(may({ name: 'u77', groups: [] }, 'get pods in n77')).toBe(true);
    expect(may({ name: 'u77', groups: [] }, 'get pods in n78')).toBe(false);
  });
});

describe('wording of refusals', () => {
  const said = (sentence: string, name = '') => {
    const asked = ask({ name: 'x', groups: [] }, sentence, name);
    return forbidden(asked, policy.authorize(asked)).message;
  };

  test('is that of Kubernetes', () => {
    expect(said('list pods in default')).toBe(
      'pods is forbidden: User "x" cannot list resource "pods" in API group "" in the namespace "default"',
    );
    expect(said('get deployments.apps/scale in a', 'web')).toBe(
      'deployments.apps "web" is forbidden: User "x" cannot get resource "deployments/scale" in API group "apps" in the namespace "a"',
    );
    expect(said('list nodes')).toBe(
      'nodes is forbidden: User "x" cannot list resource "nodes" in API group "" at the cluster scope',
    );
    expect(said('get /metrics')).toBe('forbidden: User "x" cannot get path "/metrics"');
  });
});

describe('the default policy', () => {
  beforeEach(async () => {
    await reconcilePolicy(objects);
  });

  test('anonymous gets health and version and nothing else', () => {
    const anonymous: Identity = { name: 'system:anonymous', groups: ['system:unauthenticated'] };
    for (const path of ['/healthz', '/livez', '/readyz', '/version'])
      expect(may(anonymous, `get ${path}`)).toBe(true);
    for (const sentence of ['get /api', 'get /metrics', 'get pods in default', 'list namespaces']) {
      expect(may(anonymous, sentence)).toBe(false);
    }
  });

  test('every authenticated user discovers and asks about itself', () => {
    expect(may(ann, 'get /openapi/v3/api/v1')).toBe(true);
    expect(may(ann, 'create selfsubjectaccessreviews.authorization.k8s.io')).toBe(true);
    expect(may(ann, 'create subjectaccessreviews.authorization.k8s.io')).toBe(false);
  });

  test('view sees no secrets, edit no roles, admin both', () => {
    const holds = (name: string) =>
      objects.seed(RoleBindingKind, bind('b', 'ClusterRole', name, [{ kind: 'User', name: 'ann' }]));
    holds('view');
    expect(may(ann, 'list pods in default')).toBe(true);
    expect(may(ann, 'get secrets in default')).toBe(false);
    expect(may(ann, 'delete pods in default')).toBe(false);
    holds('edit');
    expect(may(ann, 'get secrets in default')).toBe(true);
    expect(may(ann, 'list deployments.apps in default')).toBe(true);
    expect(may(ann, 'create pods/exec in default')).toBe(true);
    expect(may(ann, 'create roles.rbac.authorization.k8s.io in default')).toBe(false);
    holds('admin');
    expect(may(ann, 'create roles.rbac.authorization.k8s.io in default')).toBe(true);
    expect(may(ann, 'get pods/log in default')).toBe(true);
    expect(may(ann, 'list nodes')).toBe(false);
  });

  test('masters may do all, with no binding at all', () => {
    const root: Identity = { name: 'root', groups: ['system:masters'] };
    expect(may(root, 'delete nodes')).toBe(true);
    expect(may(root, 'get /anything')).toBe(true);
  });

  test('reconciling again writes nothing, mends what was taken away, and respects autoupdate', async () => {
    const before = objects.writes.length;
    await reconcilePolicy(objects);
    expect(objects.writes).toHaveLength(before);
    objects.seed(ClusterRoleKind, { ...objects.get(ClusterRoleKind, 'view')!, rules: [] });
    const own = clusterRole('edit', []);
    own.metadata.annotations = { 'rbac.authorization.kubernetes.io/autoupdate': 'false' };
    objects.seed(ClusterRoleKind, own);
    await reconcilePolicy(objects);
    expect(objects.get(ClusterRoleKind, 'view')!.rules!.length).toBeGreaterThan(0);
    expect(objects.get(ClusterRoleKind, 'edit')!.rules).toEqual([]);
  });
});

describe('nodes', () => {
  const node = (name: string): Identity => ({ name: `system:node:${name}`, groups: ['system:nodes'] });
  const pod = (name: string, nodeName: string, secretName: string): Pod => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default' },
    spec: {
      nodeName,
      serviceAccountName: 'default',
      containers: [{ name: 'c', image: 'i', envFrom: [{ configMapRef: { name: `${secretName}-map` } }] }],
      volumes: [{ name: 'v', secret: { secretName } }],
    },
  });

  test('a node reads the secrets and config maps of its own pods while they are bound to it', () => {
    objects.seed(PodKind, pod('p', 'n1', 'token'), pod('q', 'n2', 'other'));
    expect(may(node('n1'), 'get secrets in default', 'token')).toBe(true);
    expect(may(node('n1'), 'get configmaps in default', 'token-map')).toBe(true);
    expect(may(node('n1'), 'list secrets in default', '', 'metadata.name=token')).toBe(true);
    expect(may(node('n1'), 'get secrets in default', 'other')).toBe(false);
    expect(may(node('n1'), 'list secrets in default')).toBe(false);
    expect(may(node('n1'), 'create serviceaccounts/token in default', 'default')).toBe(true);
    expect(may(node('n3'), 'create serviceaccounts/token in default', 'default')).toBe(false);
    objects.remove(PodKind as never, 'p', 'default');
    expect(may(node('n1'), 'get secrets in default', 'token')).toBe(false);
  });

  test.each(['gantry-cluster', 'gantry-node-keys', 'gantry-images'])(
    'a node reads %s, which is of all nodes, and does not write it',
    (name) => {
      expect(may(node('n1'), 'get configmaps in kube-system', name)).toBe(true);
      expect(may(node('n1'), 'watch configmaps in kube-system', '', `metadata.name=${name}`)).toBe(true);
      expect(may(node('n1'), 'list configmaps in kube-system')).toBe(false);
      expect(may(node('n1'), 'get configmaps in default', name)).toBe(false);
      expect(may(node('n1'), 'get secrets in kube-system', name)).toBe(false);
      for (const verb of ['create', 'update', 'patch', 'delete'])
        expect(may(node('n1'), `${verb} configmaps in kube-system`, name), verb).toBe(false);
    },
  );

  test('a node lists only its pods and writes only their status', () => {
    objects.seed(PodKind, pod('p', 'n1', 'a'), pod('q', 'n2', 'b'));
    expect(may(node('n1'), 'list pods', '', 'spec.nodeName=n1')).toBe(true);
    expect(may(node('n1'), 'list pods', '', 'spec.nodeName=n2')).toBe(false);
    expect(may(node('n1'), 'watch pods')).toBe(false);
    expect(may(node('n1'), 'patch pods/status in default', 'p')).toBe(true);
    expect(may(node('n1'), 'patch pods/status in default', 'q')).toBe(false);
    expect(may(node('n1'), 'delete pods in default', 'q')).toBe(false);
    expect(may(node('n1'), 'update pods in default', 'p')).toBe(false);
  });

  test('a node reads the other nodes, which it must reach', () => {
    expect(may(node('n1'), 'list nodes')).toBe(true);
    expect(may(node('n1'), 'watch nodes')).toBe(true);
    expect(may(node('n1'), 'get nodes', 'n2')).toBe(true);
    expect(may(node('n1'), 'patch nodes', 'n2')).toBe(false);
    expect(may(node('n1'), 'delete nodes', 'n2')).toBe(false);
  });

  test('a node writes its own Node, Lease and tunnel', () => {
    expect(may(node('n1'), 'patch nodes/status', 'n1')).toBe(true);
    expect(may(node('n1'), 'patch nodes/status', 'n2')).toBe(false);
    expect(may(node('n1'), 'update leases.coordination.k8s.io in kube-node-lease', 'n1')).toBe(true);
    expect(may(node('n1'), 'update leases.coordination.k8s.io in kube-node-lease', 'n2')).toBe(false);
    expect(may(node('n1'), 'update leases.coordination.k8s.io in kube-system', 'n1')).toBe(false);
    expect(may(node('n1'), 'get nodes.gantry.dev/tunnel', 'n1')).toBe(true);
    expect(may(node('n1'), 'get nodes.gantry.dev/tunnel', 'n2')).toBe(false);
  });

  test('a name without the group, or the group without the name, is no node', () => {
    objects.seed(PodKind, pod('p', 'n1', 'token'));
    expect(may({ name: 'system:node:n1', groups: [] }, 'get secrets in default', 'token')).toBe(false);
    expect(may({ name: 'n1', groups: ['system:nodes'] }, 'get secrets in default', 'token')).toBe(false);
  });
});

describe('what one may hand out', () => {
  test('is what one has, name by name and verb by verb', () => {
    const owned: PolicyRule[] = [
      { verbs: ['get', 'list'], apiGroups: [''], resources: ['pods', 'pods/log'] },
      { verbs: ['*'], apiGroups: [''], resources: ['secrets'], resourceNames: ['a'] },
    ];
    expect(notCovered(owned, [{ verbs: ['get'], apiGroups: [''], resources: ['pods', 'pods/log'] }])).toEqual(
      [],
    );
    expect(notCovered(owned, [{ verbs: ['get', 'delete'], apiGroups: [''], resources: ['pods'] }])).toEqual([
      { verbs: ['delete'], apiGroups: [''], resources: ['pods'] },
    ]);
    expect(notCovered(owned, [{ verbs: ['get'], apiGroups: [''], resources: ['secrets'] }])).toHaveLength(1);
    expect(notCovered(owned, [{ verbs: ['get'], apiGroups: ['*'], resources: ['pods'] }])).toHaveLength(1);
  });
});
