import { humanDuration } from '#machinery/values/duration.ts';
import { describeLabelSelector } from '#machinery/values/selector.ts';
import { defaultJob, prepareJobForCreate } from '../defaults/job.ts';
import type { Kind } from '../kind.ts';
import type { Job } from '../objects.ts';
import { checkJob, checkJobStatus, checkJobUpdate } from '../validation/job.ts';
import { isDnsSubdomain } from '../validation/names.ts';
import { jobWarnings } from '../warnings/workloads.ts';
import { ageColumn, column, nameColumn, templateColumns, wideColumn } from './columns.ts';
import { strategyOf } from './strategy.ts';

/** Runs pods until enough of them have succeeded. */
export const JobKind: Kind<Job> = {
  group: 'batch',
  version: 'v1',
  kind: 'Job',
  plural: 'jobs',
  singular: 'job',
  categories: ['all'],
  inert: true,
  namespaced: true,
  schema: 'io.k8s.api.batch.v1.Job',
  subresources: { status: true },
  strategy: strategyOf<Job>({
    namespaced: true,
    name: isDnsSubdomain,
    defaults: defaultJob,
    prepareForCreate: prepareJobForCreate,
    check: checkJob,
    checkUpdate: checkJobUpdate,
    checkStatus: (job, _old, faults) => checkJobStatus(job, faults),
    warnings: jobWarnings,
  }),
  columns: [
    nameColumn,
    column('Status', 'string', 'How far it is.', statusText),
    column('Completions', 'string', 'Pods that succeeded, of those wanted.', completionsText),
    column('Duration', 'string', 'How long it has run.', durationText),
    ageColumn,
    ...templateColumns<Job>((job) => job.spec?.template),
    wideColumn('Selector', 'string', 'Labels of its pods.', (job) =>
      describeLabelSelector(job.spec?.selector),
    ),
  ],
  selectableFields: { 'status.successful': (job) => String(job.status?.succeeded ?? 0) },
};

const ENDS = ['Complete', 'Failed'] as const;
const STATES = ['Suspended', 'FailureTarget', 'SuccessCriteriaMet'] as const;

function statusText({ metadata, status }: Job): string {
  const holds = (type: string) =>
    status?.conditions?.some((condition) => condition.type === type && condition.status === 'True');
  const end = ENDS.find(holds);
  if (end) return end;
  if (metadata.deletionTimestamp) return 'Terminating';
  return STATES.find(holds) ?? 'Running';
}

function completionsText({ spec, status }: Job): string {
  const succeeded = status?.succeeded ?? 0;
  if (spec?.completions !== undefined) return `${succeeded}/${spec.completions}`;
  const parallelism = spec?.parallelism ?? 0;
  return parallelism > 1 ? `${succeeded}/1 of ${parallelism}` : `${succeeded}/1`;
}

function durationText({ status }: Job, now: number): string {
  if (!status?.startTime) return '';
  const end = status.completionTime ? Date.parse(status.completionTime) : now;
  return humanDuration(end - Date.parse(status.startTime));
}
