import { describe, expect, it } from 'vitest';
import { PodKind } from '../kinds/pod.ts';
import type { PodSpec } from '../objects.ts';
import { podWith, type Wrong } from '../testing/pods.ts';
import { faultText } from './fault-text.ts';

describe('a change of a pod', () => {
  function change(edit: (spec: PodSpec) => void, before: Wrong = {}): string[] {
    const old = podWith(before);
    const pod = structuredClone(old);
    edit(pod.spec!);
    return PodKind.strategy.validateUpdate!(pod, old).map(faultText);
  }

  it('may be of images, of the deadline downwards, and of more tolerations', () => {
    expect(
      change(
        (spec) => {
          spec.containers[0]!.image = 'other';
          spec.activeDeadlineSeconds = 5;
          spec.tolerations!.push({ operator: 'Exists' });
        },
        { activeDeadlineSeconds: 10, tolerations: [{ key: 'a', operator: 'Exists' }] },
      ),
    ).toEqual([]);
  });

  it('may be of nothing else', () => {
    const [fault] = change((spec) => {
      spec.hostname = 'other';
      spec.containers[0]!.command = ['sh'];
    });
    expect(fault).toMatch(
      /^spec: Forbidden: pod updates may not change fields other than `spec.containers\[\*\].image`,.*\nchanged: spec.containers, spec.hostname$/s,
    );
  });

  it.each<[string, (spec: PodSpec) => void, string]>([
    [
      'containers',
      (spec) => spec.containers.push({ name: 'b', image: 'x' }),
      'spec.containers: Forbidden: pod updates may not add or remove containers',
    ],
    [
      'a later deadline',
      (spec) => {
        spec.activeDeadlineSeconds = 11;
      },
      'spec.activeDeadlineSeconds: Invalid value: 11: must be less than or equal to previous value',
    ],
    [
      'no deadline',
      (spec) => {
        delete spec.activeDeadlineSeconds;
      },
      'spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer to nil value',
    ],
    [
      'fewer tolerations',
      (spec) => {
        spec.tolerations = [];
      },
      'spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds',
    ],
    [
      'new gates',
      (spec) => {
        spec.schedulingGates = [{ name: 'new' }];
      },
      "spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'new'",
    ],
  ])('cannot be of %s', (_what, edit, fault) => {
    expect(
      change(edit, { activeDeadlineSeconds: 10, tolerations: [{ key: 'a', operator: 'Exists' }] }),
    ).toEqual([fault]);
  });
});

describe('where a pod that is held back may go', () => {
  const nodes = (...nodeSelectorTerms: Wrong[]): Wrong => ({
    affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } },
  });
  const zone = { key: 'zone', operator: 'In', values: ['a'] };
  const disk = { key: 'disk', operator: 'Exists' };
  const terms = 'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms';
  const change = (before: Wrong, after: Wrong): string[] => {
    const gates = { schedulingGates: [{ name: 'a' }] };
    return PodKind.strategy.validateUpdate!(
      podWith({ ...gates, ...after }),
      podWith({ ...gates, ...before }),
    ).map(faultText);
  };

  it.each<[string, Wrong, Wrong, string[]]>([
    ['fewer nodes', { nodeSelector: { a: '1' } }, { nodeSelector: { a: '1', b: '2' } }, []],
    ['any nodes, when nobody asked for some', {}, nodes({ matchExpressions: [zone] }), []],
    [
      'nodes that fit more terms',
      nodes({ matchExpressions: [zone] }),
      nodes({ matchExpressions: [zone, disk] }),
      [],
    ],
    [
      'other nodes',
      { nodeSelector: { a: '1' } },
      { nodeSelector: { a: '2' } },
      [
        'spec.nodeSelector: Invalid value: {"a":"2"}: only additions to spec.nodeSelector are allowed (no mutations or deletions)',
      ],
    ],
    [
      'nodes of another term',
      nodes({ matchExpressions: [zone] }),
      nodes({ matchExpressions: [disk] }),
      [
        `${terms}[0]: Invalid value: {"matchExpressions":[{"key":"disk","operator":"Exists"}]}: only additions are allowed (no mutations or deletions)`,
      ],
    ],
    [
      'nodes, where none was wanted',
      nodes({}),
      nodes({ matchExpressions: [disk] }),
      [
        `${terms}[0]: Invalid value: {"matchExpressions":[{"key":"disk","operator":"Exists"}]}: only additions are allowed (no mutations or deletions)`,
      ],
    ],
    [
      'anywhere',
      nodes({ matchExpressions: [zone] }),
      {},
      [`${terms}: Invalid value: []: no additions/deletions to non-empty NodeSelectorTerms list are allowed`],
    ],
  ])('%s', (_what, before, after, faults) => {
    expect(change(before, after)).toEqual(faults);
  });

  it('but not nearer to other pods', () => {
    const podAffinity = { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'zone' }] };
    expect(change({}, { affinity: { podAffinity } })[0]).toMatch(/\nchanged: spec.affinity$/);
  });
});

it('a status has addresses that are addresses', () => {
  const pod = podWith();
  pod.status = { podIPs: [{ ip: 'x' }], hostIPs: [{ ip: '10.0.0.1' }, { ip: 'y' }] };
  expect(PodKind.strategy.validateStatus!(pod, podWith()).map(faultText)).toEqual([
    'status.podIPs[0]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
    'status.hostIPs[1]: Invalid value: "y": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
  ]);
});
