/** Pods and what makes them. Source: Kubernetes, the strategies in pkg/registry/{apps,batch,core}, pkg/api/job/warnings.go. */
import type {
  ApiObject,
  CronJob,
  DaemonSet,
  Job,
  Pod,
  PodTemplate,
  PodTemplateSpec,
  StatefulSet,
} from '../objects.ts';
import { dnsLabelFaults } from '../validation/names.ts';
import { podTemplateWarnings, specWarnings } from './pod-spec.ts';
import { claimSpecWarnings } from './volumes.ts';

const SURPRISING = 'which can result in surprising behavior; a DNS label is recommended:';

function nameWarnings({ metadata }: ApiObject, use: string): string[] {
  const faults = dnsLabelFaults(metadata.name);
  return faults.length > 0
    ? [`metadata.name: this is used in ${use}, ${SURPRISING} [${faults.join(' ')}]`]
    : [];
}

const POD_NAMES = 'Pod names and hostnames';

/** Whether the object is new, or another than before in what its user desires. */
function isDesiredAnew({ metadata }: ApiObject, old: ApiObject | undefined): boolean {
  return old === undefined || metadata.generation !== old.metadata.generation;
}

/** People seldom change pods: nothing is said of it then. */
export function podWarnings(pod: Pod, old?: Pod): string[] {
  if (old || !pod.spec) return [];
  return [...nameWarnings(pod, "the Pod's hostname"), ...specWarnings(pod.spec, pod.metadata, '')];
}

type Templated = ApiObject & { spec?: { template?: PodTemplateSpec } };

/** Deployments, ReplicaSets, ReplicationControllers. */
export function replicasWarnings(object: Templated, old?: Templated): string[] {
  return [...(old ? [] : nameWarnings(object, POD_NAMES)), ...templateWarnings(object, old)];
}

function templateWarnings(object: Templated, old: Templated | undefined): string[] {
  return isDesiredAnew(object, old) ? podTemplateWarnings(object.spec?.template, 'spec.template') : [];
}

export function daemonSetWarnings(set: DaemonSet, old?: DaemonSet): string[] {
  return templateWarnings(set, old);
}

export function statefulSetWarnings(set: StatefulSet, old?: StatefulSet): string[] {
  const { volumeClaimTemplates = [], revisionHistoryLimit = 0 } = set.spec ?? {};
  const warnings = templateWarnings(set, old);
  // Kubernetes names the field so in changes, and in them only.
  const field = old ? '.Spec' : '';
  for (const [index, { spec }] of volumeClaimTemplates.entries())
    warnings.push(...claimSpecWarnings(spec, `spec.volumeClaimTemplates[${index}]${field}`));
  if (revisionHistoryLimit < 0)
    warnings.push(
      'spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended',
    );
  return warnings;
}

export function podTemplateObjectWarnings({ template }: PodTemplate): string[] {
  return podTemplateWarnings(template, 'template');
}

const MANY_COMPLETIONS = 100_000;
const MANY_PODS = 10_000;
const TOO_MANY =
  'In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail';

function jobSpecWarnings(spec: Job['spec'] | undefined, field: string): string[] {
  const { completionMode, completions = 0, parallelism = 0, template } = spec ?? {};
  const isLarge = completionMode === 'Indexed' && completions > MANY_COMPLETIONS && parallelism > MANY_PODS;
  return [
    ...(isLarge ? [`${field}: ${TOO_MANY}`] : []),
    ...podTemplateWarnings(template, `${field}.template`),
  ];
}

export function jobWarnings(job: Job, old?: Job): string[] {
  return [...(old ? [] : nameWarnings(job, POD_NAMES)), ...jobSpecWarnings(job.spec, 'spec')];
}

export function cronJobWarnings(cron: CronJob, old?: CronJob): string[] {
  const warnings = old ? [] : nameWarnings(cron, POD_NAMES);
  if (isDesiredAnew(cron, old))
    warnings.push(...jobSpecWarnings(cron.spec?.jobTemplate?.spec, 'spec.jobTemplate.spec'));
  // Kubernetes has the path of the field so.
  if (old && cron.spec?.schedule.includes('TZ'))
    warnings.push(
      'cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead, see https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details',
    );
  return warnings;
}
