import { describe, expect, it } from 'vitest';
import type { Kind } from '../kind.ts';
import { ControllerRevisionKind } from '../kinds/controller-revision.ts';
import { DaemonSetKind } from '../kinds/daemon-set.ts';
import { StatefulSetKind } from '../kinds/stateful-set.ts';
import type { ApiObject, ControllerRevision, DaemonSet, StatefulSet } from '../objects.ts';
import { faultText } from './fault-text.ts';

type Parts = Record<string, unknown>;

const own = {
  selector: { matchLabels: { app: 'web' } },
  template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
};

function make<T extends ApiObject>(kind: Kind<T>, spec: Parts): T {
  const metadata = { name: 'web', namespace: 'default' };
  const object = {
    apiVersion: 'apps/v1',
    kind: kind.kind,
    metadata,
    spec: structuredClone({ ...own, ...spec }),
  };
  kind.strategy.defaults!(object as unknown as T);
  return object as unknown as T;
}

const judge = <T extends ApiObject>(kind: Kind<T>, spec: Parts) =>
  kind.strategy.validate(make(kind, spec)).map(faultText);
const NOT_NEGATIVE = 'Invalid value: -1: must be greater than or equal to 0';

describe('a stateful set', () => {
  it('is rolled out in order and keeps its volumes, unless asked', () => {
    expect(make(StatefulSetKind, {}).spec).toMatchObject({
      replicas: 1,
      serviceName: '',
      podManagementPolicy: 'OrderedReady',
      revisionHistoryLimit: 10,
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 0 } },
      persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' },
    });
  });

  it.each<[string, Parts, string[]]>([
    ['sound', {}, []],
    [
      'an unknown order',
      { podManagementPolicy: 'Random' },
      ["spec.podManagementPolicy: Invalid value: \"Random\": must be 'OrderedReady' or 'Parallel'"],
    ],
    [
      'negative numbers',
      {
        replicas: -1,
        minReadySeconds: -1,
        ordinals: { start: -1 },
        revisionHistoryLimit: -1,
        updateStrategy: { rollingUpdate: { partition: -1 } },
      },
      [
        'updateStrategy.rollingUpdate.partition',
        'replicas',
        'minReadySeconds',
        'ordinals.start',
        'revisionHistoryLimit',
      ].map((name) => `spec.${name}: ${NOT_NEGATIVE}`),
    ],
    [
      'an unknown strategy',
      { updateStrategy: { type: 'Now' } },
      ['spec.updateStrategy: Invalid value: {"type":"Now"}: must be \'RollingUpdate\' or \'OnDelete\''],
    ],
    [
      'a rolling update by hand',
      { updateStrategy: { type: 'OnDelete', rollingUpdate: { partition: 1 } } },
      [
        'spec.updateStrategy.rollingUpdate: Invalid value: {"partition":1}: only allowed for updateStrategy \'RollingUpdate\'',
      ],
    ],
    [
      'none at a time',
      { updateStrategy: { rollingUpdate: { maxUnavailable: 0 } } },
      ['spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: 0: cannot be 0'],
    ],
    [
      'an unknown retention',
      { persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Keep', whenScaled: 'Keep' } },
      ['whenDeleted', 'whenScaled'].map(
        (name) =>
          `spec.persistentVolumeClaimRetentionPolicy.${name}: Unsupported value: "Keep": supported values: "Retain", "Delete"`,
      ),
    ],
    [
      'an empty selector',
      { selector: {} },
      ['spec.selector: Invalid value: {}: empty selector is invalid for statefulset'],
    ],
    [
      'pods that end',
      {
        template: {
          ...own.template,
          spec: { ...own.template.spec, restartPolicy: 'Never', activeDeadlineSeconds: 1 },
        },
      },
      [
        'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
        'spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in StatefulSet is not Supported',
      ],
    ],
  ])('%s', (_what, spec, faults) => {
    expect(judge(StatefulSetKind, spec)).toEqual(faults);
  });

  it('asks for an order of its pods', () => {
    const set = make(StatefulSetKind, {});
    set.spec!.podManagementPolicy = '';
    expect(StatefulSetKind.strategy.validate(set).map(faultText)).toEqual([
      'spec.podManagementPolicy: Required value',
    ]);
  });

  it('stays what it is', () => {
    const old = make(StatefulSetKind, {});
    const update = (spec: Parts) => {
      const now = structuredClone(old);
      Object.assign(now.spec!, spec);
      return StatefulSetKind.strategy.validateUpdate!(now, old).map(faultText);
    };
    expect(update({ replicas: 3, minReadySeconds: 1, revisionHistoryLimit: 2 })).toEqual([]);
    expect(update({ serviceName: 'other' })).toEqual([
      "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
    ]);
  });

  it.each<[Parts, string[]]>([
    [{ replicas: 2, readyReplicas: 1, availableReplicas: 1 }, []],
    [
      { replicas: -1 },
      [
        `status.replicas: ${NOT_NEGATIVE}`,
        ...['readyReplicas', 'currentReplicas', 'updatedReplicas', 'availableReplicas'].map(
          (name) => `status.${name}: Invalid value: 0: cannot be greater than status.replicas`,
        ),
      ],
    ],
    [
      { replicas: 1, readyReplicas: 2 },
      ['status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas'],
    ],
    [
      { replicas: 2, readyReplicas: 1, availableReplicas: 2 },
      ['status.availableReplicas: Invalid value: 2: cannot be greater than status.readyReplicas'],
    ],
  ])('has no status %j', (status, faults) => {
    const set = { ...make(StatefulSetKind, {}), status } as StatefulSet;
    expect(StatefulSetKind.strategy.validateStatus!(set, set).map(faultText)).toEqual(faults);
  });
});

