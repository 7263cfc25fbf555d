/** Roles and bindings. Source: Kubernetes API reference, group rbac.authorization.k8s.io. */
import type { ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding } from '../objects.ts';
import type { Faults } from './faults.ts';
import { dnsSubdomainFaults, pathSegmentFaults } from './names.ts';
import { checkLabelSelector } from './object-meta.ts';

export const RBAC_GROUP = 'rbac.authorization.k8s.io';

export function checkRole(role: Role | ClusterRole, namespaced: boolean, faults: Faults): void {
  for (const [index, rule] of (role.rules ?? []).entries())
    checkRule(rule, namespaced, `rules[${index}]`, faults);
  const aggregation = 'aggregationRule' in role ? role.aggregationRule : undefined;
  if (!aggregation) return;
  const field = 'aggregationRule.clusterRoleSelectors';
  const selectors = aggregation.clusterRoleSelectors ?? [];
  if (selectors.length === 0)
    faults.required(field, 'at least one clusterRoleSelector required if aggregationRule is non-nil');
  for (const [index, selector] of selectors.entries())
    checkLabelSelector(selector, `${field}[${index}]`, faults);
}

function checkRule(rule: PolicyRule, namespaced: boolean, field: string, faults: Faults): void {
  const { verbs, apiGroups = [], resources = [], resourceNames = [], nonResourceURLs = [] } = rule;
  if (!verbs?.length) faults.required(`${field}.verbs`, 'verbs must contain at least one value');
  if (nonResourceURLs.length > 0) {
    const at = `${field}.nonResourceURLs`;
    if (namespaced) faults.invalid(at, nonResourceURLs, 'namespaced rules cannot apply to non-resource URLs');
    if (apiGroups.length + resources.length + resourceNames.length > 0) {
      faults.invalid(
        at,
        nonResourceURLs,
        'rules cannot apply to both regular resources and non-resource URLs',
      );
    }
    return;
  }
  if (apiGroups.length === 0) {
    faults.required(`${field}.apiGroups`, 'resource rules must supply at least one api group');
  }
  if (resources.length === 0) {
    faults.required(`${field}.resources`, 'resource rules must supply at least one resource');
  }
}

/** Fills in the API groups that go without saying. */
export function defaultBinding(binding: RoleBinding | ClusterRoleBinding): void {
  if (binding.roleRef) binding.roleRef.apiGroup ||= RBAC_GROUP;
  for (const subject of binding.subjects ?? []) {
    if (subject.kind === 'User' || subject.kind === 'Group') subject.apiGroup ||= RBAC_GROUP;
  }
}

export function checkBinding(
  binding: RoleBinding | ClusterRoleBinding,
  roles: string[],
  faults: Faults,
): void {
  const { roleRef } = binding;
  if (roleRef?.apiGroup !== RBAC_GROUP)
    faults.notSupported('roleRef.apiGroup', roleRef?.apiGroup ?? '', [RBAC_GROUP]);
  if (!roles.includes(roleRef?.kind ?? '')) faults.notSupported('roleRef.kind', roleRef?.kind ?? '', roles);
  if (!roleRef?.name) faults.required('roleRef.name');
  else faults.invalidFor('roleRef.name', roleRef.name, pathSegmentFaults(roleRef.name));
  for (const [index, subject] of (binding.subjects ?? []).entries()) {
    const field = `subjects[${index}]`;
    if (!subject.name) faults.required(`${field}.name`);
    if (subject.kind === 'ServiceAccount') {
      if (subject.name) faults.invalidFor(`${field}.name`, subject.name, dnsSubdomainFaults(subject.name));
      if (subject.apiGroup) faults.notSupported(`${field}.apiGroup`, subject.apiGroup, ['']);
      if (!subject.namespace) faults.required(`${field}.namespace`);
    } else if (subject.kind === 'User' || subject.kind === 'Group') {
      if (subject.apiGroup !== RBAC_GROUP)
        faults.notSupported(`${field}.apiGroup`, subject.apiGroup, [RBAC_GROUP]);
    } else faults.notSupported(`${field}.kind`, subject.kind, ['ServiceAccount', 'User', 'Group']);
  }
}

export function checkBindingUpdate<B extends RoleBinding | ClusterRoleBinding>(
  binding: B,
  old: B,
  faults: Faults,
): void {
  faults.immutable('roleRef', binding.roleRef, old.roleRef, 'cannot change roleRef');
}
