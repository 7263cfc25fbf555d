import { resourceName } from '#api/kind.ts';
import type { PolicyRule } from '#api/objects.ts';
import { StatusError } from '#machinery/errors.ts';
import type { AdmissionPlugin, AdmissionRequest, ObjectReader } from '../contract.ts';
import type { ServerAuthorizer } from './index.ts';
import { notCovered, printRule } from './rules.ts';

const GROUP = 'rbac.authorization.k8s.io';
const ROLES = ['Role', 'ClusterRole'];
const BINDINGS = ['RoleBinding', 'ClusterRoleBinding'];

interface PolicyWrite {
  rules?: PolicyRule[];
  aggregationRule?: unknown;
  roleRef?: { kind: string; name: string };
}

/**
 * Nobody hands out rights that they do not hold: a role may only contain, and a binding only refer to, rules the writer
 * has in that scope, unless they hold the verb `escalate` or `bind` on the role. Source: Kubernetes "Privilege escalation
 * prevention and bootstrapping".
 */
export function escalationPlugin(authorizer: ServerAuthorizer): AdmissionPlugin {
  return {
    name: 'PrivilegeEscalation',
    validate(request: AdmissionRequest, _objects: ObjectReader) {
      if (request.kind.group !== GROUP || request.operation === 'DELETE' || !request.object) return;
      const wanted = request.object as PolicyWrite;
      const old = request.old as PolicyWrite | undefined;
      if (ROLES.includes(request.kind.kind)) checkRole(request, wanted, old, authorizer);
      if (BINDINGS.includes(request.kind.kind)) checkBinding(request, wanted, authorizer);
    },
  };
}

function checkRole(
  request: AdmissionRequest,
  wanted: PolicyWrite,
  old: PolicyWrite | undefined,
  authorizer: ServerAuthorizer,
): void {
  const grown =
    JSON.stringify(wanted.aggregationRule ?? null) !== JSON.stringify(old?.aggregationRule ?? null);
  const everything: PolicyRule[] = [
    { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
    { verbs: ['*'], nonResourceURLs: ['*'] },
  ];
  // What a role that aggregates will hold one day cannot be known: it takes all rights to make one.
  const rules = grown && wanted.aggregationRule ? everything : (wanted.rules ?? []);
  if (old && !grown && notCovered(old.rules ?? [], rules).length === 0) return;
  const resource = request.kind.plural;
  if (allowed(request, authorizer, 'escalate', resource, request.name)) return;
  refuseUncovered(request, rules, authorizer);
}

function checkBinding(request: AdmissionRequest, wanted: PolicyWrite, authorizer: ServerAuthorizer): void {
  const ref = wanted.roleRef;
  if (!ref) return; // validation says what is missing
  const resource = ref.kind === 'Role' ? 'roles' : 'clusterroles';
  if (allowed(request, authorizer, 'bind', resource, ref.name)) return;
  const rules = authorizer.rbac.rulesOfRole(ref, request.namespace);
  if (!rules) {
    throw new StatusError('NotFound', `${resource}.${GROUP} ${JSON.stringify(ref.name)} not found`, {
      name: ref.name,
      group: GROUP,
      kind: resource,
    });
  }
  refuseUncovered(request, rules, authorizer);
}

function allowed(
  request: AdmissionRequest,
  authorizer: ServerAuthorizer,
  verb: 'escalate' | 'bind',
  resource: string,
  name: string,
): boolean {
  return authorizer.authorize({
    identity: request.identity,
    verb,
    isResource: true,
    group: GROUP,
    version: 'v1',
    resource,
    subresource: '',
    namespace: request.namespace,
    name,
    path: '',
  }).allowed;
}

function refuseUncovered(request: AdmissionRequest, rules: PolicyRule[], authorizer: ServerAuthorizer): void {
  const { resources, paths } = authorizer.rules(request.identity, request.namespace);
  const missing = notCovered([...resources, ...paths], rules);
  if (missing.length === 0) return;
  const { identity, kind, name } = request;
  const groups = `[${identity.groups.map((group) => JSON.stringify(group)).join(' ')}]`;
  throw new StatusError(
    'Forbidden',
    `${resourceName(kind)} ${JSON.stringify(name)} is forbidden: user ${JSON.stringify(identity.name)} ` +
      `(groups=${groups}) is attempting to grant RBAC permissions not currently held:\n${missing.map(printRule).join('\n')}`,
    { name, group: kind.group, kind: kind.plural },
  );
}