describe('a daemon set', () => {
  it('replaces one pod at a time, unless asked', () => {
    expect(make(DaemonSetKind, {})).toMatchObject({
      spec: {
        revisionHistoryLimit: 10,
        updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } },
      },
      status: { currentNumberScheduled: 0, desiredNumberScheduled: 0, numberMisscheduled: 0, numberReady: 0 },
    });
  });

  const rolling = (rollingUpdate: Parts) => ({ updateStrategy: { rollingUpdate } });
  const UPDATE = 'spec.updateStrategy.rollingUpdate';

  it.each<[string, Parts, string[]]>([
    ['sound', rolling({ maxUnavailable: 0, maxSurge: '10%' }), []],
    [
      'negative numbers',
      { minReadySeconds: -1, revisionHistoryLimit: -1 },
      [`spec.minReadySeconds: ${NOT_NEGATIVE}`, `spec.revisionHistoryLimit: ${NOT_NEGATIVE}`],
    ],
    [
      'an unknown strategy',
      { updateStrategy: { type: 'Now' } },
      ['spec.updateStrategy.type: Unsupported value: "Now": supported values: "RollingUpdate", "OnDelete"'],
    ],
    [
      'both at once',
      rolling({ maxUnavailable: 1, maxSurge: 1 }),
      [`${UPDATE}.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero`],
    ],
    [
      'neither',
      rolling({ maxUnavailable: 0 }),
      [`${UPDATE}.maxUnavailable: Required value: cannot be 0 when maxSurge is 0`],
    ],
    [
      'more than all',
      rolling({ maxUnavailable: '101%' }),
      [`${UPDATE}.maxUnavailable: Invalid value: "101%": must not be greater than 100%`],
    ],
    [
      'an empty selector',
      { selector: {} },
      ['spec.selector: Invalid value: {}: empty selector is invalid for daemonset'],
    ],
  ])('%s', (_what, spec, faults) => {
    expect(judge(DaemonSetKind, spec)).toEqual(faults);
  });

  it('keeps its selector, and counts no less than nothing', () => {
    const old = make(DaemonSetKind, {});
    const now = structuredClone(old);
    now.spec!.selector = { matchLabels: { a: 'b' } };
    expect(DaemonSetKind.strategy.validateUpdate!(now, old).map(faultText)).toEqual([
      'spec.selector: Invalid value: {"matchLabels":{"a":"b"}}: field is immutable',
    ]);
    const wrong = { ...old, status: { ...old.status!, numberReady: -1 } } as DaemonSet;
    expect(DaemonSetKind.strategy.validateStatus!(wrong, old).map(faultText)).toEqual([
      `status.numberReady: ${NOT_NEGATIVE}`,
    ]);
  });
});

describe('a revision', () => {
  const revision = (parts: Parts) =>
    ({
      apiVersion: 'apps/v1',
      kind: 'ControllerRevision',
      metadata: { name: 'web-1', namespace: 'default' },
      ...parts,
    }) as unknown as ControllerRevision;

  it('holds data that stay', () => {
    const { strategy } = ControllerRevisionKind;
    expect(strategy.validate(revision({ revision: -1 })).map(faultText)).toEqual([
      'data: Required value: data is mandatory',
      `revision: ${NOT_NEGATIVE}`,
    ]);
    const old = revision({ data: { a: 1 }, revision: 1 });
    expect(strategy.validateUpdate!(revision({ data: { a: 2 }, revision: 2 }), old).map(faultText)).toEqual([
      'data: Invalid value: {"a":2}: field is immutable',
    ]);
  });
});
