import { describe, expect, it } from 'vitest';
import type { Pod } from '../objects.ts';
import { faultText } from './fault-text.ts';
import { Faults } from './faults.ts';
import { checkEphemeralContainersUpdate, checkResize } from './pod-parts.ts';

type Parts = Record<string, unknown>;
type Check = (pod: Pod, old: Pod, faults: Faults) => void;

function pod(resources: Parts, more: Parts = {}): Pod {
  const spec = { containers: [{ name: 'c', image: 'i', resources }] };
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec, ...more } as unknown as Pod;
}

function faultsOf(check: Check, now: Pod, old: Pod): string[] {
  const faults = new Faults();
  check(now, old, faults);
  return faults.list.map(faultText);
}

const MIRROR = { metadata: { name: 'p', annotations: { 'kubernetes.io/config.mirror': 'x' } } };
const running = (more: Parts) => ({
  status: { containerStatuses: [{ name: 'c', state: { running: {} }, ...more }] },
});
const before = { requests: { cpu: '1', memory: '1Gi' }, limits: { cpu: '2' } };
const after = { requests: { cpu: '500m', memory: '2Gi' }, limits: { cpu: '3', memory: '2Gi' } };

describe('a resize', () => {
  it.each<[string, Pod, Pod, string[]]>([
    ['more and less', pod(after), pod(before), []],
    ['on a node that tells what containers have', pod(after), pod(before, running({ resources: {} })), []],
    [
      'on a node that does not',
      pod(after),
      pod(before, running({})),
      ['spec: Forbidden: Pod running on node without support for resize'],
    ],
    ['of a static pod', pod(before), pod(before, MIRROR), [': Forbidden: static pods cannot be resized']],
    [
      'into another class',
      pod({ requests: { cpu: '1' } }),
      pod({}),
      ['spec: Invalid value: null: Pod QOS Class may not change as a result of resizing'],
    ],
    [
      'that takes limits and requests away',
      pod({ requests: { cpu: '1' } }),
      pod(before),
      [
        'spec.containers[0].resources: Forbidden: resource limits cannot be removed',
        'spec.containers[0].resources: Forbidden: resource requests cannot be removed',
      ],
    ],
    [
      'of something else',
      pod({ requests: { ...before.requests, 'ephemeral-storage': '1Gi' }, limits: before.limits }),
      pod(before),
      ['spec: Forbidden: only cpu and memory resources are mutable'],
    ],
  ])('%s', (_what, now, old, faults) => {
    expect(faultsOf(checkResize, now, old)).toEqual(faults);
  });
});

describe('ephemeral containers', () => {
  const debugged = (list: Parts[]) => {
    const made = pod({});
    made.spec!.ephemeralContainers = list as never;
    return made;
  };
  const debug = { name: 'debug', image: 'busybox' };

  it.each<[string, Pod, Pod, string[]]>([
    ['are added', debugged([debug, { ...debug, name: 'more' }]), debugged([debug]), []],
    [
      'never removed',
      debugged([]),
      debugged([debug]),
      ['spec.ephemeralContainers: Forbidden: existing ephemeral containers "debug" may not be removed\n'],
    ],
    [
      'never changed',
      debugged([{ ...debug, image: 'alpine' }]),
      debugged([debug]),
      ['spec.ephemeralContainers: Forbidden: existing ephemeral containers "debug" may not be changed\n'],
    ],
    [
      'not for static pods',
      debugged([debug]),
      pod({}, MIRROR),
      [': Forbidden: static pods do not support ephemeral containers'],
    ],
  ])('%s', (_what, now, old, faults) => {
    expect(faultsOf(checkEphemeralContainersUpdate, now, old)).toEqual(faults);
  });
});
