/** CronJobs. Source: Kubernetes API reference, CronJobSpec; messages of its validation. */
import { cronFault } from '#machinery/values/cron.ts';
import type { CronJob } from '../objects.ts';
import type { Faults } from './faults.ts';
import { checkJobSpec } from './job.ts';

/** A job's name is this one's and a time of eleven characters, and must be a label of 63. */
const NAME_MAX = 52;
const POLICIES = ['Allow', 'Forbid', 'Replace'];

export function checkCronJob(cron: CronJob, faults: Faults): void {
  const spec = cron.spec!;
  checkSchedule(spec.schedule, spec.timeZone, faults);
  const policy = spec.concurrencyPolicy;
  if (policy === undefined || !POLICIES.includes(policy))
    faults.notSupported('spec.concurrencyPolicy', policy, POLICIES);
  faults.notNegative('spec.startingDeadlineSeconds', spec.startingDeadlineSeconds);
  faults.notNegative('spec.successfulJobsHistoryLimit', spec.successfulJobsHistoryLimit);
  faults.notNegative('spec.failedJobsHistoryLimit', spec.failedJobsHistoryLimit);
  const job = spec.jobTemplate.spec!;
  const field = 'spec.jobTemplate.spec';
  checkJobSpec(job, field, faults);
  // Each job gets a selector of its own.
  if (job.manualSelector)
    faults.notSupported(`${field}.manualSelector`, job.manualSelector, ['nil', 'false']);
  if (job.selector) faults.invalid(`${field}.selector`, job.selector, '`selector` will be auto-generated');
  if (cron.metadata.name?.length > NAME_MAX)
    faults.invalid('metadata.name', cron.metadata.name, `must be no more than ${NAME_MAX} characters`);
}

function checkSchedule(schedule: string | undefined, zone: string | undefined, faults: Faults): void {
  if (!schedule) faults.required('spec.schedule');
  else if (schedule.includes('TZ')) {
    const detail = 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead';
    faults.invalid('spec.schedule', schedule, detail);
  } else {
    const fault = cronFault(schedule);
    if (fault !== undefined) faults.invalid('spec.schedule', schedule, fault);
  }
  if (zone === undefined) return;
  if (zone === '') faults.invalid('spec.timeZone', zone, 'timeZone must be nil or non-empty string');
  else if (zone.toLowerCase() === 'local')
    faults.invalid(
      'spec.timeZone',
      zone,
      'timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones',
    );
  else if (!isTimeZone(zone)) faults.invalid('spec.timeZone', zone, `unknown time zone ${zone}`);
}

function isTimeZone(zone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }) !== undefined;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}
