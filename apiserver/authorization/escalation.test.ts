import { beforeEach, expect, test } from 'vitest';
import { ClusterRoleKind } from '#api/kinds/cluster-role.ts';
import { ClusterRoleBindingKind } from '#api/kinds/cluster-role-binding.ts';
import type { ClusterRole, ClusterRoleBinding, PolicyRule } from '#api/objects.ts';
import type { Identity } from '#machinery/transport.ts';
import type { AdmissionRequest } from '../contract.ts';
import { FakeEngine } from '../fake/engine.ts';
import { escalationPlugin } from './escalation.ts';
import { authorizer } from './index.ts';

const GROUP = 'rbac.authorization.k8s.io';
const ann: Identity = { name: 'ann', groups: ['dev'] };
const root: Identity = { name: 'root', groups: ['system:masters'] };
const PODS: PolicyRule = { verbs: ['get'], apiGroups: [''], resources: ['pods'] };
const SECRETS: PolicyRule = { verbs: ['get'], apiGroups: [''], resources: ['secrets'] };

let objects: FakeEngine;
beforeEach(() => {
  objects = new FakeEngine()
    .seed(ClusterRoleKind, clusterRole('own', [PODS]), clusterRole('more', [PODS, SECRETS]))
    .seed(ClusterRoleBindingKind, binding('own', 'own'));
});

function clusterRole(name: string, rules: PolicyRule[]): ClusterRole {
  return { apiVersion: `${GROUP}/v1`, kind: 'ClusterRole', metadata: { name }, rules };
}

function binding(name: string, role: string): ClusterRoleBinding {
  return {
    apiVersion: `${GROUP}/v1`,
    kind: 'ClusterRoleBinding',
    metadata: { name },
    roleRef: { apiGroup: GROUP, kind: 'ClusterRole', name: role },
    subjects: [{ kind: 'User', name: 'ann' }],
  };
}

function write(identity: Identity, object: ClusterRole | ClusterRoleBinding, old?: ClusterRole) {
  const kind = object.kind === 'ClusterRole' ? ClusterRoleKind : ClusterRoleBindingKind;
  const request = {
    operation: old ? 'UPDATE' : 'CREATE',
    kind,
    namespace: '',
    name: object.metadata.name,
    identity,
    object,
    old,
  };
  return () =>
    escalationPlugin(authorizer(objects)).validate!(request as unknown as AdmissionRequest, objects);
}

test('one hands out what one holds, and no more', () => {
  expect(write(ann, clusterRole('new', [PODS]))).not.toThrow();
  expect(write(ann, clusterRole('new', [PODS, SECRETS]))).toThrow(
    'clusterroles.rbac.authorization.k8s.io "new" is forbidden: user "ann" (groups=["dev"]) is attempting to grant ' +
      'RBAC permissions not currently held:\n{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}',
  );
  expect(write(ann, binding('b', 'own'))).not.toThrow();
  expect(write(ann, binding('b', 'more'))).toThrow('not currently held');
  expect(write(ann, binding('b', 'none'))).toThrow('"none" not found');
  expect(write(root, binding('b', 'more'))).not.toThrow();
});

test('a role that has too much already may be changed as long as it does not grow', () => {
  const old = clusterRole('more', [PODS, SECRETS]);
  expect(write(ann, clusterRole('more', [SECRETS]), old)).not.toThrow();
  const grown = clusterRole('more', [{ ...SECRETS, verbs: ['get', 'list'] }]);
  expect(write(ann, grown, old)).toThrow('not currently held');
});

test('who holds bind or escalate on a role may', () => {
  const bind = { verbs: ['bind'], apiGroups: [GROUP], resources: ['clusterroles'], resourceNames: ['more'] };
  const escalate = {
    verbs: ['escalate'],
    apiGroups: [GROUP],
    resources: ['clusterroles'],
    resourceNames: ['new'],
  };
  objects.seed(ClusterRoleKind, clusterRole('own', [PODS, bind, escalate]));
  expect(write(ann, binding('b', 'more'))).not.toThrow();
  expect(write(ann, clusterRole('new', [SECRETS]))).not.toThrow();
});

test('an aggregating role takes all rights to make, for nobody knows what it will hold', () => {
  const aggregating = { ...clusterRole('new', []), aggregationRule: { clusterRoleSelectors: [{}] } };
  expect(write(ann, aggregating)).toThrow('not currently held');
  expect(write(root, aggregating)).not.toThrow();
});
