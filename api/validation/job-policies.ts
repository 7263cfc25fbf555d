/** When a job is over: policies for failed pods and for success. Source: Kubernetes API reference, PodFailurePolicy, SuccessPolicy. */

import type * as k8s from '@kubernetes/client-node';
import type { Job, Wire } from '../objects.ts';
import { type Faults, NOT_NEGATIVE } from './faults.ts';
import { qualifiedNameFaults } from './names.ts';

type JobSpec = NonNullable<Job['spec']>;
type Rule = Wire<k8s.V1PodFailurePolicyRule>;
type ExitCodes = NonNullable<Rule['onExitCodes']>;
type PodCondition = NonNullable<Rule['onPodConditions']>[number];

const MAX_RULES = 20;
const MAX_EXIT_CODES = 255;
const MAX_CONDITIONS = 20;
const ACTIONS = ['Count', 'FailIndex', 'FailJob', 'Ignore'];
const OPERATORS = ['In', 'NotIn'];
const STATUSES = ['False', 'True', 'Unknown'];
const MAX_FAILED_INDEXES = 100_000;
/** With many completions the limit must be small, for each failed index is listed in the status. */
const MANY = 100_000;
const MANY_LIMIT = 10_000;

/** Limits for each index. */
export function checkIndexes(spec: JobSpec, field: string, faults: Faults): void {
  const { completions = 0, parallelism = 0, maxFailedIndexes, backoffLimitPerIndex } = spec;
  const at = `${field}.maxFailedIndexes`;
  if (maxFailedIndexes !== undefined) {
    if (backoffLimitPerIndex === undefined)
      faults.required(`${field}.backoffLimitPerIndex`, 'when maxFailedIndexes is specified');
    if (maxFailedIndexes > completions)
      faults.invalid(at, maxFailedIndexes, 'must be less than or equal to completions');
    if (maxFailedIndexes > MAX_FAILED_INDEXES)
      faults.invalid(at, maxFailedIndexes, `must be less than or equal to ${MAX_FAILED_INDEXES}`);
  }
  if (completions <= MANY || backoffLimitPerIndex === undefined) return;
  if (maxFailedIndexes === undefined)
    faults.required(at, `must be specified when completions is above ${MANY}`);
  if (parallelism > MANY_LIMIT)
    faults.invalid(
      `${field}.parallelism`,
      parallelism,
      `must be less than or equal to ${MANY_LIMIT} when completions are above ${MANY} and used with backoff limit per index`,
    );
  if ((maxFailedIndexes ?? 0) > MANY_LIMIT)
    faults.invalid(
      at,
      maxFailedIndexes,
      `must be less than or equal to ${MANY_LIMIT} when completions are above ${MANY} and used with backoff limit per index`,
    );
}

export function checkPodFailurePolicy(spec: JobSpec, field: string, faults: Faults): void {
  const rules = spec.podFailurePolicy?.rules ?? [];
  if (rules.length > MAX_RULES) faults.tooMany(`${field}.rules`, rules.length, MAX_RULES);
  const names = [...(spec.template?.spec?.initContainers ?? []), ...(spec.template?.spec?.containers ?? [])];
  const containers = new Set(names.map(({ name }) => name));
  for (const [index, rule] of rules.entries())
    checkRule(rule, spec, containers, `${field}.rules[${index}]`, faults);
}

function checkRule(
  rule: Rule,
  spec: JobSpec,
  containers: ReadonlySet<string>,
  field: string,
  faults: Faults,
): void {
  const actions =
    spec.backoffLimitPerIndex === undefined ? ACTIONS.filter((action) => action !== 'FailIndex') : ACTIONS;
  if (rule.action === 'FailIndex' && spec.backoffLimitPerIndex === undefined)
    faults.invalid(`${field}.action`, rule.action, 'requires the backoffLimitPerIndex to be set');
  else faults.oneOf(`${field}.action`, rule.action, actions);
  if (rule.onExitCodes) checkExitCodes(rule.onExitCodes, containers, `${field}.onExitCodes`, faults);
  const conditions = rule.onPodConditions ?? [];
  if (conditions.length > 0) checkPatterns(conditions, `${field}.onPodConditions`, faults);
  if (rule.onExitCodes && conditions.length > 0)
    faults.invalid(field, rule, 'specifying both OnExitCodes and OnPodConditions is not supported');
  if (!rule.onExitCodes && conditions.length === 0)
    faults.invalid(field, rule, 'specifying one of OnExitCodes and OnPodConditions is required');
}

