/** Admission policies and their bindings. Source: Kubernetes API reference, group admissionregistration.k8s.io. */
import type {
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
} from '../objects.ts';
import {
  checkMatchConditions,
  checkMatchResources,
  checkMutable,
  FAILURE_POLICIES,
  type MatchResources,
} from './admission-rules.ts';
import { checkConditions } from './conditions.ts';
import type { Faults } from './faults.ts';
import { dns1035LabelFaults, dnsSubdomainFaults, pathSegmentFaults, qualifiedNameFaults } from './names.ts';
import { checkLabelSelector } from './object-meta.ts';

type ValidatingSpec = NonNullable<ValidatingAdmissionPolicy['spec']>;
type MutatingSpec = NonNullable<MutatingAdmissionPolicy['spec']>;
type Validation = NonNullable<ValidatingSpec['validations']>[number];
type AuditAnnotation = NonNullable<ValidatingSpec['auditAnnotations']>[number];
type Mutation = NonNullable<MutatingSpec['mutations']>[number];
type Variable = NonNullable<ValidatingSpec['variables']>[number];
type BindingSpec = NonNullable<ValidatingAdmissionPolicyBinding['spec']>;
type ParamRef = NonNullable<BindingSpec['paramRef']>;

export function checkValidatingPolicy({ metadata, spec }: ValidatingAdmissionPolicy, faults: Faults): void {
  const { validations = [], auditAnnotations = [] } = spec ?? {};
  checkPolicy(spec ?? {}, false, faults);
  if (validations.length + auditAnnotations.length === 0)
    for (const field of ['spec.validations', 'spec.auditAnnotations'])
      faults.required(field, 'validations or auditAnnotations must contain at least one item');
  for (const [index, validation] of validations.entries())
    checkValidation(validation, `spec.validations[${index}]`, faults);
  checkAuditAnnotations(auditAnnotations, metadata.name, faults);
}

export function checkMutatingPolicy({ spec }: MutatingAdmissionPolicy, faults: Faults): void {
  const { mutations = [], reinvocationPolicy } = spec ?? {};
  checkPolicy(spec ?? {}, true, faults);
  if (mutations.length === 0) faults.required('spec.mutations', 'mutations must contain at least one item');
  for (const [index, mutation] of mutations.entries())
    checkMutation(mutation, `spec.mutations[${index}]`, faults);
  faults.oneOf('spec.reinvocationPolicy', reinvocationPolicy, ['Never', 'IfNeeded']);
}

type PolicySpec = Pick<
  ValidatingSpec,
  'failurePolicy' | 'paramKind' | 'matchConstraints' | 'matchConditions' | 'variables'
>;

/** What both sorts of policies have. */
function checkPolicy(spec: PolicySpec, mutates: boolean, faults: Faults): void {
  const { failurePolicy, paramKind, matchConstraints, matchConditions = [], variables = [] } = spec;
  faults.oneOf('spec.failurePolicy', failurePolicy, FAILURE_POLICIES);
  if (paramKind) checkParamKind(paramKind, faults);
  const field = 'spec.matchConstraints';
  if (matchConstraints) checkMatchResources(matchConstraints, field, faults);
  else faults.required(field);
  // Without a rule nobody knew which types the expressions are about.
  if (matchConstraints && !matchConstraints.resourceRules?.length) faults.required(`${field}.resourceRules`);
  if (matchConstraints && mutates) checkMutable(matchConstraints, field, faults);
  checkMatchConditions(matchConditions, 'spec.matchConditions', faults);
  for (const [index, variable] of variables.entries())
    checkVariable(variable, `spec.variables[${index}]`, faults);
}

function checkParamKind(
  { apiVersion = '', kind = '' }: NonNullable<PolicySpec['paramKind']>,
  faults: Faults,
): void {
  const field = 'spec.paramKind.apiVersion';
  const parts = apiVersion.split('/');
  const version = parts.at(-1)!;
  if (apiVersion === '') faults.required(field);
  else if (parts.length > 2)
    faults.invalid(field, apiVersion, `unexpected GroupVersion string: ${apiVersion}`);
  else {
    const group = parts.length === 2 ? parts[0]! : '';
    if (group !== '') checkJoined(group, dnsSubdomainFaults(group), field, faults);
    if (version === '') faults.invalid(field, apiVersion, 'version must be specified');
    else checkJoined(version, dns1035LabelFaults(version), field, faults);
  }
  const details = dns1035LabelFaults(kind.toLowerCase()).join(',');
  if (kind === '') faults.required('spec.paramKind.kind');
  else if (details !== '')
    faults.invalid(
      'spec.paramKind.kind',
      kind,
      `may have mixed case, but should otherwise match: ${details}`,
    );
}

function checkJoined(value: string, details: readonly string[], field: string, faults: Faults): void {
  if (details.length > 0) faults.invalid(field, value, details.join(','));
}

const RESERVED =
  'true false null in as break const continue else for function if import let loop package namespace return var void while'.split(
    ' ',
  );

function checkVariable({ name = '', expression = '' }: Variable, field: string, faults: Faults): void {
  if (name.trim() === '') faults.required(`${field}.name`, 'name is not specified');
  else if (!/^[_a-zA-Z][_a-zA-Z0-9]*$/.test(name) || RESERVED.includes(name))
    faults.invalid(`${field}.name`, name, 'name is not a valid CEL identifier');
  if (expression.trim() === '') faults.required(`${field}.expression`, 'expression is not specified');
}

const REASONS = ['Forbidden', 'Invalid', 'RequestEntityTooLarge'];

