/** Flow schemas and priority levels. Source: Kubernetes API reference, group flowcontrol.apiserver.k8s.io. */
import type { FlowSchema, PriorityLevelConfiguration } from '../objects.ts';
import { MANDATORY_LEVELS, MANDATORY_SCHEMAS } from '../semantics/flow-control.ts';
import { type Faults, sameData } from './faults.ts';
import { dnsLabelFaults, dnsSubdomainFaults } from './names.ts';

type SchemaSpec = NonNullable<FlowSchema['spec']>;
type Rule = NonNullable<SchemaSpec['rules']>[number];
type Subject = Rule['subjects'][number];
type ResourceRule = NonNullable<Rule['resourceRules']>[number];
type NonResourceRule = NonNullable<Rule['nonResourceRules']>[number];
type LevelSpec = NonNullable<PriorityLevelConfiguration['spec']>;
type Limited = NonNullable<LevelSpec['limited']>;
type Queuing = NonNullable<NonNullable<Limited['limitResponse']>['queuing']>;

const MAX_PRECEDENCE = 10_000;

export function checkFlowSchema(schema: FlowSchema, faults: Faults): void {
  const { name } = schema.metadata;
  checkSchemaSpec(schema.spec ?? ({} as SchemaSpec), name, faults);
  const fixed = MANDATORY_SCHEMAS.find(({ metadata }) => metadata.name === name);
  if (fixed && !sameData(schema.spec, fixed.spec))
    faults.invalid('spec', schema.spec, `spec of '${name}' must equal the fixed value`);
}

function checkSchemaSpec(spec: SchemaSpec, name: string, faults: Faults): void {
  const { matchingPrecedence: precedence = 0, distinguisherMethod, rules = [] } = spec;
  const field = 'spec.matchingPrecedence';
  if (precedence <= 0) faults.invalid(field, precedence, 'must be a positive value');
  if (precedence > MAX_PRECEDENCE)
    faults.invalid(field, precedence, `must not be greater than ${MAX_PRECEDENCE}`);
  if (precedence === 1 && name !== 'exempt')
    faults.invalid(field, precedence, "only the schema named 'exempt' may have matchingPrecedence 1");
  const methods = ['ByNamespace', 'ByUser'];
  if (distinguisherMethod && !methods.includes(distinguisherMethod.type))
    faults.notSupported('spec.distinguisherMethod.type', distinguisherMethod, methods);
  const level = spec.priorityLevelConfiguration?.name;
  const at = 'spec.priorityLevelConfiguration.name';
  if (level) faults.invalidFor(at, level, dnsSubdomainFaults(level));
  else faults.required(at, 'must reference a priority level');
  for (const [index, rule] of rules.entries()) checkRule(rule, `spec.rules[${index}]`, faults);
}

function checkRule(rule: Rule, field: string, faults: Faults): void {
  const { subjects = [], resourceRules = [], nonResourceRules = [] } = rule;
  for (const [index, subject] of subjects.entries())
    checkSubject(subject, `${field}.subjects[${index}]`, faults);
  if (subjects.length === 0) faults.required(`${field}.subjects`, 'subjects must contain at least one value');
  if (resourceRules.length + nonResourceRules.length === 0)
    faults.required(field, 'at least one of resourceRules and nonResourceRules has to be non-empty');
  for (const [index, each] of resourceRules.entries())
    checkResourceRule(each, `${field}.resourceRules[${index}]`, faults);
  for (const [index, each] of nonResourceRules.entries())
    checkNonResourceRule(each, `${field}.nonResourceRules[${index}]`, faults);
}

/** By kind, the member that says who it is. */
const MEMBERS = { ServiceAccount: 'serviceAccount', User: 'user', Group: 'group' } as const;

function checkSubject(subject: Subject, field: string, faults: Faults): void {
  if (!Object.hasOwn(MEMBERS, subject.kind)) {
    faults.notSupported(`${field}.kind`, subject.kind, Object.keys(MEMBERS).sort());
    return;
  }
  const own = MEMBERS[subject.kind as keyof typeof MEMBERS];
  const who = subject[own];
  if (!who) faults.required(`${field}.${own}`, `${own} is required when subject kind is '${subject.kind}'`);
  else checkWho(who, own === 'serviceAccount', `${field}.${own}`, faults);
  for (const [kind, other] of Object.entries(MEMBERS))
    if (other !== own && subject[other])
      faults.forbidden(`${field}.${other}`, `${other} is forbidden when subject kind is not '${kind}'`);
}

