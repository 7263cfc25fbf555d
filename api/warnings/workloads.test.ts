import { describe, expect, it } from 'vitest';
import type { Kind } from '../kind.ts';
import { CronJobKind } from '../kinds/cron-job.ts';
import { DaemonSetKind } from '../kinds/daemon-set.ts';
import { DeploymentKind } from '../kinds/deployment.ts';
import { JobKind } from '../kinds/job.ts';
import { ReplicaSetKind } from '../kinds/replica-set.ts';
import { ReplicationControllerKind } from '../kinds/replication-controller.ts';
import { StatefulSetKind } from '../kinds/stateful-set.ts';
import { warningsOf } from '../testing/objects.ts';

const template = { spec: { containers: [{ name: 'c', image: 'i' }], terminationGracePeriodSeconds: -1 } };
const GRACE =
  'spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1';
const NAME =
  'metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended: [must not contain dots]';
const parts = (generation: number, spec: object = { template }) => ({
  metadata: { name: 'a.b', generation },
  spec,
});

describe('what makes pods', () => {
  it.each<[string, Kind, string[]]>([
    ['Deployment', DeploymentKind as Kind, [NAME]],
    ['ReplicaSet', ReplicaSetKind as Kind, [NAME]],
    ['ReplicationController', ReplicationControllerKind as Kind, [NAME]],
    ['DaemonSet', DaemonSetKind as Kind, []],
    ['StatefulSet', StatefulSetKind as Kind, []],
  ])('%s: its name when it is new, its template whenever that may have changed', (_name, kind, ofName) => {
    const ofTemplate = [`spec.template.${GRACE}`];
    expect(warningsOf(kind, parts(1))).toEqual([...ofName, ...ofTemplate]);
    expect(warningsOf(kind, parts(2), parts(1))).toEqual(ofTemplate);
    expect(warningsOf(kind, parts(1), parts(1))).toEqual([]);
  });

  it('Job: its template always', () => {
    expect(warningsOf(JobKind, parts(1))).toEqual([NAME, `spec.template.${GRACE}`]);
    expect(warningsOf(JobKind, parts(1), parts(1))).toEqual([`spec.template.${GRACE}`]);
  });

  it('Job: more indexes than can be counted', () => {
    const spec = { template: {}, completionMode: 'Indexed', completions: 100_001, parallelism: 10_001 };
    expect(warningsOf(JobKind, { spec })).toEqual([
      'spec: In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail',
    ]);
    expect(warningsOf(JobKind, { spec: { ...spec, parallelism: 10_000 } })).toEqual([]);
    expect(warningsOf(JobKind, { spec: { ...spec, completionMode: 'NonIndexed' } })).toEqual([]);
  });

  it('CronJob: its jobs, and a time zone in the schedule when it changes', () => {
    const spec = { schedule: 'TZ=UTC * * * * *', jobTemplate: { spec: { template } } };
    const ofTemplate = [`spec.jobTemplate.spec.template.${GRACE}`];
    const ofZone = [
      'cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead, see https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details',
    ];
    expect(warningsOf(CronJobKind, parts(1, spec))).toEqual([NAME, ...ofTemplate]);
    expect(warningsOf(CronJobKind, parts(2, spec), parts(1, spec))).toEqual([...ofTemplate, ...ofZone]);
    expect(warningsOf(CronJobKind, parts(1, spec), parts(1, spec))).toEqual(ofZone);
  });

  it('StatefulSet: claims for parts of bytes, and a history without end', () => {
    const claim = { metadata: { name: 'v' }, spec: { resources: { limits: { storage: '1m' } } } };
    const spec = { template: {}, volumeClaimTemplates: [claim], revisionHistoryLimit: -1 };
    const claimText = (at: string) =>
      `spec.volumeClaimTemplates[0]${at}.resources.limits[storage]: fractional byte value "1m" is invalid, must be an integer`;
    const history =
      'spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended';
    const requests = claimText('').replace('limits', 'requests');
    const said = (at: string) => warningsOf(StatefulSetKind, { spec }, at ? { spec } : undefined);
    expect(said('').filter((text) => text !== requests)).toEqual([claimText(''), history]);
    expect(said('.Spec').at(-1)).toBe(history);
    expect(said('.Spec')).toContain(claimText('.Spec'));
  });
});
