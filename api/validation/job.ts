/** Jobs. Source: Kubernetes API reference, JobSpec; messages of its validation. */
import { matchesLabelSelector } from '#machinery/values/selector.ts';
import { ownLabels } from '../defaults/job.ts';
import type { Job, PodTemplateSpec } from '../objects.ts';
import { type Faults, sameData } from './faults.ts';
import { checkIndexes, checkPodFailurePolicy, checkSuccessPolicy } from './job-policies.ts';
import { dnsLabelFaults, qualifiedNameFaults } from './names.ts';
import { checkLabelSelector } from './object-meta.ts';
import { checkPodTemplate } from './pod-spec.ts';

type JobSpec = NonNullable<Job['spec']>;

const MODES = ['NonIndexed', 'Indexed'];
const MAX_INDEXED_PARALLELISM = 100_000;
const MAX_MANAGED_BY = 63;

export function checkJob(job: Job, faults: Faults): void {
  const spec = job.spec!;
  if (!spec.manualSelector) checkGeneratedSelector(job, faults);
  checkJobSpec(spec, 'spec', faults);
  const { selector } = spec;
  if (!selector) faults.required('spec.selector');
  else {
    const before = faults.list.length;
    checkLabelSelector(selector, 'spec.selector', faults);
    const { labels } = spec.template?.metadata ?? {};
    if (faults.list.length === before && !matchesLabelSelector(selector, labels))
      faults.invalid('spec.template.metadata.labels', labels, '`selector` does not match template `labels`');
  }
  if (spec.completionMode !== 'Indexed' || !spec.completions || spec.completions < 1) return;
  const hostname = `${job.metadata.name}-${spec.completions - 1}`;
  for (const fault of dnsLabelFaults(hostname))
    faults.invalid(
      'metadata.name',
      job.metadata.name,
      `will not able to create pod with invalid DNS label ${hostname}: ${fault}`,
    );
}

/** What the server generated must still be there: two jobs must never pick the same pods. */
function checkGeneratedSelector(job: Job, faults: Faults): void {
  const { labels = {} } = job.spec?.template?.metadata ?? {};
  const field = 'spec.template.metadata.labels';
  for (const [key, value] of Object.entries(ownLabels(job)))
    if (labels[key] === undefined) faults.required(`${field}[${key}]`, `must be '${value}'`);
    else if (labels[key] !== value) faults.invalid(`${field}[${key}]`, labels, `must be '${value}'`);
  const { selector } = job.spec ?? {};
  if (selector && !matchesLabelSelector(selector, ownLabels(job)))
    faults.invalid('spec.selector', selector, '`selector` not auto-generated');
}

/** The parts that a job and the template of one share. */
export function checkJobSpec(spec: JobSpec, field: string, faults: Faults): void {
  for (const name of [
    'parallelism',
    'completions',
    'activeDeadlineSeconds',
    'backoffLimit',
    'ttlSecondsAfterFinished',
    'backoffLimitPerIndex',
    'maxFailedIndexes',
  ] as const)
    faults.notNegative(`${field}.${name}`, spec[name]);
  checkManagedBy(spec.managedBy, `${field}.managedBy`, faults);
  checkIndexed(spec, field, faults);
  if (spec.podFailurePolicy) checkPodFailurePolicy(spec, `${field}.podFailurePolicy`, faults);
  if (spec.successPolicy) checkSuccessPolicy(spec, `${field}.successPolicy`, faults);
  checkReplacement(spec, `${field}.podReplacementPolicy`, faults);
  checkPodTemplate(spec.template, `${field}.template`, faults);
  checkRestartPolicy(spec, `${field}.template.spec.restartPolicy`, faults);
}

function checkManagedBy(managedBy: string | undefined, field: string, faults: Faults): void {
  if (managedBy === undefined) return;
  const isPrefixed = /^[^/]+\/[^/]+$/.test(managedBy) && qualifiedNameFaults(managedBy).length === 0;
  if (!isPrefixed) faults.invalid(field, managedBy, 'must be a domain-prefixed path (such as "acme.io/foo")');
  if (managedBy.length > MAX_MANAGED_BY) faults.tooLong(field, MAX_MANAGED_BY);
}

