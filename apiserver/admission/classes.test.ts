import { beforeEach, describe, expect, test } from 'vitest';
import { NamespaceKind } from '#api/kinds/namespace.ts';
import { PersistentVolumeClaimKind } from '#api/kinds/persistent-volume-claim.ts';
import { PodKind } from '#api/kinds/pod.ts';
import { RuntimeClassKind } from '#api/kinds/runtime-class.ts';
import { ServiceAccountKind } from '#api/kinds/service-account.ts';
import { StorageClassKind } from '#api/kinds/storage-class.ts';
import type { PersistentVolumeClaim, Pod, PodSpec, RuntimeClass, StorageClass } from '#api/objects.ts';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { FakeEngine } from '../fake/engine.ts';
import { admitted, type Write } from '../testing/admitted.ts';

const clock = new VirtualClock();
let objects: FakeEngine;

beforeEach(() => {
  const metadata = { name: 'default', namespace: 'default' };
  objects = new FakeEngine()
    .seed(NamespaceKind, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default' } })
    .seed(ServiceAccountKind, { apiVersion: 'v1', kind: 'ServiceAccount', metadata });
});

describe('the runtime class of a pod', () => {
  const runtimeClass = (more: Partial<RuntimeClass>): RuntimeClass => ({
    apiVersion: 'node.k8s.io/v1',
    kind: 'RuntimeClass',
    metadata: { name: 'sandboxed' },
    handler: 'sandbox',
    ...more,
  });
  const overhead = { podFixed: { cpu: '250m' } };
  const admit = async (spec: Partial<PodSpec>, write?: Write) => {
    const metadata = { name: 'p', namespace: 'default' };
    const pod: Pod = { apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers: [], ...spec } };
    return (await admitted({ objects, clock }, PodKind, pod, write)).spec!;
  };

  test('must exist', async () => {
    await expect(admit({ runtimeClassName: 'sandboxed' })).rejects.toMatchObject({
      reason: 'Forbidden',
      message: 'pods "p" is forbidden: pod rejected: RuntimeClass "sandboxed" not found',
    });
    await admit({ runtimeClassName: 'sandboxed' }, { operation: 'UPDATE' });
    await admit({});
  });

  test('says what it costs, and nothing else does', async () => {
    objects.seed(RuntimeClassKind, runtimeClass({ overhead }));
    expect((await admit({ runtimeClassName: 'sandboxed' })).overhead).toEqual({ cpu: '250m' });
    await admit({ runtimeClassName: 'sandboxed', overhead: { cpu: '250m' } });
    await expect(admit({ runtimeClassName: 'sandboxed', overhead: { cpu: '1' } })).rejects.toThrow(
      "pods \"p\" is forbidden: pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead",
    );
    await expect(admit({ overhead: { cpu: '1' } })).rejects.toThrow(
      'pods "p" is forbidden: pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead',
    );
  });

  test('says on which nodes it can be had', async () => {
    const nodeSelector = { sandbox: 'yes' };
    objects.seed(RuntimeClassKind, runtimeClass({ scheduling: { nodeSelector } }));
    const spec = await admit({ runtimeClassName: 'sandboxed', nodeSelector: { zone: 'a' } });
    expect(spec.nodeSelector).toEqual({ zone: 'a', sandbox: 'yes' });
    expect(objects.get(RuntimeClassKind, 'sandboxed')!.scheduling).toEqual({ nodeSelector });
    await expect(admit({ runtimeClassName: 'sandboxed', nodeSelector: { sandbox: 'no' } })).rejects.toThrow(
      'conflict: runtimeClass.scheduling.nodeSelector[sandbox] = yes; pod.spec.nodeSelector[sandbox] = no',
    );
  });

  test('adds tolerations but for those that others cover', async () => {
    const tolerations = [
      { key: 'a', operator: 'Exists' },
      { key: 'b', operator: 'Equal', value: '1', effect: 'NoSchedule' },
      { key: 'c', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 10 },
    ];
    objects.seed(RuntimeClassKind, runtimeClass({ scheduling: { tolerations } }));
    const own = [
      { key: 'a', value: '1', effect: 'NoSchedule' },
      { key: 'b', value: '1' },
      { key: 'b', operator: 'Equal', value: '2', effect: 'NoSchedule' },
      { key: 'c', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 20 },
    ];
    const spec = await admit({ runtimeClassName: 'sandboxed', tolerations: own });
    const [, anyB, otherB, longC] = own;
    expect(spec.tolerations!.filter(({ key }) => (key ?? '').length === 1)).toEqual([
      anyB,
      otherB,
      longC,
      tolerations[0],
    ]);
  });
});

describe('a claim without a class', () => {
  const claim = (more: Partial<PersistentVolumeClaim> = {}): PersistentVolumeClaim => ({
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'c', namespace: 'default' },
    spec: {},
    ...more,
  });
  const storageClass = (name: string, creationTimestamp: string, isDefault = true): StorageClass => ({
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: {
      name,
      creationTimestamp,
      annotations: { 'storageclass.kubernetes.io/is-default-class': String(isDefault) },
    },
    provisioner: 'p',
  });
  const classOf = async (object: PersistentVolumeClaim, write?: Write) =>
    (await admitted({ objects, clock }, PersistentVolumeClaimKind, object, write)).spec!.storageClassName;

  test('gets the newest default, of those made at once the first by name', async () => {
    expect(await classOf(claim())).toBeUndefined();
    objects.seed(StorageClassKind, storageClass('plain', '2026-01-09T00:00:00Z', false));
    expect(await classOf(claim())).toBeUndefined();
    objects.seed(StorageClassKind, storageClass('old', '2026-01-01T00:00:00Z'));
    expect(await classOf(claim())).toBe('old');
    objects.seed(StorageClassKind, storageClass('new', '2026-01-02T00:00:00Z'));
    objects.seed(StorageClassKind, storageClass('anew', '2026-01-02T00:00:00Z'));
    expect(await classOf(claim())).toBe('anew');
  });

  test('keeps what it asks for, be it no class at all', async () => {
    objects.seed(StorageClassKind, storageClass('usual', '2026-01-01T00:00:00Z'));
    expect(await classOf(claim({ spec: { storageClassName: '' } }))).toBe('');
    expect(await classOf(claim({ spec: { storageClassName: 'fast' } }))).toBe('fast');
    const annotations = { 'volume.beta.kubernetes.io/storage-class': 'old' };
    expect(
      await classOf(claim({ metadata: { name: 'c', namespace: 'default', annotations } })),
    ).toBeUndefined();
    expect(await classOf(claim(), { operation: 'UPDATE', old: claim() })).toBeUndefined();
  });
});
