/** What strategies make of objects before they are kept, beside their defaults. */
import { describe, expect, it } from 'vitest';
import { DaemonSetKind } from '../kinds/daemon-set.ts';
import { LimitRangeKind } from '../kinds/limit-range.ts';
import { NodeKind } from '../kinds/node.ts';
import { PersistentVolumeKind } from '../kinds/persistent-volume.ts';
import { PodKind } from '../kinds/pod.ts';
import { make, type Parts } from '../testing/objects.ts';

const identity = { name: 'u', groups: [] };

function newPod(parts: Parts) {
  const warnings: string[] = [];
  const pod = make(PodKind, parts);
  const warn = (text: string) => warnings.push(text);
  PodKind.strategy.prepareForCreate!(pod, { identity, now: '2026-01-01T00:00:00Z', subresource: '', warn });
  return { pod, warnings };
}

const containers = [{ name: 'c', image: 'i' }];
const KEY = 'container.apparmor.security.beta.kubernetes.io/c';
const SAID = [
  `metadata.annotations[${KEY}]: deprecated since v1.30; use the "appArmorProfile" field instead`,
];

describe('a new pod', () => {
  it('selects by its own labels where it says which', () => {
    const labels = { version: '1', tenant: 't' };
    const term = (labelSelector: object | undefined) => ({
      topologyKey: 'k',
      matchLabelKeys: ['version', 'absent'],
      mismatchLabelKeys: ['tenant'],
      ...(labelSelector && { labelSelector }),
    });
    const own = [{ key: 'own', operator: 'Exists' }];
    const { pod } = newPod({
      metadata: { labels },
      spec: {
        containers,
        affinity: {
          podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term({}), term(undefined)] },
          podAntiAffinity: {
            preferredDuringSchedulingIgnoredDuringExecution: [
              { weight: 1, podAffinityTerm: term({ matchExpressions: own }) },
            ],
          },
        },
      },
    });
    const written = [
      { key: 'version', operator: 'In', values: ['1'] },
      { key: 'tenant', operator: 'NotIn', values: ['t'] },
    ];
    const { podAffinity, podAntiAffinity } = pod.spec!.affinity!;
    const [first, second] = podAffinity!.requiredDuringSchedulingIgnoredDuringExecution!;
    expect(first!.labelSelector).toEqual({ matchExpressions: written });
    expect(second!.labelSelector).toBeUndefined();
    const [anti] = podAntiAffinity!.preferredDuringSchedulingIgnoredDuringExecution!;
    expect(anti!.podAffinityTerm.labelSelector!.matchExpressions).toEqual([...own, ...written]);
  });

  it.each<[string, object | undefined]>([
    ['unconfined', { type: 'Unconfined' }],
    ['runtime/default', { type: 'RuntimeDefault' }],
    ['localhost/p', { type: 'Localhost', localhostProfile: 'p' }],
    ['localhost/', undefined],
    ['nonsense', undefined],
  ])('takes the AppArmor profile %s of an annotation, and says that it is one', (annotation, profile) => {
    const { pod, warnings } = newPod({
      metadata: { annotations: { [KEY]: annotation } },
      spec: { containers },
    });
    expect(pod.spec!.containers[0]!.securityContext?.appArmorProfile).toEqual(profile);
    expect(warnings).toEqual(SAID);
  });

  it.each<[string, object]>([
    [
      'the container has one',
      {
        containers: [{ ...containers[0], securityContext: { appArmorProfile: { type: 'RuntimeDefault' } } }],
      },
    ],
    ['the pod has the same', { containers, securityContext: { appArmorProfile: { type: 'Unconfined' } } }],
    ['it is for Windows', { containers, os: { name: 'windows' } }],
  ])('leaves the annotation alone when %s', (_why, spec) => {
    const parts = { metadata: { annotations: { [KEY]: 'unconfined' } }, spec };
    const { pod, warnings } = newPod(parts as Parts);
    const before = make(PodKind, parts as Parts);
    expect(pod.spec).toEqual(before.spec);
    expect(warnings).toEqual([]);
  });
});

