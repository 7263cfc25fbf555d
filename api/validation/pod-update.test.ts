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

it('a status has addresses that are addresses', () => {
  const pod = podWith();
  pod.status = { podIPs: [{ ip: 'x' }], hostIPs: [{ ip: '10.0.0.1' }, { ip: 'y' }] };
  expect(PodKind.strategy.validateStatus!(pod, podWith()).map(faultText)).toEqual([
    'status.podIPs[0]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
    'status.hostIPs[1]: Invalid value: "y": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
  ]);
});
