/** Where a pod may run. Source: Kubernetes API reference, Affinity, Toleration, TopologySpreadConstraint. */
import type { PodSpec, Toleration } from '../objects.ts';
import type { NodeSelector, NodeSelectorRequirement, NodeSelectorTerm } from '../semantics/node-affinity.ts';
import type { Faults } from './faults.ts';
import { dnsLabelFaults, dnsSubdomainFaults, labelValueFaults, qualifiedNameFaults } from './names.ts';
import { checkLabelSelector, checkSetOperator } from './object-meta.ts';

type Affinity = NonNullable<PodSpec['affinity']>;
type PodTerms = NonNullable<Affinity['podAffinity']>;
type PodTerm = NonNullable<PodTerms['requiredDuringSchedulingIgnoredDuringExecution']>[number];
type Spread = NonNullable<PodSpec['topologySpreadConstraints']>[number];

const REQUIRED = 'requiredDuringSchedulingIgnoredDuringExecution';
const PREFERRED = 'preferredDuringSchedulingIgnoredDuringExecution';
const WEIGHT_RULE = 'must be in the range 1-100';
const EFFECTS = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

export function checkAffinity(affinity: Affinity | undefined, field: string, faults: Faults): void {
  const { nodeAffinity, podAffinity, podAntiAffinity } = affinity ?? {};
  const required = nodeAffinity?.[REQUIRED];
  if (required) checkNodeSelector(required, `${field}.nodeAffinity.${REQUIRED}`, faults);
  for (const [index, { weight, preference }] of (nodeAffinity?.[PREFERRED] ?? []).entries()) {
    const at = `${field}.nodeAffinity.${PREFERRED}[${index}]`;
    if (!isWeight(weight)) faults.invalid(`${at}.weight`, weight ?? 0, WEIGHT_RULE);
    checkNodeTerm(preference, `${at}.preference`, faults, false);
  }
  if (podAffinity) checkPodTerms(podAffinity, `${field}.podAffinity`, faults);
  if (podAntiAffinity) checkPodTerms(podAntiAffinity, `${field}.podAntiAffinity`, faults);
}

/** v1.NodeSelector. */
export function checkNodeSelector(selector: NodeSelector, field: string, faults: Faults): void {
  const terms = selector.nodeSelectorTerms ?? [];
  if (terms.length === 0) {
    faults.required(`${field}.nodeSelectorTerms`, 'must have at least one node selector term');
  }
  for (const [index, term] of terms.entries())
    checkNodeTerm(term, `${field}.nodeSelectorTerms[${index}]`, faults);
}

/** Values that no label has harm only where a node must match: a preference among no nodes is none. */
function checkNodeTerm(term: NodeSelectorTerm, field: string, faults: Faults, isRequired = true): void {
  for (const [index, requirement] of (term?.matchExpressions ?? []).entries())
    checkNodeLabel(requirement, `${field}.matchExpressions[${index}]`, faults, isRequired);
  for (const [index, requirement] of (term?.matchFields ?? []).entries())
    checkNodeField(requirement, `${field}.matchFields[${index}]`, faults);
}

function checkNodeLabel(
  { key = '', operator = '', values = [] }: Partial<NodeSelectorRequirement>,
  at: string,
  faults: Faults,
  isRequired: boolean,
): void {
  if (operator === 'Gt' || operator === 'Lt') {
    if (values.length !== 1)
      faults.required(`${at}.values`, "must be specified single value when `operator` is 'Lt' or 'Gt'");
  } else if (!checkSetOperator(operator, values, at, faults))
    faults.invalid(`${at}.operator`, operator, 'not a valid selector operator');
  faults.invalidFor(`${at}.key`, key, qualifiedNameFaults(key));
  if (!isRequired) return;
  for (const [nth, value] of values.entries())
    faults.invalidFor(`${at}.values[${nth}]`, value, labelValueFaults(value));
}

/** The only field that nodes are selected by is their name. */
function checkNodeField(
  { key = '', operator = '', values = [] }: Partial<NodeSelectorRequirement>,
  at: string,
  faults: Faults,
): void {
  if (operator !== 'In' && operator !== 'NotIn')
    faults.invalid(`${at}.operator`, operator, 'not a valid selector operator');
  else if (values.length !== 1) {
    const detail = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
    faults.required(`${at}.values`, detail);
  }
  if (key !== 'metadata.name') {
    faults.invalid(`${at}.key`, key, 'not a valid field selector key');
    return;
  }
  for (const [nth, value] of values.entries())
    faults.invalidFor(`${at}.values[${nth}]`, value, dnsSubdomainFaults(value));
}

function checkPodTerms(terms: PodTerms, field: string, faults: Faults): void {
  for (const [index, term] of (terms[REQUIRED] ?? []).entries()) {
    checkPodTerm(term, `${field}.${REQUIRED}[${index}]`, faults);
  }
  for (const [index, { weight, podAffinityTerm }] of (terms[PREFERRED] ?? []).entries()) {
    const at = `${field}.${PREFERRED}[${index}]`;
    if (!isWeight(weight)) faults.invalid(`${at}.weight`, weight ?? 0, WEIGHT_RULE);
    checkPodTerm(podAffinityTerm, `${at}.podAffinityTerm`, faults);
  }
}

function checkPodTerm(given: PodTerm | undefined, field: string, faults: Faults): void {
  const term: Partial<PodTerm> = given ?? {};
  checkLabelSelector(term.labelSelector, `${field}.labelSelector`, faults);
  checkLabelSelector(term.namespaceSelector, `${field}.namespaceSelector`, faults);
  for (const name of term.namespaces ?? [])
    faults.invalidFor(`${field}.namespace`, name, dnsLabelFaults(name));
  checkTermLabelKeys(term, field, faults);
  const { topologyKey = '' } = term;
  if (!topologyKey) faults.required(`${field}.topologyKey`, 'can not be empty');
  faults.invalidFor(`${field}.topologyKey`, topologyKey, qualifiedNameFaults(topologyKey));
}

