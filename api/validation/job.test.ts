import { describe, expect, it } from 'vitest';
import { CronJobKind } from '../kinds/cron-job.ts';
import { JobKind } from '../kinds/job.ts';
import type { CronJob, Job } from '../objects.ts';
import { faultText } from './fault-text.ts';

type Parts = Record<string, unknown>;

const pod = { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] };
const template = (spec: Parts = {}) => ({ spec: { ...structuredClone(pod), ...spec } });
const indexed = { completionMode: 'Indexed', completions: 4 };

function job(spec: Parts = {}, name = 'once'): Job {
  const object = {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name, namespace: 'default', uid: 'u' },
    spec: { template: template(), ...structuredClone(spec) },
  } as unknown as Job;
  JobKind.strategy.defaults!(object);
  JobKind.strategy.prepareForCreate!(object);
  JobKind.strategy.defaults!(object);
  return object;
}

const faultsOf = (object: Job) => JobKind.strategy.validate(object).map(faultText);
const rule = (parts: Parts) => ({ podFailurePolicy: { rules: [parts] } });
const exit = (parts: Parts) =>
  rule({ action: 'FailJob', onExitCodes: { operator: 'In', values: [1], ...parts } });
const condition = { type: 'DisruptionTarget' };
const success = (parts: Parts) => ({ ...indexed, successPolicy: { rules: [parts] } });
const many = (count: number, what: unknown) => Array.from({ length: count }, () => what);

const FAILURE = 'spec.podFailurePolicy.rules[0]';
const SUCCESS = 'spec.successPolicy.rules[0]';

