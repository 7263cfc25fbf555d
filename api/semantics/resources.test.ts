import { describe, expect, it } from 'vitest';
import type { Container, PodSpec } from '../objects.ts';
import { qosClassOf } from './qos.ts';
import { podLimits, podRequests } from './resources.ts';

type List = Record<string, string>;

function container(requests?: List, limits?: List, more: Partial<Container> = {}): Container {
  return { name: 'c', resources: { requests, limits }, ...more };
}

describe('the requests of a pod', () => {
  it('are the sums of its containers in milli-cores and bytes', () => {
    const spec: PodSpec = {
      containers: [container({ cpu: '250m', memory: '64Mi' }), container({ cpu: '1' }), container()],
    };
    expect(podRequests(spec)).toEqual({ cpu: 1250, memory: 64 * 1024 ** 2 });
  });

  it('are those of the hungriest init container where that is more', () => {
    const spec: PodSpec = {
      initContainers: [container({ cpu: '3', memory: '1Mi' }), container({ cpu: '2' })],
      containers: [container({ cpu: '1', memory: '2Mi' })],
    };
    expect(podRequests(spec)).toEqual({ cpu: 3000, memory: 2 * 1024 ** 2 });
  });

  it('count a sidecar with the app and with the init containers after it', () => {
    const sidecar = container({ cpu: '1' }, undefined, { restartPolicy: 'Always' });
    const after: PodSpec = {
      initContainers: [sidecar, container({ cpu: '3' })],
      containers: [container({ cpu: '2' })],
    };
    expect(podRequests(after)).toEqual({ cpu: 4000 });
    const before: PodSpec = { ...after, initContainers: after.initContainers!.toReversed() };
    expect(podRequests(before)).toEqual({ cpu: 3000 });
  });

  it('follow the pod level where it is given, and add overhead', () => {
    const spec: PodSpec = {
      resources: { requests: { cpu: '2' } },
      overhead: { cpu: '100m', memory: '10Mi' },
      containers: [container({ cpu: '1', memory: '1Mi' })],
    };
    expect(podRequests(spec)).toEqual({ cpu: 2100, memory: 11 * 1024 ** 2 });
  });
});

describe('the limits of a pod', () => {
  it('hold only for what every container limits', () => {
    const spec: PodSpec = {
      overhead: { cpu: '1', memory: '1' },
      containers: [container({}, { cpu: '1', memory: '10' }), container({}, { cpu: '2' })],
    };
    expect(podLimits(spec)).toEqual({ cpu: 4000 });
  });
});

describe('the quality of service', () => {
  const classOf = (...containers: Container[]) => qosClassOf({ containers });
  const full = { cpu: '1', memory: '1Gi' };

  it('is BestEffort when nothing is asked', () => {
    expect(classOf(container(), container({ cpu: '0', 'example.com/card': '1' }))).toBe('BestEffort');
  });

  it('is Guaranteed when every limit is also the request, however it is written', () => {
    expect(classOf(container({ cpu: '1000m', memory: '1024Mi' }, full), container(undefined, full))).toBe(
      'Guaranteed',
    );
  });

  it.each([
    ['one container has no limits', [container(full, full), container()]],
    ['a request is lower', [container({ cpu: '500m', memory: '1Gi' }, full)]],
    ['a request is zero', [container({ cpu: '0', memory: '1Gi' }, full)]],
    ['only cpu is limited', [container({ cpu: '1' }, { cpu: '1' })]],
    ['only requests are given', [container(full)]],
  ])('is Burstable when %s', (_why, containers) => {
    expect(classOf(...containers)).toBe('Burstable');
  });

  it('counts init containers', () => {
    expect(qosClassOf({ initContainers: [container()], containers: [container(full, full)] })).toBe(
      'Burstable',
    );
  });
});
