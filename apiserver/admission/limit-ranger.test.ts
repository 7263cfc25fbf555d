import { beforeEach, describe, expect, test } from 'vitest';
import { LimitRangeKind } from '#api/kinds/limit-range.ts';
import { NamespaceKind } from '#api/kinds/namespace.ts';
import { PersistentVolumeClaimKind } from '#api/kinds/persistent-volume-claim.ts';
import { PodKind } from '#api/kinds/pod.ts';
import { ServiceAccountKind } from '#api/kinds/service-account.ts';
import type { LimitRange, PersistentVolumeClaim, Pod, PodSpec } from '#api/objects.ts';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { FakeEngine } from '../fake/engine.ts';
import { admitted, type Write } from '../testing/admitted.ts';

type Items = NonNullable<LimitRange['spec']>['limits'];
const clock = new VirtualClock();
let objects: FakeEngine;

beforeEach(() => {
  const metadata = { name: 'default', namespace: 'default' };
  objects = new FakeEngine()
    .seed(NamespaceKind, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default' } })
    .seed(ServiceAccountKind, { apiVersion: 'v1', kind: 'ServiceAccount', metadata });
});

function limit(...limits: Items): void {
  const metadata = { name: 'limits', namespace: 'default' };
  const limitRange: LimitRange = { apiVersion: 'v1', kind: 'LimitRange', metadata, spec: { limits } };
  LimitRangeKind.strategy.defaults!(limitRange);
  objects.seed(LimitRangeKind, limitRange);
}

function pod(...containers: PodSpec['containers']): Pod {
  const metadata = { name: 'p', namespace: 'default' };
  return { apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers } };
}

const container = (name: string, requests?: Record<string, string>, limits?: Record<string, string>) => ({
  name,
  resources: { ...(requests && { requests }), ...(limits && { limits }) },
});

const admitPod = (object: Pod, write?: Write) => admitted({ objects, clock }, PodKind, object, write);
const whyNot = (object: Pod) =>
  admitPod(object).then(
    () => undefined,
    (error) => error.message,
  );

describe('a container that does not say', () => {
  test('gets the defaults, and a note tells so', async () => {
    limit({ type: 'Container', default: { memory: '2Gi', cpu: '2' }, defaultRequest: { cpu: '1' } });
    const object = pod(container('a'), container('b', { cpu: '3' }, { cpu: '4' }));
    object.spec!.initContainers = [{ name: 'i' }];
    const { metadata, spec } = await admitPod(object);
    expect(spec!.containers.map(({ resources }) => resources)).toEqual([
      { requests: { cpu: '1', memory: '2Gi' }, limits: { cpu: '2', memory: '2Gi' } },
      { requests: { cpu: '3', memory: '2Gi' }, limits: { cpu: '4', memory: '2Gi' } },
    ]);
    expect(spec!.initContainers![0]!.resources).toEqual(spec!.containers[0]!.resources);
    expect(metadata.annotations).toEqual({
      'kubernetes.io/limit-ranger':
        'LimitRanger plugin set: cpu, memory request for container a; cpu, memory limit for container a; memory request for container b; memory limit for container b; cpu, memory request for init container i; cpu, memory limit for init container i',
    });
  });

  test('is left alone when there is nothing to say, and when it exists', async () => {
    limit({ type: 'Pod', max: { cpu: '1' } }, { type: 'Container', max: { memory: '1Gi' } });
    const { metadata } = await admitPod(
      pod(container('a', { cpu: '1', memory: '1' }, { cpu: '1', memory: '1' })),
    );
    expect(metadata.annotations).toBeUndefined();
    const grown = await admitPod(pod(container('a')), { operation: 'UPDATE', old: pod(container('a')) });
    expect(grown.spec!.containers[0]!.resources).toEqual({});
  });

  test('nor is one in another namespace', async () => {
    limit({ type: 'Container', default: { cpu: '1' } });
    objects.seed(NamespaceKind, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'other' } });
    const metadata = { name: 'default', namespace: 'other' };
    objects.seed(ServiceAccountKind, { apiVersion: 'v1', kind: 'ServiceAccount', metadata });
    const object = pod(container('a'));
    object.metadata.namespace = 'other';
    expect((await admitPod(object)).spec!.containers[0]!.resources).toEqual({});
  });
});

