import type { CronJob, Job, PodTemplateSpec } from '../objects.ts';
import { defaultPodTemplate } from './pod-spec.ts';

type JobSpec = NonNullable<Job['spec']>;

/** With a limit for each index there is none for the whole job. */
const NO_LIMIT = 2_147_483_647;

/** Labels by which a job finds its pods. Source: batch/v1 well-known labels. */
const UID_LABEL = 'batch.kubernetes.io/controller-uid';
const NAME_LABEL = 'batch.kubernetes.io/job-name';
/** Their names of old, which clients still select by. */
const LEGACY_UID_LABEL = 'controller-uid';
const LEGACY_NAME_LABEL = 'job-name';

/** Source: Kubernetes API reference, JobSpec. */
export function defaultJob(job: Job): void {
  job.status ??= {};
  job.spec ??= { template: {} };
  const { spec } = job;
  if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1;
  spec.parallelism ??= 1;
  spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? 6 : NO_LIMIT;
  spec.completionMode ||= 'NonIndexed';
  spec.suspend ??= false;
  spec.podReplacementPolicy ||= spec.podFailurePolicy ? 'Failed' : 'TerminatingOrFailed';
  spec.manualSelector ??= false;
  for (const rule of spec.podFailurePolicy?.rules ?? [])
    for (const pattern of rule.onPodConditions ?? []) pattern.status ||= 'True';
  spec.template ??= {};
  defaultPodTemplate(spec.template);
  const labels = spec.template.metadata?.labels;
  if (labels && Object.keys(job.metadata.labels ?? {}).length === 0) job.metadata.labels = { ...labels };
}

/** The labels that pods of a job carry, so that no other job takes them for its own. */
export function ownLabels({ metadata: { name = '', uid = '' } }: Job): Record<string, string> {
  return {
    [UID_LABEL]: uid,
    [NAME_LABEL]: name,
    [LEGACY_UID_LABEL]: uid,
    [LEGACY_NAME_LABEL]: name,
  };
}

/** Before the first write: a selector that no other job has, unless the user chose one. */
export function prepareJobForCreate(job: Job): void {
  job.status = {};
  const spec = job.spec as JobSpec;
  if (spec.manualSelector) return;
  if (spec.selector?.matchLabels || spec.selector?.matchExpressions?.length) return;
  const template: PodTemplateSpec = spec.template;
  template.metadata ??= {};
  template.metadata.labels = { ...ownLabels(job), ...template.metadata.labels };
  spec.selector = { matchLabels: { [UID_LABEL]: job.metadata.uid ?? '' } };
}

/** Source: Kubernetes API reference, CronJobSpec. */
export function defaultCronJob(cron: CronJob): void {
  cron.status ??= {};
  cron.spec ??= {} as NonNullable<CronJob['spec']>;
  const { spec } = cron;
  spec.concurrencyPolicy ||= 'Allow';
  spec.suspend ??= false;
  spec.successfulJobsHistoryLimit ??= 3;
  spec.failedJobsHistoryLimit ??= 1;
  spec.jobTemplate ??= {};
  spec.jobTemplate.spec ??= { template: {} };
  spec.jobTemplate.spec.template ??= {};
  defaultPodTemplate(spec.jobTemplate.spec.template);
}