describe('a job', () => {
  it('gets a selector that no other job has', () => {
    const { spec, status, metadata } = job();
    expect(spec).toMatchObject({
      completions: 1,
      parallelism: 1,
      backoffLimit: 6,
      completionMode: 'NonIndexed',
      suspend: false,
      podReplacementPolicy: 'TerminatingOrFailed',
      manualSelector: false,
      selector: { matchLabels: { 'batch.kubernetes.io/controller-uid': 'u' } },
    });
    expect(spec!.template.metadata!.labels).toEqual({
      'batch.kubernetes.io/controller-uid': 'u',
      'batch.kubernetes.io/job-name': 'once',
      'controller-uid': 'u',
      'job-name': 'once',
    });
    expect(metadata.labels).toEqual(spec!.template.metadata!.labels);
    expect(status).toEqual({});
    expect(job({ backoffLimitPerIndex: 1 }).spec!.backoffLimit).toBe(2_147_483_647);
  });

  it.each<[string, Parts, string[]]>([
    ['sound', {}, []],
    [
      'a negative count',
      { parallelism: -1 },
      ['spec.parallelism: Invalid value: -1: must be greater than or equal to 0'],
    ],
    [
      'no restart policy',
      { template: template({ restartPolicy: 'Always' }) },
      ['spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'],
    ],
    [
      'an unknown restart policy',
      { template: template({ restartPolicy: 'Sometimes' }) },
      [
        'spec.template.spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"',
        'spec.template.spec.restartPolicy: Unsupported value: "Sometimes": supported values: "OnFailure", "Never"',
      ],
    ],
    [
      'restarts with a failure policy',
      { template: template({ restartPolicy: 'OnFailure' }), ...exit({}) },
      [
        'spec.template.spec.restartPolicy: Invalid value: "OnFailure": only "Never" is supported when podFailurePolicy is specified',
      ],
    ],
    [
      'an unknown mode',
      { completionMode: 'Some' },
      ['spec.completionMode: Unsupported value: "Some": supported values: "NonIndexed", "Indexed"'],
    ],
    [
      'an indexed job without completions',
      { completionMode: 'Indexed', parallelism: 1 },
      ['spec.completions: Required value: when completion mode is Indexed'],
    ],
    [
      'too many indexes at once',
      { ...indexed, parallelism: 100_001 },
      [
        'spec.parallelism: Invalid value: 100001: must be less than or equal to 100000 when completion mode is Indexed',
      ],
    ],
    [
      'limits of indexes without indexes',
      { backoffLimitPerIndex: 1, maxFailedIndexes: 1 },
      [
        'spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode',
        'spec.maxFailedIndexes: Invalid value: 1: requires indexed completion mode',
      ],
    ],
    [
      'a limit of failed indexes alone',
      { ...indexed, maxFailedIndexes: 1 },
      ['spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified'],
    ],
    [
      'more failed indexes than there are',
      { ...indexed, backoffLimitPerIndex: 1, maxFailedIndexes: 5 },
      ['spec.maxFailedIndexes: Invalid value: 5: must be less than or equal to completions'],
    ],
    [
      'very many failed indexes',
      { completionMode: 'Indexed', completions: 200_000, backoffLimitPerIndex: 1, maxFailedIndexes: 100_001 },
      [
        'spec.maxFailedIndexes: Invalid value: 100001: must be less than or equal to 100000',
        'spec.maxFailedIndexes: Invalid value: 100001: must be less than or equal to 10000 when completions are above 100000 and used with backoff limit per index',
      ],
    ],
    [
      'very many indexes without a limit',
      { completionMode: 'Indexed', completions: 200_000, parallelism: 10_001, backoffLimitPerIndex: 1 },
      [
        'spec.maxFailedIndexes: Required value: must be specified when completions is above 100000',
        'spec.parallelism: Invalid value: 10001: must be less than or equal to 10000 when completions are above 100000 and used with backoff limit per index',
      ],
    ],
    [
      'an unknown replacement policy',
      { podReplacementPolicy: 'Never' },
      [
        'spec.podReplacementPolicy: Unsupported value: "Never": supported values: "Failed", "TerminatingOrFailed"',
      ],
    ],
    [
      'a manager without a domain',
      { managedBy: 'queue' },
      ['spec.managedBy: Invalid value: "queue": must be a domain-prefixed path (such as "acme.io/foo")'],
    ],
    [
      'a long manager',
      { managedBy: `example.com/${'a'.repeat(60)}` },
      ['spec.managedBy: Too long: may not be more than 63 bytes'],
    ],
    [
      'a selector of its own making',
      { selector: { matchLabels: { a: 'b' } } },
      [
        ...[
          'batch.kubernetes.io/controller-uid',
          'batch.kubernetes.io/job-name',
          'controller-uid',
          'job-name',
        ].map(
          (key) =>
            `spec.template.metadata.labels[${key}]: Required value: must be '${key.endsWith('uid') ? 'u' : 'once'}'`,
        ),
        'spec.selector: Invalid value: {"matchLabels":{"a":"b"}}: `selector` not auto-generated',
        'spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`',
      ],
    ],
    ['a manual selector that is missing', { manualSelector: true }, ['spec.selector: Required value']],
    [
      "another job's label",
      { template: { metadata: { labels: { 'job-name': 'other' } }, spec: pod } },
      [
        'spec.template.metadata.labels[job-name]: Invalid value: {"batch.kubernetes.io/controller-uid":"u","batch.kubernetes.io/job-name":"once","controller-uid":"u","job-name":"other"}: must be \'once\'',
      ],
    ],
  ])('%s', (_what, spec, faults) => {
    expect(faultsOf(job(spec))).toEqual(faults);
  });

  it('names its pods by labels', () => {
    const name = 'a'.repeat(62);
    expect(faultsOf(job(indexed, name)).at(-1)).toBe(
      `metadata.name: Invalid value: "${name}": will not able to create pod with invalid DNS label ${name}-3: must be no more than 63 characters`,
    );
  });

  it.each<[string, Parts, string[]]>([
    [
      'too many rules',
      { podFailurePolicy: { rules: many(21, { action: 'Count', onPodConditions: [condition] }) } },
      ['spec.podFailurePolicy.rules: Too many: 21: must have at most 20 items'],
    ],
    [
      'an action for indexes',
      rule({ action: 'FailIndex', onPodConditions: [condition] }),
      [`${FAILURE}.action: Invalid value: "FailIndex": requires the backoffLimitPerIndex to be set`],
    ],
    [
      'an unknown action',
      rule({ action: 'Cry', onPodConditions: [condition] }),
      [`${FAILURE}.action: Unsupported value: "Cry": supported values: "Count", "FailJob", "Ignore"`],
    ],
    [
      'nothing to look at',
      rule({ action: 'Count' }),
      [
        `${FAILURE}: Invalid value: {"action":"Count"}: specifying one of OnExitCodes and OnPodConditions is required`,
      ],
    ],
    [
      'two things to look at',
      rule({ action: 'Count', onExitCodes: { operator: 'In', values: [1] }, onPodConditions: [condition] }),
      [
        `${FAILURE}: Invalid value: {"action":"Count","onExitCodes":{"operator":"In","values":[1]},"onPodConditions":[{"type":"DisruptionTarget","status":"True"}]}: specifying both OnExitCodes and OnPodConditions is not supported`,
      ],
    ],
    [
      'an unknown operator',
      exit({ operator: 'Like' }),
      [`${FAILURE}.onExitCodes.operator: Unsupported value: "Like": supported values: "In", "NotIn"`],
    ],
    [
      'a container that is not there',
      exit({ containerName: 'x' }),
      [
        `${FAILURE}.onExitCodes.containerName: Invalid value: "x": must be one of the container or initContainer names in the pod template`,
      ],
    ],
    [
      'no exit codes',
      exit({ values: [] }),
      [`${FAILURE}.onExitCodes.values: Invalid value: []: at least one value is required`],
    ],
    [
      'too many exit codes',
      exit({ values: Array.from({ length: 256 }, (_, at) => at + 1) }),
      [`${FAILURE}.onExitCodes.values: Too many: 256: must have at most 255 items`],
    ],
    [
      'success as a failure',
      exit({ values: [0] }),
      [`${FAILURE}.onExitCodes.values[0]: Invalid value: 0: must not be 0 for the In operator`],
    ],
    [
      'an exit code twice',
      exit({ values: [1, 1] }),
      [`${FAILURE}.onExitCodes.values[1]: Duplicate value: 1`],
    ],
    [
      'exit codes out of order',
      exit({ values: [2, 1] }),
      [`${FAILURE}.onExitCodes.values: Invalid value: [2,1]: must be ordered`],
    ],
    [
      'too many conditions',
      rule({ action: 'Count', onPodConditions: many(21, condition) }),
      [`${FAILURE}.onPodConditions: Too many: 21: must have at most 20 items`],
    ],
    [
      'a condition of no name',
      rule({ action: 'Count', onPodConditions: [{ type: 'a b', status: 'Maybe' }] }),
      [
        `${FAILURE}.onPodConditions[0].type: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`,
        `${FAILURE}.onPodConditions[0].status: Unsupported value: "Maybe": supported values: "False", "True", "Unknown"`,
      ],
    ],
  ])('refuses a policy for failures with %s', (_what, spec, faults) => {
    expect(faultsOf(job(spec))).toEqual(faults);
  });

  it.each<[string, Parts, string[]]>([
    [
      'without indexes',
      { successPolicy: { rules: [{ succeededCount: 1 }] } },
      [
        'spec.successPolicy: Invalid value: {"rules":[{"succeededCount":1}]}: requires indexed completion mode',
      ],
    ],
    [
      'without rules',
      { ...indexed, successPolicy: { rules: [] } },
      [
        'spec.successPolicy.rules: Required value: at least one rules must be specified when the successPolicy is specified',
      ],
    ],
    [
      'with too many rules',
      { ...indexed, successPolicy: { rules: many(21, { succeededCount: 1 }) } },
      ['spec.successPolicy.rules: Too many: 21: must have at most 20 items'],
    ],
    [
      'with an empty rule',
      success({}),
      [`${SUCCESS}: Required value: at least one of succeededCount or succeededIndexes must be specified`],
    ],
    ...['x', '2-1', '1,1', '0-9'].map((text): [string, Parts, string[]] => [
      `with indexes ${text}`,
      success({ succeededIndexes: text }),
      [`${SUCCESS}.succeededIndexes: Invalid value: "${text}": error parsing succeededIndexes`],
    ]),
    [
      'with a negative count',
      success({ succeededCount: -1 }),
      [`${SUCCESS}.succeededCount: Invalid value: -1: must be greater than or equal to 0`],
    ],
    [
      'with a count too high',
      success({ succeededCount: 5 }),
      [
        `${SUCCESS}.succeededCount: Invalid value: 5: must be less than or equal to 4 (the number of specified completions)`,
      ],
    ],
    [
      'with more than its indexes',
      success({ succeededIndexes: '0-1', succeededCount: 3 }),
      [
        `${SUCCESS}.succeededCount: Invalid value: 3: must be less than or equal to 2 (the number of indexes in the specified succeededIndexes field)`,
      ],
    ],
  ])('refuses a policy for success %s', (_what, spec, faults) => {
    expect(faultsOf(job(spec))).toEqual(faults);
  });
});

