/** Quotas of a namespace. Source: Kubernetes API reference, ResourceQuotaSpec, ResourceQuotaStatus. */
import type { ResourceQuota } from '../objects.ts';
import { type Faults, sameData } from './faults.ts';
import { checkQuantityNotNegative, checkWholeQuantity } from './quantities.ts';
import { isIntegerResource, isQuotaResource, quotaResourceNameFaults } from './resource-names.ts';

type Spec = NonNullable<ResourceQuota['spec']>;
type Requirement = NonNullable<NonNullable<Spec['scopeSelector']>['matchExpressions']>[number];

const OF_PODS = ['pods', 'cpu', 'memory', 'limits.cpu', 'limits.memory', 'requests.cpu', 'requests.memory'];
const OF_CLAIMS = ['persistentvolumeclaims', 'requests.storage'];

/** Which of the resources Kubernetes knows can be counted within a scope. */
const SCOPES = new Map([
  ['Terminating', OF_PODS],
  ['NotTerminating', OF_PODS],
  ['BestEffort', ['pods']],
  ['NotBestEffort', OF_PODS],
  ['PriorityClass', OF_PODS],
  ['CrossNamespacePodAffinity', OF_PODS],
  ['VolumeAttributesClass', OF_CLAIMS],
]);
/** Scopes that have no values: a pod is in them or not. */
const VALUELESS = [
  'BestEffort',
  'NotBestEffort',
  'Terminating',
  'NotTerminating',
  'CrossNamespacePodAffinity',
];
const OPPOSITES = [
  ['BestEffort', 'NotBestEffort'],
  ['Terminating', 'NotTerminating'],
];

export function checkResourceQuota({ spec = {}, status }: ResourceQuota, faults: Faults): void {
  checkCounts(spec.hard, 'spec.hard', faults);
  checkScopes(spec, faults);
  checkScopeSelector(spec, 'spec.scopeSelector.matchExpressions', faults);
  checkQuotaStatus(status, faults);
}

/** Also of a write to the status alone. */
export function checkQuotaStatus(status: ResourceQuota['status'], faults: Faults): void {
  checkCounts(status?.hard, 'status.hard', faults);
  checkCounts(status?.used, 'status.used', faults);
}

/** What is counted may change, but not whose. */
export function checkResourceQuotaUpdate(quota: ResourceQuota, old: ResourceQuota, faults: Faults): void {
  const now = quota.spec?.scopes;
  const sorted = (scopes: readonly string[] | undefined) => [...new Set(scopes)].sort();
  if (!sameData(sorted(now), sorted(old.spec?.scopes)))
    faults.invalid('spec.scopes', now, 'field is immutable');
}

function checkCounts(counts: Record<string, string> | undefined, field: string, faults: Faults): void {
  for (const [name, quantity] of Object.entries(counts ?? {})) {
    const at = `${field}[${name}]`;
    faults.invalidFor(at, name, quotaResourceNameFaults(name));
    if (isIntegerResource(name)) checkWholeQuantity(quantity, at, faults);
    else checkQuantityNotNegative(quantity, at, faults);
  }
}

/** How many of the resources the scope is of no use for. */
function misfits(scope: string, hard: Spec['hard']): string[] {
  const fitting = SCOPES.get(scope);
  if (!fitting) return [];
  return Object.keys(hard ?? {}).filter((name) => isQuotaResource(name) && !fitting.includes(name));
}

function checkScopes({ scopes = [], hard }: Spec, faults: Faults): void {
  const fault = (detail: string) => faults.invalid('spec.scopes', scopes, detail);
  for (const scope of scopes) {
    if (!SCOPES.has(scope)) fault('unsupported scope');
    for (const _name of misfits(scope, hard)) fault('unsupported scope applied to resource');
  }
  for (const pair of OPPOSITES)
    if (pair.every((scope) => scopes.includes(scope))) fault('conflicting scopes');
}

/** Kubernetes names these fields without the index of the expression. */
function checkScopeSelector({ scopeSelector, scopes, hard }: Spec, field: string, faults: Faults): void {
  const expressions = scopeSelector?.matchExpressions ?? [];
  for (const expression of expressions) {
    const { scopeName } = expression;
    if (!SCOPES.has(scopeName)) faults.invalid(`${field}.scopeName`, scopeName ?? '', 'unsupported scope');
    for (const _name of misfits(scopeName, hard)) {
      faults.invalid(field, scopeSelector, 'unsupported scope applied to resource');
    }
    checkOperator(expression, field, faults);
  }
  const names = expressions.map(({ scopeName }) => scopeName);
  for (const pair of OPPOSITES) {
    if (pair.every((scope) => names.includes(scope))) faults.invalid(field, scopes, 'conflicting scopes');
  }
}

const EXIST_RULE =
  "must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity";

function checkOperator(
  { scopeName, operator, values = [] }: Requirement,
  field: string,
  faults: Faults,
): void {
  const at = `${field}.operator`;
  if (VALUELESS.includes(scopeName) && operator !== 'Exists') faults.invalid(at, operator ?? '', EXIST_RULE);
  if (operator === 'In' || operator === 'NotIn') {
    if (values.length > 0) return;
    const detail = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector";
    faults.required(`${field}.values`, detail);
  } else if (operator === 'Exists' || operator === 'DoesNotExist') {
    if (values.length === 0) return;
    const detail = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector";
    faults.invalid(`${field}.values`, values, detail);
  } else faults.invalid(at, operator ?? '', 'not a valid selector operator');
}
