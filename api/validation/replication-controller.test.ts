import { describe, expect, it } from 'vitest';
import { PodTemplateKind } from '../kinds/pod-template.ts';
import { ReplicationControllerKind } from '../kinds/replication-controller.ts';
import { made, type Parts, refusals, statusRefusals, updateRefusals } from '../testing/refusals.ts';
import { wideRow } from '../testing/rows.ts';

const labels = { app: 'web', tier: 'front' };
const containers = [{ name: 'a', image: 'one:1' }];
const template = { metadata: { labels }, spec: { containers } };

describe('a replication controller is refused', () => {
  it.each<[string, Parts, string[]]>([
    ['without pods', {}, ['spec.selector: Required value', 'spec.template: Required value']],
    [
      'with less than none',
      { template, replicas: -1, minReadySeconds: -1 },
      [
        'spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0',
        'spec.replicas: Invalid value: -1: must be greater than or equal to 0',
      ],
    ],
    [
      'when it does not pick its own pods',
      { template, selector: { app: 'other' } },
      [
        `spec.template.metadata.labels: Invalid value: ${JSON.stringify(labels)}: \`selector\` does not match template \`labels\``,
      ],
    ],
    [
      'of pods that end',
      { template: { ...template, spec: { containers, restartPolicy: 'Never', activeDeadlineSeconds: 1 } } },
      [
        'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
        'spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicationController is not Supported',
      ],
    ],
    [
      'of pods that cannot be',
      { template: { metadata: { labels }, spec: { containers: [] } } },
      ['spec.template.spec.containers: Required value'],
    ],
  ])('%s', (_what, spec, faults) => {
    expect(refusals(ReplicationControllerKind, { spec })).toEqual(faults);
  });

  it('but may pick others later', () => {
    const after = { spec: { template: { ...template, metadata: { labels: { app: 'b' } } } } };
    expect(updateRefusals(ReplicationControllerKind, { spec: { template } }, after)).toEqual([]);
  });
});

it('no part of the pods is more than all of them', () => {
  const status = (counts: Parts) =>
    statusRefusals(ReplicationControllerKind, { spec: { template }, status: counts });
  expect(
    status({
      replicas: 1,
      fullyLabeledReplicas: 2,
      readyReplicas: 2,
      availableReplicas: 3,
      observedGeneration: -1,
    }),
  ).toEqual([
    'status.observedGeneration: Invalid value: -1: must be greater than or equal to 0',
    'status.fullyLabeledReplicas: Invalid value: 2: cannot be greater than status.replicas',
    'status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas',
    'status.availableReplicas: Invalid value: 3: cannot be greater than status.replicas',
    'status.availableReplicas: Invalid value: 3: cannot be greater than readyReplicas',
  ]);
  expect(status({ replicas: 2, readyReplicas: 2, availableReplicas: 1 })).toEqual([]);
});

describe('a replication controller', () => {
  it('takes labels and selector from its template, and wants one pod', () => {
    const controller = made(ReplicationControllerKind, { spec: { template }, status: { replicas: 5 } });
    ReplicationControllerKind.strategy.prepareForCreate!(controller);
    expect(controller).toMatchObject({
      metadata: { labels },
      spec: { replicas: 1, selector: labels, template: { spec: { restartPolicy: 'Always' } } },
      status: { replicas: 0 },
    });
    const own = made(ReplicationControllerKind, {
      metadata: { labels: { a: 'b' } },
      spec: { template, selector: { app: 'web' } },
    });
    expect([own.metadata.labels, own.spec!.selector]).toEqual([{ a: 'b' }, { app: 'web' }]);
  });

  it('scales', () => {
    const { scale } = ReplicationControllerKind.subresources!;
    const controller = made(ReplicationControllerKind, { spec: { template }, status: { replicas: 2 } });
    scale!.setReplicas(controller, 3);
    expect([scale!.replicas(controller), scale!.statusReplicas(controller)]).toEqual([3, 2]);
    expect(scale!.selector(controller)).toBe('app=web,tier=front');
    expect(ReplicationControllerKind.selectableFields!['status.replicas']!(controller)).toBe('2');
  });

  it('is listed with its pods', () => {
    const parts = {
      spec: { replicas: 3, selector: labels, template },
      status: { replicas: 2, readyReplicas: 1 },
    };
    expect(wideRow(ReplicationControllerKind as never, parts)).toEqual([
      'Name|Desired|Current|Ready|Age|(Containers)|(Images)|(Selector)',
      'x|3|2|1|24h|a|one:1|app=web,tier=front',
    ]);
  });
});

describe('a pod template', () => {
  it('is a pod that can be', () => {
    expect(refusals(PodTemplateKind, {})).toEqual(['template.spec.containers: Required value']);
    expect(refusals(PodTemplateKind, { template })).toEqual([]);
  });

  it('gets the defaults of a pod', () => {
    expect(made(PodTemplateKind, { template }).template!.spec).toMatchObject({ dnsPolicy: 'ClusterFirst' });
  });

  it('is listed with its containers', () => {
    expect(wideRow(PodTemplateKind as never, { template })).toEqual([
      'Name|Containers|Images|Pod Labels',
      'x|a|one:1|app=web,tier=front',
    ]);
  });
});