describe('what a pod asks for is held to the limits', () => {
  const min = { cpu: '100m' };
  const max = { cpu: '1' };
  const refused = (why: string) => `pods "p" is forbidden: ${why}`;

  test.each<[string, Items[number], Pod, string | undefined]>([
    [
      'enough',
      { type: 'Container', min, max },
      pod(container('a', { cpu: '100m' }, { cpu: '1' })),
      undefined,
    ],
    [
      'a request too small',
      { type: 'Container', min },
      pod(container('a', { cpu: '50m' })),
      'minimum cpu usage per Container is 100m, but request is 50m',
    ],
    [
      'a limit too small',
      { type: 'Container', min },
      pod(container('a', { cpu: '100m' }, { cpu: '50m' })),
      'minimum cpu usage per Container is 100m, but limit is 50m',
    ],
    [
      'a limit too large',
      { type: 'Container', max },
      pod(container('a', { cpu: '1' }, { cpu: '2' })),
      'maximum cpu usage per Container is 1, but limit is 2',
    ],
    [
      'a request too large',
      { type: 'Container', max },
      pod(container('a', { cpu: '2' }, { cpu: '1' })),
      'maximum cpu usage per Container is 1, but request is 2',
    ],
    [
      'nothing, with a least',
      { type: 'Pod', min },
      pod(container('a')),
      'minimum cpu usage per Pod is 100m.  No request is specified',
    ],
    [
      'nothing, with a most',
      { type: 'Pod', max },
      pod(container('a')),
      'maximum cpu usage per Pod is 1.  No limit is specified',
    ],
    [
      'more than one thing',
      { type: 'Container', min: { cpu: '1', memory: '1Mi' } },
      pod(container('a', { cpu: '500m', memory: '1Ki' })),
      '[minimum cpu usage per Container is 1, but request is 500m, minimum memory usage per Container is 1Mi, but request is 1Ki]',
    ],
    [
      'a ratio too large',
      { type: 'Container', maxLimitRequestRatio: { cpu: '2' } },
      pod(container('a', { cpu: '400m' }, { cpu: '1' })),
      'cpu max limit to request ratio per Container is 2, but provided ratio is 2.500000',
    ],
    [
      'a ratio of no request',
      { type: 'Container', maxLimitRequestRatio: { cpu: '2' } },
      pod(container('a', { cpu: '0' }, { cpu: '1' })),
      'cpu max limit to request ratio per Container is 2, but no request is specified or request is 0',
    ],
    [
      'a ratio of no limit',
      { type: 'Container', maxLimitRequestRatio: { cpu: '2' } },
      pod(container('a', { cpu: '1' })),
      'cpu max limit to request ratio per Container is 2, but no limit is specified or limit is 0',
    ],
    [
      'too much together',
      { type: 'Pod', max: { cpu: '1', memory: '2Gi' } },
      pod(
        container('a', {}, { cpu: '600m', memory: '1Gi' }),
        container('b', {}, { cpu: '600m', memory: '1Gi' }),
      ),
      'maximum cpu usage per Pod is 1, but limit is 1200m',
    ],
  ])('%s', async (_what, item, object, why) => {
    limit(item);
    expect(await whyNot(object)).toBe(why && refused(why));
  });

  test('init containers count when they are more, sidecars always', async () => {
    limit({ type: 'Pod', max: { cpu: '2' } });
    const limited = (name: string, cpu: string, more = {}) => ({ ...container(name, {}, { cpu }), ...more });
    const always = { restartPolicy: 'Always' };
    const withInit = (...initContainers: PodSpec['containers']) => {
      const object = pod(limited('a', '1'));
      object.spec!.initContainers = initContainers;
      return whyNot(object);
    };
    expect(await withInit(limited('i', '2'))).toBeUndefined();
    expect(await withInit(limited('i', '3'))).toBe(refused('maximum cpu usage per Pod is 2, but limit is 3'));
    expect(await withInit(limited('s', '500m', always), limited('i', '1500m'))).toBeUndefined();
    expect(await withInit(limited('s', '1500m', always))).toBe(
      refused('maximum cpu usage per Pod is 2, but limit is 2500m'),
    );
  });

  test('what the pod says of itself counts for its containers', async () => {
    limit({ type: 'Pod', max: { cpu: '2' } });
    const object = pod(container('a', {}, { cpu: '1' }));
    object.spec!.resources = { limits: { cpu: '3' } };
    expect(await whyNot(object)).toBe(refused('maximum cpu usage per Pod is 2, but limit is 3'));
  });
});

describe('what a claim asks for is held to the limits', () => {
  const claim = (storage?: string, more = {}): PersistentVolumeClaim => ({
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'c', namespace: 'default', ...more },
    spec: { resources: { requests: storage === undefined ? {} : { storage } } },
  });
  const whyNoClaim = (object: PersistentVolumeClaim, write?: Write) =>
    admitted({ objects, clock }, PersistentVolumeClaimKind, object, write).then(
      () => undefined,
      (error) => error.message,
    );
  const refused = (why: string) => `persistentvolumeclaims "c" is forbidden: ${why}`;

  test.each<[string | undefined, string | undefined]>([
    ['5Gi', undefined],
    ['500Mi', 'minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 500Mi'],
    ['11Gi', 'maximum storage usage per PersistentVolumeClaim is 10Gi, but request is 11Gi'],
    [
      undefined,
      '[minimum storage usage per PersistentVolumeClaim is 1Gi.  No request is specified, maximum storage usage per PersistentVolumeClaim is 10Gi.  No request is specified]',
    ],
  ])('%s', async (storage, why) => {
    limit({ type: 'PersistentVolumeClaim', min: { storage: '1Gi' }, max: { storage: '10Gi' } });
    expect(await whyNoClaim(claim(storage))).toBe(why && refused(why));
  });

  test('also when it grows, but not when it goes', async () => {
    limit({ type: 'PersistentVolumeClaim', max: { storage: '10Gi' } });
    const old = claim('5Gi');
    expect(await whyNoClaim(claim('20Gi'), { operation: 'UPDATE', old })).toBe(
      refused('maximum storage usage per PersistentVolumeClaim is 10Gi, but request is 20Gi'),
    );
    expect(
      await whyNoClaim(claim('20Gi'), { operation: 'UPDATE', subresource: 'status', old }),
    ).toBeUndefined();
    const going = claim('5Gi', { deletionTimestamp: '2026-01-01T00:00:00Z' });
    expect(await whyNoClaim(claim('20Gi'), { operation: 'UPDATE', old: going })).toBeUndefined();
  });
});
