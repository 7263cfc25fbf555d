/** Which requests admission webhooks and policies are about. Source: Kubernetes API reference, MatchResources, Rule. */
import type { ValidatingAdmissionPolicy } from '../objects.ts';
import type { Faults } from './faults.ts';
import { pathSegmentFaults, qualifiedNameFaults } from './names.ts';
import { checkLabelSelector } from './object-meta.ts';

export type MatchResources = NonNullable<NonNullable<ValidatingAdmissionPolicy['spec']>['matchConstraints']>;
type NamedRule = NonNullable<MatchResources['resourceRules']>[number];

/** A rule as webhooks have it: without names of resources. */
export type Rule = Omit<NamedRule, 'resourceNames'>;

const OPERATIONS = ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE'];
const SCOPES = ['*', 'Cluster', 'Namespaced'];

export function checkRule(rule: Rule, field: string, faults: Faults): void {
  const { operations = [], apiGroups = [], apiVersions = [], resources = [], scope } = rule;
  checkNotEmpty(operations, `${field}.operations`, 'operations', faults);
  for (const [index, operation] of operations.entries())
    if (!OPERATIONS.includes(operation))
      faults.notSupported(`${field}.operations[${index}]`, operation, OPERATIONS);
  checkNotEmpty(apiGroups, `${field}.apiGroups`, 'API groups', faults);
  checkNotEmpty(apiVersions, `${field}.apiVersions`, 'API versions', faults);
  for (const [index, version] of apiVersions.entries())
    if (!version) faults.required(`${field}.apiVersions[${index}]`);
  checkResources(resources, `${field}.resources`, faults);
  if (scope !== undefined && !SCOPES.includes(scope)) faults.notSupported(`${field}.scope`, scope, SCOPES);
}

function checkNotEmpty(values: readonly string[], field: string, what: string, faults: Faults): void {
  if (values.length === 0) faults.required(field);
  if (values.length > 1 && values.includes('*'))
    faults.invalid(field, values, `if '*' is present, must not specify other ${what}`);
}

/** Resources and subresources, with wildcards: none that another covers already. */
function checkResources(resources: readonly string[], field: string, faults: Faults): void {
  if (resources.length === 0) faults.required(field);
  const anySubresource = new Set<string>();
  const anyResource = new Set<string>();
  for (const [index, each] of resources.entries()) {
    const at = `${field}[${index}]`;
    if (each === '') faults.required(at);
    const slash = each.indexOf('/');
    if (slash < 0) continue;
    const [resource, subresource] = [each.slice(0, slash), each.slice(slash + 1)];
    if (anySubresource.has(resource))
      faults.invalid(at, each, `if '${resource}/*' is present, must not specify ${each}`);
    if (anyResource.has(subresource))
      faults.invalid(at, each, `if '*/${subresource}' is present, must not specify ${each}`);
    if (subresource === '*') anySubresource.add(resource);
    if (resource === '*') anyResource.add(subresource);
  }
  if (resources.length > 1 && resources.includes('*/*'))
    faults.invalid(field, resources, "if '*/*' is present, must not specify other resources");
  // As Kubernetes: the last resource that is no subresource decides.
  const last = resources.findLast((each) => each !== '' && !each.includes('/'));
  if (resources.includes('*') && last !== '*')
    faults.invalid(
      field,
      resources,
      "if '*' is present, must not specify other resources without subresources",
    );
}

export const FAILURE_POLICIES = ['Fail', 'Ignore'];
export const MATCH_POLICIES = ['Equivalent', 'Exact'];

export function checkMatchResources(match: MatchResources, field: string, faults: Faults): void {
  const { resourceRules = [], excludeResourceRules = [] } = match;
  faults.oneOf(`${field}.matchPolicy`, match.matchPolicy, MATCH_POLICIES);
  for (const selector of ['namespaceSelector', 'objectSelector'] as const) {
    if (!match[selector]) faults.required(`${field}.${selector}`);
    checkLabelSelector(match[selector], `${field}.${selector}`, faults);
  }
  for (const [index, rule] of resourceRules.entries())
    checkNamedRule(rule, `${field}.resourceRules[${index}]`, faults);
  for (const [index, rule] of excludeResourceRules.entries())
    checkNamedRule(rule, `${field}.excludeResourceRules[${index}]`, faults);
}

function checkNamedRule(rule: NamedRule, field: string, faults: Faults): void {
  const names = rule.resourceNames ?? [];
  for (const [index, name] of names.entries()) {
    const at = `${field}.resourceNames[${index}]`;
    faults.invalidFor(at, name, pathSegmentFaults(name));
    if (names.indexOf(name) < index) faults.duplicate(at, name);
  }
  checkRule(rule, field, faults);
}

const MUTABLE = ['*', 'CONNECT', 'CREATE', 'UPDATE'];

/** Nothing is left to change of what is deleted. Kubernetes does not say which rule it is. */
export function checkMutable({ resourceRules = [] }: MatchResources, field: string, faults: Faults): void {
  for (const operation of resourceRules.flatMap(({ operations }) => operations ?? []))
    if (!MUTABLE.includes(operation))
      faults.notSupported(`${field}.resourceRules.operations`, operation, MUTABLE);
}

const MAX_CONDITIONS = 64;

/** Of expressions only whether they are there: what they mean is looked at by nobody yet. */
export function checkMatchConditions(
  conditions: readonly { name?: string; expression?: string }[],
  field: string,
  faults: Faults,
): void {
  if (conditions.length > MAX_CONDITIONS) faults.tooMany(field, conditions.length, MAX_CONDITIONS);
  const names = conditions.map(({ name }) => name);
  for (const [index, { name = '', expression = '' }] of conditions.entries()) {
    const at = `${field}[${index}]`;
    if (expression.trim() === '') faults.required(`${at}.expression`);
    if (name === '') faults.required(`${at}.name`);
    else faults.invalidFor(`${at}.name`, name, qualifiedNameFaults(name));
    if (name !== '' && names.indexOf(name) < index) faults.duplicate(`${at}.name`, name);
  }
}
