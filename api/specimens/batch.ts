import { CronJobKind } from '../kinds/cron-job.ts';
import { JobKind } from '../kinds/job.ts';
import { type Specimen, specimenOf } from './specimen.ts';

const template = {
  metadata: { labels: { app: 'once' } },
  spec: { restartPolicy: 'Never', containers: [{ name: 'once', image: 'busybox' }] },
};

export const batchSpecimens: readonly Specimen[] = [
  specimenOf(JobKind, {
    'an indexed job with policies': {
      spec: {
        template,
        parallelism: 2,
        completions: 4,
        activeDeadlineSeconds: 100,
        backoffLimitPerIndex: 1,
        maxFailedIndexes: 2,
        ttlSecondsAfterFinished: 60,
        completionMode: 'Indexed',
        suspend: true,
        podReplacementPolicy: 'Failed',
        managedBy: 'example.com/queue',
        podFailurePolicy: {
          rules: [
            { action: 'FailIndex', onExitCodes: { containerName: 'once', operator: 'In', values: [1, 42] } },
            { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
          ],
        },
        successPolicy: { rules: [{ succeededIndexes: '0-1,3', succeededCount: 2 }] },
      },
    },
    'a job whose user chose the selector': {
      spec: {
        template,
        manualSelector: true,
        selector: { matchLabels: { app: 'once' } },
        backoffLimit: 2,
      },
    },
  }),
  specimenOf(CronJobKind, {
    'a nightly job': {
      spec: {
        schedule: '0 3 * * *',
        timeZone: 'Europe/Berlin',
        startingDeadlineSeconds: 60,
        concurrencyPolicy: 'Forbid',
        suspend: false,
        successfulJobsHistoryLimit: 1,
        failedJobsHistoryLimit: 1,
        jobTemplate: { metadata: { labels: { a: 'b' } }, spec: { template } },
      },
    },
  }),
];