function checkExitCodes(
  { operator, values = [], containerName }: ExitCodes,
  containers: ReadonlySet<string>,
  field: string,
  faults: Faults,
): void {
  faults.oneOf(`${field}.operator`, operator, OPERATORS);
  if (containerName !== undefined && !containers.has(containerName))
    faults.invalid(
      `${field}.containerName`,
      containerName,
      'must be one of the container or initContainer names in the pod template',
    );
  const at = `${field}.values`;
  if (values.length === 0) faults.invalid(at, values, 'at least one value is required');
  else if (values.length > MAX_EXIT_CODES) faults.tooMany(at, values.length, MAX_EXIT_CODES);
  const seen = new Set<number>();
  let isOrdered = true;
  for (const [index, value] of values.entries()) {
    if (operator === 'In' && value === 0)
      faults.invalid(`${at}[${index}]`, value, 'must not be 0 for the In operator');
    if (seen.has(value)) faults.duplicate(`${at}[${index}]`, value);
    seen.add(value);
    if (index > 0 && values[index - 1]! > value) isOrdered = false;
  }
  if (!isOrdered) faults.invalid(at, values, 'must be ordered');
}

function checkPatterns(conditions: PodCondition[], field: string, faults: Faults): void {
  if (conditions.length > MAX_CONDITIONS) faults.tooMany(field, conditions.length, MAX_CONDITIONS);
  for (const [index, { type, status }] of conditions.entries()) {
    const at = `${field}[${index}]`;
    faults.invalidFor(`${at}.type`, type, qualifiedNameFaults(type ?? ''));
    faults.oneOf(`${at}.status`, status, STATUSES);
  }
}

export function checkSuccessPolicy(spec: JobSpec, field: string, faults: Faults): void {
  if (spec.completionMode !== 'Indexed') {
    faults.invalid(field, spec.successPolicy, 'requires indexed completion mode');
    return;
  }
  const rules = spec.successPolicy?.rules ?? [];
  const at = `${field}.rules`;
  if (rules.length === 0)
    faults.required(at, 'at least one rules must be specified when the successPolicy is specified');
  if (rules.length > MAX_RULES) faults.tooMany(at, rules.length, MAX_RULES);
  for (const [index, rule] of rules.entries()) checkSuccessRule(rule, spec, `${at}[${index}]`, faults);
}

function checkSuccessRule(
  { succeededCount, succeededIndexes }: Wire<k8s.V1SuccessPolicyRule>,
  { completions = 0 }: JobSpec,
  field: string,
  faults: Faults,
): void {
  if (succeededCount === undefined && succeededIndexes === undefined)
    faults.required(field, 'at least one of succeededCount or succeededIndexes must be specified');
  let total = completions;
  if (succeededIndexes !== undefined) {
    const count = countIndexes(succeededIndexes, completions);
    if (count === undefined)
      faults.invalid(`${field}.succeededIndexes`, succeededIndexes, 'error parsing succeededIndexes');
    else total = count;
  }
  if (succeededCount === undefined) return;
  const at = `${field}.succeededCount`;
  if (succeededCount < 0) faults.invalid(at, succeededCount, NOT_NEGATIVE);
  else if (succeededCount > completions)
    faults.invalid(
      at,
      succeededCount,
      `must be less than or equal to ${completions} (the number of specified completions)`,
    );
  else if (succeededCount > total)
    faults.invalid(
      at,
      succeededCount,
      `must be less than or equal to ${total} (the number of indexes in the specified succeededIndexes field)`,
    );
}

/** How many indexes `0-4,7` names; undefined when it is no ordered list of indexes below `completions`. */
function countIndexes(text: string, completions: number): number | undefined {
  let last = -1;
  let count = 0;
  for (const part of text === '' ? [] : text.split(',')) {
    const found = /^([0-9]{1,10})(?:-([0-9]{1,10}))?$/.exec(part);
    if (!found) return undefined;
    const from = Number(found[1]);
    const to = Number(found[2] ?? found[1]);
    if (from <= last || to < from || to >= completions) return undefined;
    count += to - from + 1;
    last = to;
  }
  return count;
}
