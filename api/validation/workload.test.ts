import { describe, expect, it } from 'vitest';
import { DeploymentKind } from '../kinds/deployment.ts';
import { ReplicaSetKind } from '../kinds/replica-set.ts';
import type { Deployment, ReplicaSet } from '../objects.ts';
import { LABEL_VALUE, QUALIFIED } from '../testing/name-texts.ts';
import { faultText } from './fault-text.ts';

type Spec = NonNullable<Deployment['spec']>;

const pod = { containers: [{ name: 'web', image: 'nginx' }] };
const labels = { app: 'web' };

function deployment(spec: Record<string, unknown> = {}): Deployment {
  const object: Deployment = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', namespace: 'default' },
    spec: {
      selector: { matchLabels: { ...labels } },
      template: { metadata: { labels: { ...labels } }, spec: structuredClone(pod) },
      ...(spec as Partial<Spec>),
    },
  };
  DeploymentKind.strategy.defaults!(object);
  return object;
}

describe('a deployment', () => {
  it.each<[Record<string, unknown>, string[]]>([
    [{}, []],
    [{ replicas: -1 }, ['spec.replicas: Invalid value: -1: must be greater than or equal to 0']],
    [
      { selector: undefined },
      [
        'spec.selector: Required value',
        'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`',
      ],
    ],
    [{ selector: {} }, ['spec.selector: Invalid value: {}: empty selector is invalid for deployment']],
    [
      { selector: { matchLabels: { app: 'other' } } },
      [
        'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`',
      ],
    ],
    [
      { selector: { matchExpressions: [{ key: 'app', operator: 'In' }] } },
      [
        "spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
        'spec.selector: Invalid value: {"matchExpressions":[{"key":"app","operator":"In"}]}: invalid label selector',
      ],
    ],
    [
      { selector: { matchExpressions: [{ key: 'app', operator: 'Exists', values: ['a'] }] } },
      [
        "spec.selector.matchExpressions[0].values: Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
        'spec.selector: Invalid value: {"matchExpressions":[{"key":"app","operator":"Exists","values":["a"]}]}: invalid label selector',
      ],
    ],
    [
      { selector: { matchExpressions: [{ key: 'app', operator: 'Like' }] } },
      [
        'spec.selector.matchExpressions[0].operator: Invalid value: "Like": not a valid selector operator',
        'spec.selector: Invalid value: {"matchExpressions":[{"key":"app","operator":"Like"}]}: invalid label selector',
      ],
    ],
    [
      { strategy: { type: 'Recreate', rollingUpdate: {} } },
      ["spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"],
    ],
    [
      { strategy: { type: 'Canary' } },
      ['spec.strategy.type: Unsupported value: "Canary": supported values: "Recreate", "RollingUpdate"'],
    ],
    [
      { strategy: { rollingUpdate: { maxUnavailable: 0, maxSurge: '0%' } } },
      ['spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0'],
    ],
    [
      { strategy: { rollingUpdate: { maxUnavailable: '101%', maxSurge: -1 } } },
      [
        'spec.strategy.rollingUpdate.maxSurge: Invalid value: -1: must be greater than or equal to 0',
        'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater than 100%',
      ],
    ],
    [
      { strategy: { rollingUpdate: { maxSurge: 'some' } } },
      [
        "spec.strategy.rollingUpdate.maxSurge: Invalid value: \"some\": a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
      ],
    ],
    [
      { minReadySeconds: -1 },
      ['spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0'],
    ],
    [
      { revisionHistoryLimit: -1 },
      ['spec.revisionHistoryLimit: Invalid value: -1: must be greater than or equal to 0'],
    ],
    [
      { progressDeadlineSeconds: 5, minReadySeconds: 5 },
      ['spec.progressDeadlineSeconds: Invalid value: 5: must be greater than minReadySeconds'],
    ],
    [
      { template: { metadata: { labels }, spec: { ...pod, restartPolicy: 'Never' } } },
      ['spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'],
    ],
    [
      { template: { metadata: { labels }, spec: { ...pod, activeDeadlineSeconds: 1 } } },
      [
        'spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicaSet is not Supported',
      ],
    ],
    [
      { template: { metadata: { labels, annotations: { 'a b': '' } }, spec: { containers: [] } } },
      [
        "spec.template.annotations: Invalid value: \"a b\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
        'spec.template.spec.containers: Required value',
      ],
    ],
    [
      {
        template: {
          metadata: { labels },
          spec: { ...pod, hostNetwork: true, ephemeralContainers: [{ name: 'debug', image: 'x' }] },
        },
      },
      ['spec.template.spec.ephemeralContainers: Forbidden: ephemeral containers not allowed in pod template'],
    ],
    [
      { template: { metadata: { labels: { ...labels, '-': '' } }, spec: pod } },
      [`spec.template.labels: Invalid value: "-": name part ${QUALIFIED}`],
    ],
    [
      { progressDeadlineSeconds: -1 },
      [
        'spec.progressDeadlineSeconds: Invalid value: -1: must be greater than or equal to 0',
        'spec.progressDeadlineSeconds: Invalid value: -1: must be greater than minReadySeconds',
      ],
    ],
    [
      {
        selector: { matchLabels: { app: '-' } },
        template: { metadata: { labels }, spec: { containers: [] } },
      },
      [
        `spec.selector.matchLabels: Invalid value: "-": ${LABEL_VALUE}`,
        'spec.selector: Invalid value: {"matchLabels":{"app":"-"}}: invalid label selector',
      ],
    ],
  ])('%j', (spec, expected) => {
    expect(DeploymentKind.strategy.validate(deployment(spec)).map(faultText)).toEqual(expected);
  });

  it('without anything in it lacks three things', () => {
    const bare: Deployment = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web', namespace: 'd' },
    };
    DeploymentKind.strategy.defaults!(bare);
    expect(DeploymentKind.strategy.validate(bare).map(faultText)).toEqual([
      'spec.selector: Required value',
      'spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`',
      'spec.template.spec.containers: Required value',
    ]);
  });

  it('keeps its selector for ever', () => {
    const changed = deployment({ selector: { matchLabels: { app: 'other' } } });
    expect(DeploymentKind.strategy.validateUpdate!(changed, deployment()).map(faultText)).toEqual([
      'spec.selector: Invalid value: {"matchLabels":{"app":"other"}}: field is immutable',
    ]);
    expect(DeploymentKind.strategy.validateUpdate!(deployment({ replicas: 5 }), deployment())).toEqual([]);
  });

  it('gets the defaults of Kubernetes', () => {
    const { spec, status } = deployment();
    expect(status).toEqual({});
    expect({ ...spec, selector: 0, template: 0 }).toEqual({
      replicas: 1,
      revisionHistoryLimit: 10,
      progressDeadlineSeconds: 600,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } },
      selector: 0,
      template: 0,
    });
    expect(deployment({ replicas: 0 }).spec!.replicas).toBe(0);
  });

  it('is scaled through its scale subresource', () => {
    const scale = DeploymentKind.subresources!.scale!;
    const web = { ...deployment({ replicas: 3 }), status: { replicas: 2 } };
    scale.setReplicas(web, 7);
    expect([scale.replicas(web), scale.statusReplicas(web), scale.selector(web)]).toEqual([7, 2, 'app=web']);
  });
});

describe('a replica set', () => {
  const set = (spec: Record<string, unknown>): ReplicaSet => {
    const object = { ...deployment(), kind: 'ReplicaSet', status: { replicas: 0 } } as unknown as ReplicaSet;
    const { selector, template } = deployment().spec!;
    object.spec = { selector, template, ...spec };
    ReplicaSetKind.strategy.defaults!(object);
    return object;
  };

  it('is judged like a deployment, but for the rollout', () => {
    expect(ReplicaSetKind.strategy.validate(set({}))).toEqual([]);
    expect(
      ReplicaSetKind.strategy
        .validate(set({ replicas: -1, minReadySeconds: -1, selector: {} }))
        .map(faultText),
    ).toEqual([
      'spec.replicas: Invalid value: -1: must be greater than or equal to 0',
      'spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0',
      'spec.selector: Invalid value: {}: empty selector is invalid for deployment',
    ]);
    const changed = set({ selector: { matchLabels: { app: 'b' } } });
    expect(ReplicaSetKind.strategy.validateUpdate!(changed, set({})).map(faultText)).toEqual([
      'spec.selector: Invalid value: {"matchLabels":{"app":"b"}}: field is immutable',
    ]);
  });
});