/** Labels whose values are taken from the pod itself. */
function checkTermLabelKeys(term: Partial<PodTerm>, field: string, faults: Faults): void {
  for (const name of ['matchLabelKeys', 'mismatchLabelKeys'] as const) {
    const keys = term[name] ?? [];
    if (keys.length > 0 && !term.labelSelector) faults.forbidden(`${field}.${name}`, NO_SELECTOR);
    else
      for (const [index, key] of keys.entries())
        faults.invalidFor(`${field}.${name}[${index}]`, key, qualifiedNameFaults(key));
  }
  for (const [index, key] of (term.matchLabelKeys ?? []).entries()) {
    if (!term.mismatchLabelKeys?.includes(key)) continue;
    const detail = 'exists in both matchLabelKeys and mismatchLabelKeys';
    faults.invalid(`${field}.matchLabelKeys[${index}]`, key, detail);
  }
}

const NO_SELECTOR = 'must not be specified when labelSelector is not set';

function isWeight(weight: number): boolean {
  return weight >= 1 && weight <= 100;
}

export function checkTolerations(tolerations: Toleration[] | undefined, field: string, faults: Faults): void {
  for (const [index, toleration] of (tolerations ?? []).entries()) {
    const at = `${field}[${index}]`;
    const { key = '', operator = '', value = '', effect = '', tolerationSeconds } = toleration;
    if (key) faults.invalidFor(`${at}.key`, key, qualifiedNameFaults(key));
    else if (operator !== 'Exists') {
      const detail =
        'operator must be Exists when `key` is empty, which means "match all values and all keys"';
      faults.invalid(`${at}.operator`, operator, detail);
    }
    if (tolerationSeconds !== undefined && effect !== 'NoExecute') {
      faults.invalid(`${at}.effect`, effect, "effect must be 'NoExecute' when `tolerationSeconds` is set");
    }
    if (operator === '' || operator === 'Equal') {
      const details = labelValueFaults(value);
      if (details.length > 0) faults.invalid(`${at}.operator`, value, details.join(';'));
    } else if (operator === 'Exists') {
      if (value) faults.invalid(`${at}.operator`, value, "value must be empty when `operator` is 'Exists'");
    } else faults.notSupported(`${at}.operator`, operator, ['Equal', 'Exists']);
    if (effect && !EFFECTS.includes(effect)) faults.notSupported(`${at}.effect`, effect, EFFECTS);
  }
}

const INCLUSION_POLICIES = ['Honor', 'Ignore'];
const UNSATISFIABLE = ['DoNotSchedule', 'ScheduleAnyway'];

export function checkSpread(constraints: Spread[] | undefined, field: string, faults: Faults): void {
  for (const [index, constraint] of (constraints ?? []).entries()) {
    const at = `${field}[${index}]`;
    const { maxSkew, topologyKey, whenUnsatisfiable, minDomains } = constraint;
    if (!(maxSkew > 0)) faults.invalid(`${at}.maxSkew`, maxSkew ?? 0, 'must be greater than zero');
    if (!topologyKey) faults.required(`${at}.topologyKey`, 'can not be empty');
    if (!UNSATISFIABLE.includes(whenUnsatisfiable)) {
      faults.notSupported(`${at}.whenUnsatisfiable`, whenUnsatisfiable ?? '', UNSATISFIABLE);
    }
    // Of two alike Kubernetes blames the first.
    const isRepeated = constraints!
      .slice(index + 1)
      .some((other) => other.topologyKey === topologyKey && other.whenUnsatisfiable === whenUnsatisfiable);
    if (isRepeated) {
      const pair = `{${topologyKey}, ${whenUnsatisfiable}}`;
      faults.duplicate(`${at}.{topologyKey, whenUnsatisfiable}`, pair);
    }
    if (minDomains !== undefined) checkMinDomains(minDomains, whenUnsatisfiable, `${at}.minDomains`, faults);
    for (const name of ['nodeAffinityPolicy', 'nodeTaintsPolicy'] as const) {
      const policy = constraint[name];
      if (policy !== undefined && !INCLUSION_POLICIES.includes(policy))
        faults.notSupported(`${at}.${name}`, policy, INCLUSION_POLICIES);
    }
    checkSpreadLabelKeys(constraint, `${at}.matchLabelKeys`, faults);
    checkLabelSelector(constraint.labelSelector, `${at}.labelSelector`, faults);
  }
}

function checkMinDomains(minDomains: number, whenUnsatisfiable: string, field: string, faults: Faults): void {
  if (minDomains <= 0) faults.invalid(field, minDomains, 'must be greater than zero');
  if (whenUnsatisfiable !== 'DoNotSchedule') {
    const detail = `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${whenUnsatisfiable}`;
    faults.invalid(field, minDomains, detail);
  }
}

function checkSpreadLabelKeys(
  { matchLabelKeys = [], labelSelector }: Spread,
  field: string,
  faults: Faults,
): void {
  if (matchLabelKeys.length > 0 && !labelSelector) faults.forbidden(field, NO_SELECTOR);
  const { matchLabels = {}, matchExpressions = [] } = labelSelector ?? {};
  for (const [index, key] of matchLabelKeys.entries()) {
    faults.invalidFor(`${field}[${index}]`, key, qualifiedNameFaults(key));
    if (key in matchLabels || matchExpressions.some((expression) => expression.key === key))
      faults.invalid(`${field}[${index}]`, key, 'exists in both matchLabelKeys and labelSelector');
  }
}
