import { ageOf } from '#machinery/values/duration.ts';
import { describeLabelSelector } from '#machinery/values/selector.ts';
import { defaultCronJob } from '../defaults/job.ts';
import type { Kind } from '../kind.ts';
import type { CronJob } from '../objects.ts';
import { checkCronJob } from '../validation/cron-job.ts';
import { isDnsSubdomain } from '../validation/names.ts';
import { cronJobWarnings } from '../warnings/workloads.ts';
import { ageColumn, column, nameColumn, orNone, templateColumns, wideColumn } from './columns.ts';
import { strategyOf } from './strategy.ts';

/** Makes a job at each time of a schedule. */
export const CronJobKind: Kind<CronJob> = {
  group: 'batch',
  version: 'v1',
  kind: 'CronJob',
  plural: 'cronjobs',
  singular: 'cronjob',
  shortNames: ['cj'],
  categories: ['all'],
  inert: true,
  namespaced: true,
  schema: 'io.k8s.api.batch.v1.CronJob',
  subresources: { status: true },
  strategy: strategyOf<CronJob>({
    namespaced: true,
    name: isDnsSubdomain,
    defaults: defaultCronJob,
    prepareForCreate(cron) {
      cron.status = {};
    },
    check: checkCronJob,
    warnings: cronJobWarnings,
  }),
  columns: [
    nameColumn,
    column('Schedule', 'string', 'When jobs are made.', (cron) => cron.spec?.schedule ?? ''),
    column('Timezone', 'string', 'The time zone of the schedule.', (cron) => orNone(cron.spec?.timeZone)),
    column('Suspend', 'boolean', 'Whether it makes no jobs for now.', (cron) =>
      cron.spec?.suspend === undefined ? '<unset>' : cron.spec.suspend ? 'True' : 'False',
    ),
    column('Active', 'integer', 'Jobs that run.', (cron) => cron.status?.active?.length ?? 0),
    column('Last Schedule', 'string', 'When a job was last made.', (cron, now) =>
      cron.status?.lastScheduleTime ? ageOf(cron.status.lastScheduleTime, now) : '<none>',
    ),
    ageColumn,
    ...templateColumns<CronJob>((cron) => cron.spec?.jobTemplate?.spec?.template),
    wideColumn('Selector', 'string', 'Labels of the pods of its jobs.', (cron) =>
      describeLabelSelector(cron.spec?.jobTemplate?.spec?.selector),
    ),
  ],
};