describe('the status of', () => {
  const write = { identity, now: '2026-01-02T00:00:00Z', subresource: 'status' };

  it('a pod keeps its class of service', () => {
    const old = make(PodKind, { spec: { containers }, status: { qosClass: 'BestEffort' } });
    const next = make(PodKind, { spec: { containers }, status: { phase: 'Running' } });
    PodKind.strategy.prepareForStatus!(next, old, write);
    expect(next.status).toEqual({ phase: 'Running', qosClass: 'BestEffort' });
  });

  it.each<[string, object, string]>([
    ['another phase', { phase: 'Bound' }, write.now],
    ['another phase with the old time', { phase: 'Bound', lastPhaseTransitionTime: 'then' }, write.now],
    ['another phase with a time of its own', { phase: 'Bound', lastPhaseTransitionTime: 'mine' }, 'mine'],
    ['the same phase', { phase: 'Available' }, 'then'],
  ])('a volume notes when it has %s', (_name, status, time) => {
    const old = make(PersistentVolumeKind, {
      status: { phase: 'Available', lastPhaseTransitionTime: 'then' },
    });
    const next = make(PersistentVolumeKind, { status });
    PersistentVolumeKind.strategy.prepareForStatus!(next, old, write);
    expect(next.status!.lastPhaseTransitionTime).toBe(time);
  });

  it('a node has no configuration that is not there already', () => {
    const config = { status: { config: { error: 'e' } } };
    const next = make(NodeKind, config);
    NodeKind.strategy.prepareForStatus!(next, make(NodeKind, config), write);
    expect(next.status!.config).toEqual({ error: 'e' });
    NodeKind.strategy.prepareForStatus!(next, make(NodeKind, {}), write);
    expect(next.status!.config).toBeUndefined();
  });
});

it('a node gets no source of configuration', () => {
  const configSource = { spec: { configSource: {} }, status: { config: {} } };
  const made = make(NodeKind, configSource);
  NodeKind.strategy.prepareForCreate!(made);
  expect([made.spec!.configSource, made.status!.config]).toEqual([undefined, undefined]);
  const changed = make(NodeKind, configSource);
  NodeKind.strategy.prepareForUpdate!(changed, make(NodeKind, configSource));
  expect(changed.spec!.configSource).toEqual({});
  NodeKind.strategy.prepareForUpdate!(changed, made);
  expect(changed.spec!.configSource).toBeUndefined();
});

it('a LimitRange without a name gets one', () => {
  const range = make(LimitRangeKind, { metadata: { name: '', uid: 'some-uid' } });
  LimitRangeKind.strategy.prepareForCreate!(range);
  expect(range.metadata.name).toBe('some-uid');
});

describe('the generation of the template of a DaemonSet', () => {
  const KEY_OF = 'deprecated.daemonset.template.generation';
  const set = (image: string, generation?: string) =>
    make(DaemonSetKind, {
      metadata: { annotations: generation === undefined ? {} : { [KEY_OF]: generation } },
      spec: { template: { spec: { containers: [{ name: 'c', image }] } } },
    });

  it.each([
    [undefined, '1'],
    ['0', '1'],
    ['nonsense', '1'],
    ['7', '7'],
  ])('of %s begins with %s', (given, first) => {
    const made = set('i', given);
    DaemonSetKind.strategy.prepareForCreate!(made);
    expect(made.metadata.annotations).toEqual({ [KEY_OF]: first });
  });

  it('grows with the template alone, whatever is said', () => {
    const same = set('i', '9');
    DaemonSetKind.strategy.prepareForUpdate!(same, set('i', '3'));
    expect(same.metadata.annotations).toEqual({ [KEY_OF]: '3' });
    const other = set('j');
    DaemonSetKind.strategy.prepareForUpdate!(other, set('i', '3'));
    expect(other.metadata.annotations).toEqual({ [KEY_OF]: '4' });
  });
});