function checkWho(
  who: { name: string; namespace?: string },
  isAccount: boolean,
  field: string,
  faults: Faults,
): void {
  if (!who.name) faults.required(`${field}.name`);
  if (!isAccount) return;
  if (who.name && who.name !== '*')
    faults.invalidFor(`${field}.name`, who.name, dnsSubdomainFaults(who.name));
  if (!who.namespace) faults.required(`${field}.namespace`, 'must specify namespace for service account');
  else faults.invalidFor(`${field}.namespace`, who.namespace, dnsLabelFaults(who.namespace));
}

const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'proxy', 'update', 'watch'];

function checkVerbs(verbs: string[], field: string, faults: Faults): void {
  if (verbs.length === 0) faults.required(field, 'verbs must contain at least one value');
  else if (verbs.includes('*')) checkLoneWildcard(verbs, field, 'verbs', faults);
  else if (verbs.some((verb) => !VERBS.includes(verb))) faults.notSupported(field, verbs, VERBS);
}

function checkLoneWildcard(values: string[], field: string, what: string, faults: Faults): void {
  if (values.includes('*') && values.length > 1)
    faults.invalid(field, values, `if '*' is present, must not specify other ${what}`);
}

function checkResourceRule(rule: ResourceRule, field: string, faults: Faults): void {
  const { verbs = [], apiGroups = [], resources = [], namespaces = [], clusterScope } = rule;
  checkVerbs(verbs, `${field}.verbs`, faults);
  if (apiGroups.length === 0)
    faults.required(`${field}.apiGroups`, 'resource rules must supply at least one api group');
  checkLoneWildcard(apiGroups, `${field}.apiGroups`, 'api groups', faults);
  if (resources.length === 0)
    faults.required(`${field}.resources`, 'resource rules must supply at least one resource');
  checkLoneWildcard(resources, `${field}.resources`, 'resources', faults);
  const at = `${field}.namespaces`;
  if (namespaces.length === 0 && !clusterScope)
    faults.required(at, 'resource rules that are not cluster scoped must supply at least one namespace');
  if (namespaces.includes('*')) {
    checkLoneWildcard(namespaces, at, 'namespaces', faults);
    return;
  }
  const rules = "each member of this list must be '*' or a DNS-1123 label; ";
  for (const [index, namespace] of namespaces.entries()) {
    const details = dnsLabelFaults(namespace).map((fault) => `${rules}${fault}`);
    faults.invalidFor(`${at}[${index}]`, namespace, details);
  }
}

function checkNonResourceRule(rule: NonResourceRule, field: string, faults: Faults): void {
  const { verbs = [], nonResourceURLs: paths = [] } = rule;
  checkVerbs(verbs, `${field}.verbs`, faults);
  const at = `${field}.nonResourceURLs`;
  if (paths.length === 0) faults.required(at, 'nonResourceURLs must contain at least one value');
  if (paths.includes('*')) checkLoneWildcard(paths, at, 'non-resource URLs', faults);
  else
    for (const [index, path] of paths.entries()) {
      const fault = pathFault(path);
      if (fault) faults.invalid(`${at}[${index}]`, path, fault);
    }
}

function pathFault(path: string): string | undefined {
  if (path === '') return 'must not be empty';
  if (path === '/') return undefined;
  if (!path.startsWith('/')) return 'must start with slash';
  if (path.includes(' ')) return 'must not contain white-space';
  if (path.includes('//')) return 'must not contain double slash';
  const star = path.indexOf('*');
  const isSuffix = star === path.length - 1 && path.endsWith('/*');
  return star < 0 || isSuffix ? undefined : 'wildcard can only do suffix matching';
}

/** Says that a request of an older version of the API meant zero shares; never an annotation of users. */
const ZERO_SHARES = 'flowcontrol.k8s.io/preserve-zero-concurrency-shares';

export function checkPriorityLevel(level: PriorityLevelConfiguration, faults: Faults): void {
  const { name, annotations } = level.metadata;
  const { spec } = level;
  if (annotations && ZERO_SHARES in annotations)
    faults.forbidden('metadata.annotations', `annotation '${ZERO_SHARES}' is forbidden`);
  checkLevelSpec(spec ?? ({} as LevelSpec), name, faults);
  const fixed = MANDATORY_LEVELS.find(({ metadata }) => metadata.name === name)?.spec;
  if (!fixed) return;
  // How much the exempt level lends is for administrators to say.
  const isExempt = name === 'exempt';
  const judged = (of: LevelSpec | undefined) => (isExempt ? { ...of, exempt: undefined } : of);
  if (sameData(judged(spec), judged(fixed))) return;
  const except = isExempt ? " except the 'spec.exempt' field" : '';
  faults.invalid('spec', spec, `spec of '${name}'${except} must equal the fixed value`);
}