function checkIndexed(spec: JobSpec, field: string, faults: Faults): void {
  const { completionMode, completions, parallelism = 0, backoffLimitPerIndex, maxFailedIndexes } = spec;
  if (completionMode !== undefined && !MODES.includes(completionMode))
    faults.notSupported(`${field}.completionMode`, completionMode, MODES);
  if (completionMode === 'Indexed') {
    if (completions === undefined) faults.required(`${field}.completions`, 'when completion mode is Indexed');
    if (parallelism > MAX_INDEXED_PARALLELISM)
      faults.invalid(
        `${field}.parallelism`,
        parallelism,
        `must be less than or equal to ${MAX_INDEXED_PARALLELISM} when completion mode is Indexed`,
      );
    checkIndexes(spec, field, faults);
    return;
  }
  if (backoffLimitPerIndex !== undefined)
    faults.invalid(`${field}.backoffLimitPerIndex`, backoffLimitPerIndex, 'requires indexed completion mode');
  if (maxFailedIndexes !== undefined)
    faults.invalid(`${field}.maxFailedIndexes`, maxFailedIndexes, 'requires indexed completion mode');
}

function checkReplacement(spec: JobSpec, field: string, faults: Faults): void {
  const supported = spec.podFailurePolicy ? ['Failed'] : ['Failed', 'TerminatingOrFailed'];
  const policy = spec.podReplacementPolicy;
  if (policy !== undefined && !supported.includes(policy)) faults.notSupported(field, policy, supported);
}

function checkRestartPolicy({ template, podFailurePolicy }: JobSpec, field: string, faults: Faults): void {
  const restart = template?.spec?.restartPolicy;
  if (!restart || restart === 'Always') faults.required(field, 'valid values: "OnFailure", "Never"');
  else if (restart !== 'OnFailure' && restart !== 'Never')
    faults.notSupported(field, restart, ['OnFailure', 'Never']);
  else if (podFailurePolicy && restart !== 'Never')
    faults.invalid(field, restart, 'only "Never" is supported when podFailurePolicy is specified');
}

export function checkJobUpdate(job: Job, old: Job, faults: Faults): void {
  const { spec } = job;
  const before = old.spec;
  if (!spec || !before) return;
  checkCompletionsUpdate(spec, before, faults);
  faults.immutable('spec.selector', spec.selector, before.selector);
  faults.immutable('spec.template', spec.template, templateBefore(spec, old));
  faults.immutable('spec.completionMode', spec.completionMode, before.completionMode);
  faults.immutable('spec.podFailurePolicy', spec.podFailurePolicy, before.podFailurePolicy);
  faults.immutable('spec.backoffLimitPerIndex', spec.backoffLimitPerIndex, before.backoffLimitPerIndex);
  faults.immutable('spec.managedBy', spec.managedBy, before.managedBy);
  faults.immutable('spec.successPolicy', spec.successPolicy, before.successPolicy);
}

/** An indexed job can grow and shrink when both counts go together. */
function checkCompletionsUpdate(spec: JobSpec, before: JobSpec, faults: Faults): void {
  const isElastic =
    spec.completionMode === 'Indexed' &&
    spec.completions !== undefined &&
    before.completions !== undefined &&
    !sameData(spec.completions, before.completions) &&
    spec.completions === spec.parallelism;
  if (isElastic) return;
  const isIndexed = spec.completionMode === 'Indexed' && spec.completions !== before.completions;
  const detail = isIndexed
    ? 'can only be modified in tandem with spec.parallelism such that spec.completions == spec.parallelism'
    : undefined;
  faults.immutable('spec.completions', spec.completions, before.completions, detail);
}

/** Where its pods may go can still be changed while a job waits to be started the first time. */
function templateBefore(spec: JobSpec, { spec: before, status }: Job): PodTemplateSpec | undefined {
  const waits = before?.suspend === true && !status?.startTime;
  const template = before?.template;
  if (!waits || !template?.spec) return template;
  const now = spec.template?.spec;
  const { labels, annotations } = spec.template?.metadata ?? {};
  return {
    ...template,
    metadata: { ...template.metadata, labels, annotations },
    spec: {
      ...template.spec,
      affinity: now?.affinity,
      nodeSelector: now?.nodeSelector,
      tolerations: now?.tolerations,
      schedulingGates: now?.schedulingGates,
    },
  } as PodTemplateSpec;
}

export function checkJobStatus(job: Job, faults: Faults): void {
  for (const name of ['active', 'succeeded', 'failed', 'ready', 'terminating'] as const)
    faults.notNegative(`status.${name}`, job.status?.[name]);
  const isDone = (type: string) =>
    job.status?.conditions?.some((condition) => condition.type === type && condition.status === 'True');
  if (isDone('Complete') && isDone('Failed'))
    faults.invalid(
      'status.conditions',
      job.status?.conditions,
      'cannot set Complete=True and Failed=True conditions',
    );
  if (job.status?.completionTime && !isDone('Complete'))
    faults.invalid(
      'status.completionTime',
      job.status.completionTime,
      'cannot set completionTime when there is no Complete=True condition',
    );
}