describe('an update of a job', () => {
  const faultsOfUpdate = (now: Job, old: Job) => JobKind.strategy.validateUpdate!(now, old).map(faultText);
  const changed = (spec: Parts, before: Parts = {}) => {
    const old = job(before);
    const now = structuredClone(old);
    Object.assign(now.spec!, spec);
    return faultsOfUpdate(now, old).map((fault) => fault.replace(/: Invalid value: .*: /, ': '));
  };

  it('leaves what it is alone', () => {
    expect(changed({ suspend: true, parallelism: 3, activeDeadlineSeconds: 5 })).toEqual([]);
    expect(
      changed({
        completions: 9,
        completionMode: 'Indexed',
        backoffLimitPerIndex: 3,
        selector: { matchLabels: { a: 'b' } },
        template: template({ restartPolicy: 'OnFailure' }),
        managedBy: 'a.b/c',
        podFailurePolicy: { rules: [] },
        successPolicy: { rules: [{ succeededCount: 1 }] },
      }),
    ).toEqual([
      'spec.completions: can only be modified in tandem with spec.parallelism such that spec.completions == spec.parallelism',
      'spec.selector: field is immutable',
      'spec.template: field is immutable',
      'spec.completionMode: field is immutable',
      'spec.podFailurePolicy: field is immutable',
      'spec.backoffLimitPerIndex: field is immutable',
      'spec.managedBy: field is immutable',
      'spec.successPolicy: field is immutable',
    ]);
    expect(changed({ completions: 2 })).toEqual(['spec.completions: field is immutable']);
  });

  it('lets an indexed job grow, and a job that waits go elsewhere', () => {
    expect(changed({ completions: 6, parallelism: 6 }, indexed)).toEqual([]);
    const waiting = job({ suspend: true });
    const moved = structuredClone(waiting);
    moved.spec!.template.spec!.nodeSelector = { disk: 'ssd' };
    expect(faultsOfUpdate(moved, waiting)).toEqual([]);
    waiting.status = { startTime: '2026-01-01T00:00:00Z' } as Job['status'];
    expect(faultsOfUpdate(moved, waiting)).toHaveLength(1);
  });

  it.each<[Parts, string[]]>([
    [{ active: -1 }, ['status.active: Invalid value: -1: must be greater than or equal to 0']],
    [
      {
        conditions: [
          { type: 'Complete', status: 'True' },
          { type: 'Failed', status: 'True' },
        ],
      },
      [
        'status.conditions: Invalid value: [{"type":"Complete","status":"True"},{"type":"Failed","status":"True"}]: cannot set Complete=True and Failed=True conditions',
      ],
    ],
    [
      { completionTime: '2026-01-01T00:00:00Z' },
      [
        'status.completionTime: Invalid value: "2026-01-01T00:00:00Z": cannot set completionTime when there is no Complete=True condition',
      ],
    ],
  ])('of its status with %j', (status, faults) => {
    const now = { ...job(), status } as Job;
    expect(JobKind.strategy.validateStatus!(now, job()).map(faultText)).toEqual(faults);
  });
});