function checkLevelSpec({ type = '', limited, exempt }: LevelSpec, name: string, faults: Faults): void {
  if ((name === 'exempt') !== (type === 'Exempt'))
    faults.invalid('spec.type', type, "type must be 'Exempt' if and only if name is 'exempt'");
  if (type === 'Exempt') {
    if (limited) faults.forbidden('spec.limited', 'must be nil if the type is not Limited');
    if (exempt) checkShares(exempt, 'spec.exempt', faults);
  } else if (type === 'Limited') {
    if (exempt) faults.forbidden('spec.exempt', 'must be nil if the type is Limited');
    if (limited) checkLimited(limited, 'spec.limited', faults);
    else faults.required('spec.limited', 'must not be empty when type is Limited');
  } else faults.notSupported('spec.type', type, ['Exempt', 'Limited']);
}

const WHOLE_NUMBER = 'must be a non-negative integer';

type Shares = NonNullable<LevelSpec['exempt']>;

function checkShares(
  { nominalConcurrencyShares = 0, lendablePercent }: Shares,
  field: string,
  faults: Faults,
): void {
  if (nominalConcurrencyShares < 0)
    faults.invalid(`${field}.nominalConcurrencyShares`, nominalConcurrencyShares, WHOLE_NUMBER);
  checkPercent(lendablePercent, `${field}.lendablePercent`, faults);
}

function checkPercent(percent: number | undefined, field: string, faults: Faults): void {
  if (percent !== undefined && (percent < 0 || percent > 100))
    faults.invalid(field, percent, 'must be between 0 and 100, inclusive');
}

function checkLimited(limited: Limited, field: string, faults: Faults): void {
  const { nominalConcurrencyShares = 0, lendablePercent, borrowingLimitPercent: borrowed } = limited;
  if (nominalConcurrencyShares < 0)
    faults.invalid(`${field}.nominalConcurrencyShares`, nominalConcurrencyShares, WHOLE_NUMBER);
  checkLimitResponse(limited.limitResponse, `${field}.limitResponse`, faults);
  checkPercent(lendablePercent, `${field}.lendablePercent`, faults);
  if (borrowed !== undefined && borrowed < 0)
    faults.invalid(`${field}.borrowingLimitPercent`, borrowed, `if specified, ${WHOLE_NUMBER}`);
}

function checkLimitResponse(response: Limited['limitResponse'], field: string, faults: Faults): void {
  const { type = '', queuing } = response ?? {};
  const at = `${field}.queuing`;
  if (type === 'Reject') {
    if (queuing) faults.forbidden(at, 'must be nil if limited.limitResponse.type is not Limited');
  } else if (type === 'Queue') {
    if (queuing) checkQueuing(queuing, at, faults);
    else faults.required(at, 'must not be empty if limited.limitResponse.type is Limited');
  } else faults.notSupported(`${field}.type`, type, ['Queue', 'Reject']);
}

const MAX_QUEUES = 10_000_000;
/** The hand is dealt by a hash of this many bits. */
const HASH_BITS = 60;

function checkQueuing(queuing: Queuing, field: string, faults: Faults): void {
  const { queues = 0, handSize = 0, queueLengthLimit = 0 } = queuing;
  if (queueLengthLimit <= 0)
    faults.invalid(`${field}.queueLengthLimit`, queueLengthLimit, 'must be positive');
  if (queues <= 0) faults.invalid(`${field}.queues`, queues, 'must be positive');
  else if (queues > MAX_QUEUES)
    faults.invalid(`${field}.queues`, queues, `must not be greater than ${MAX_QUEUES}`);
  const at = `${field}.handSize`;
  if (handSize <= 0) faults.invalid(at, handSize, 'must be positive');
  else if (handSize > queues) faults.invalid(at, handSize, `should not be greater than queues (${queues})`);
  else if (Math.ceil(Math.log2(queues) * handSize) > HASH_BITS) {
    const detail = `required entropy bits of deckSize ${queues} and handSize ${handSize} should not be greater than ${HASH_BITS}`;
    faults.invalid(at, handSize, detail);
  }
}

/** Conditions of both kinds are told apart by their type. */
export function checkFlowConditions(
  { status }: FlowSchema | PriorityLevelConfiguration,
  faults: Faults,
): void {
  const types = (status?.conditions ?? []).map(({ type }) => type);
  for (const [index, type] of types.entries()) {
    const field = `status.conditions[${index}].type`;
    if (types.indexOf(type) < index) faults.duplicate(field, type);
    if (!type) faults.required(field, 'must not be empty');
  }
}