function checkValidation(validation: Validation, field: string, faults: Faults): void {
  const { expression = '', message = '', messageExpression = '', reason } = validation;
  if (expression.trim() === '') faults.required(`${field}.expression`, 'expression is not specified');
  if (messageExpression !== '' && messageExpression.trim() === '')
    faults.invalid(`${field}.messageExpression`, messageExpression, 'must be non-empty if specified');
  if (message !== '' && message.trim() === '')
    faults.invalid(`${field}.message`, message, 'message must be non-empty if specified');
  else if (/[\n\r]/.test(message.trim()))
    faults.invalid(`${field}.message`, message, 'message must not contain line breaks');
  if (reason !== undefined && !REASONS.includes(reason))
    faults.notSupported(`${field}.reason`, reason, REASONS);
}

const MAX_AUDIT_ANNOTATIONS = 20;
const MAX_AUDIT_EXPRESSION_BYTES = 5 * 1024;

function checkAuditAnnotations(annotations: AuditAnnotation[], policy: string, faults: Faults): void {
  const field = 'spec.auditAnnotations';
  if (annotations.length > MAX_AUDIT_ANNOTATIONS)
    faults.invalid(field, annotations, `must not have more than ${MAX_AUDIT_ANNOTATIONS} auditAnnotations`);
  const keys = annotations.map(({ key }) => key);
  for (const [index, { key = '', valueExpression = '' }] of annotations.entries()) {
    const at = `${field}[${index}]`;
    const name = `${policy}/${key}`;
    faults.invalidFor(`${at}.key`, name, qualifiedNameFaults(name));
    const expression = valueExpression.trim();
    if (expression === '') faults.required(`${at}.valueExpression`, 'valueExpression is not specified');
    else if (Buffer.byteLength(expression) > MAX_AUDIT_EXPRESSION_BYTES)
      faults.required(
        `${at}.valueExpression`,
        `must not exceed ${MAX_AUDIT_EXPRESSION_BYTES} bytes in length`,
      );
    if (keys.indexOf(key) < index) faults.duplicate(`${at}.key`, key);
  }
}

/** By type, the member that holds the expression. */
const PATCHES: Record<string, 'applyConfiguration' | 'jsonPatch'> = {
  ApplyConfiguration: 'applyConfiguration',
  JSONPatch: 'jsonPatch',
};

function checkMutation(mutation: Mutation, field: string, faults: Faults): void {
  const { patchType } = mutation;
  faults.oneOf(`${field}.patchType`, patchType, Object.keys(PATCHES));
  const own = Object.hasOwn(PATCHES, patchType ?? '') && PATCHES[patchType];
  if (!own) return;
  if (!mutation[own]) faults.required(`${field}.${own}`, `must be specified when patchType is ${patchType}`);
  else if (!mutation[own].expression?.trim()) faults.required(`${field}.${own}.expression`);
  const other = own === 'jsonPatch' ? 'applyConfiguration' : 'jsonPatch';
  if (mutation[other])
    faults.invalid(`${field}.${other}`, `{${other}}`, `must not be specified when patchType is ${patchType}`);
}

export function checkValidatingBinding({ spec }: ValidatingAdmissionPolicyBinding, faults: Faults): void {
  checkBinding(spec ?? {}, faults);
  checkActions(spec?.validationActions ?? [], faults);
}

export function checkMutatingBinding({ spec }: MutatingAdmissionPolicyBinding, faults: Faults): void {
  checkBinding(spec ?? {}, faults);
  if (spec?.matchResources) checkMutable(spec.matchResources, 'spec.matchResources', faults);
}

function checkBinding(
  {
    policyName,
    paramRef,
    matchResources,
  }: { policyName?: string; paramRef?: ParamRef; matchResources?: MatchResources },
  faults: Faults,
): void {
  if (!policyName) faults.required('spec.policyName');
  else faults.invalidFor('spec.policyName', policyName, dnsSubdomainFaults(policyName));
  if (paramRef) checkParamRef(paramRef, 'spec.paramRef', faults);
  if (matchResources) checkMatchResources(matchResources, 'spec.matchResources', faults);
}

function checkParamRef(ref: ParamRef, field: string, faults: Faults): void {
  const { name, selector, parameterNotFoundAction } = ref;
  const both = 'name and selector are mutually exclusive';
  if (name) faults.invalidFor(`${field}.name`, name, pathSegmentFaults(name));
  if (name && selector) faults.forbidden(`${field}.name`, both);
  checkLabelSelector(selector, `${field}.selector`, faults);
  if (name && selector) faults.forbidden(`${field}.selector`, both);
  if (!name && !selector) faults.required(field, 'one of name or selector must be specified');
  faults.oneOf(`${field}.parameterNotFoundAction`, parameterNotFoundAction, ['Deny', 'Allow']);
}

const ACTIONS = ['Audit', 'Deny', 'Warn'];

function checkActions(actions: string[], faults: Faults): void {
  const field = 'spec.validationActions';
  for (const [index, action] of actions.entries()) {
    if (!ACTIONS.includes(action)) faults.notSupported(`${field}[${index}]`, action, ACTIONS);
    if (actions.indexOf(action) < index) faults.duplicate(`${field}[${index}]`, action);
  }
  if (actions.includes('Deny') && actions.includes('Warn'))
    faults.invalid(
      field,
      actions,
      'must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)',
    );
  if (actions.length === 0) faults.required(field, 'at least one validation action is required');
}

export function checkValidatingPolicyStatus({ status }: ValidatingAdmissionPolicy, faults: Faults): void {
  const field = 'status.typeChecking.expressionWarnings';
  for (const [index, { fieldRef, warning }] of (status?.typeChecking?.expressionWarnings ?? []).entries()) {
    if (!warning) faults.required(`${field}[${index}].warning`);
    if (!fieldRef?.trim()) faults.required(`${field}[${index}].fieldRef`);
  }
  checkConditions(status?.conditions, 'status.conditions', faults);
}