describe('a cron job', () => {
  const cron = (spec: Parts, name = 'nightly'): CronJob => {
    const object = {
      apiVersion: 'batch/v1',
      kind: 'CronJob',
      metadata: { name, namespace: 'default' },
      spec: {
        schedule: '0 3 * * *',
        jobTemplate: { spec: { template: template() } },
        ...structuredClone(spec),
      },
    } as unknown as CronJob;
    CronJobKind.strategy.defaults!(object);
    return object;
  };
  const inTemplate = (spec: Parts) => ({ jobTemplate: { spec: { template: template(), ...spec } } });

  it('keeps three jobs that succeeded and one that failed', () => {
    expect(cron({}).spec).toMatchObject({
      concurrencyPolicy: 'Allow',
      suspend: false,
      successfulJobsHistoryLimit: 3,
      failedJobsHistoryLimit: 1,
    });
  });

  it.each<[string, Parts, string[]]>([
    ['sound', { timeZone: 'Europe/Berlin' }, []],
    ['no schedule', { schedule: '' }, ['spec.schedule: Required value']],
    [
      'no known schedule',
      { schedule: 'daily' },
      ['spec.schedule: Invalid value: "daily": expected exactly 5 fields, found 1: [daily]'],
    ],
    [
      'a zone in the schedule',
      { schedule: 'TZ=UTC 0 3 * * *' },
      [
        'spec.schedule: Invalid value: "TZ=UTC 0 3 * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead',
      ],
    ],
    [
      'an empty zone',
      { timeZone: '' },
      ['spec.timeZone: Invalid value: "": timeZone must be nil or non-empty string'],
    ],
    [
      'the local zone',
      { timeZone: 'Local' },
      [
        'spec.timeZone: Invalid value: "Local": timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones',
      ],
    ],
    [
      'an unknown zone',
      { timeZone: 'Moon/Base' },
      ['spec.timeZone: Invalid value: "Moon/Base": unknown time zone Moon/Base'],
    ],
    [
      'an unknown policy',
      { concurrencyPolicy: 'Mix' },
      ['spec.concurrencyPolicy: Unsupported value: "Mix": supported values: "Allow", "Forbid", "Replace"'],
    ],
    [
      'negative numbers',
      { startingDeadlineSeconds: -1, successfulJobsHistoryLimit: -1, failedJobsHistoryLimit: -1 },
      ['startingDeadlineSeconds', 'successfulJobsHistoryLimit', 'failedJobsHistoryLimit'].map(
        (name) => `spec.${name}: Invalid value: -1: must be greater than or equal to 0`,
      ),
    ],
    [
      'a selector',
      inTemplate({ selector: {} }),
      ['spec.jobTemplate.spec.selector: Invalid value: {}: `selector` will be auto-generated'],
    ],
    [
      'a manual selector',
      inTemplate({ manualSelector: true }),
      ['spec.jobTemplate.spec.manualSelector: Unsupported value: true: supported values: "nil", "false"'],
    ],
  ])('%s', (_what, spec, faults) => {
    expect(CronJobKind.strategy.validate(cron(spec)).map(faultText)).toEqual(faults);
  });

  it('leaves room for the time in the names of its jobs', () => {
    const name = 'a'.repeat(53);
    expect(CronJobKind.strategy.validate(cron({}, name)).map(faultText)).toEqual([
      `metadata.name: Invalid value: "${name}": must be no more than 52 characters`,
    ]);
  });
});
