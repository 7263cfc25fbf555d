import { beforeEach, describe, expect, test } from 'vitest';
import type { Kind } from '#api/kind.ts';
import { ConfigMapKind } from '#api/kinds/config-map.ts';
import { NamespaceKind } from '#api/kinds/namespace.ts';
import { NodeKind } from '#api/kinds/node.ts';
import { PodKind } from '#api/kinds/pod.ts';
import { PriorityClassKind } from '#api/kinds/priority-class.ts';
import { ServiceAccountKind } from '#api/kinds/service-account.ts';
import type { ApiObject, Namespace, Node, Pod, PriorityClass, ServiceAccount } from '#api/objects.ts';
import { settle, VirtualClock } from '#machinery/clock-virtual.ts';
import type { Identity } from '#machinery/transport.ts';
import { FakeEngine } from '../fake/engine.ts';
import { admitted, type Write } from '../testing/admitted.ts';

const node1: Identity = { name: 'system:node:n1', groups: ['system:nodes'] };
let objects: FakeEngine;
let clock: VirtualClock;

beforeEach(() => {
  clock = new VirtualClock();
  objects = new FakeEngine()
    .seed(NamespaceKind, namespace('default'))
    .seed(ServiceAccountKind, account('default'));
});

function namespace(name: string, phase = 'Active'): Namespace {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name }, status: { phase } };
}
function account(name: string, more: Partial<ServiceAccount> = {}): ServiceAccount {
  return { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace: 'default' }, ...more };
}
function pod(spec: Partial<NonNullable<Pod['spec']>> = {}): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', namespace: 'default' },
    spec: { containers: [{ name: 'c', image: 'i' }], ...spec },
  };
}
function priorityClass(name: string, value: number, globalDefault = false): PriorityClass {
  return {
    apiVersion: 'scheduling.k8s.io/v1',
    kind: 'PriorityClass',
    metadata: { name },
    value,
    globalDefault,
  };
}

/** Runs all plugins as the engine does and returns the object. */
function admit<T extends ApiObject>(kind: Kind<T>, object: T | undefined, write?: Write): Promise<T> {
  return admitted({ objects, clock }, kind, object, write);
}

describe('namespaces', () => {
  test('nothing is made in one that is missing or ends', async () => {
    const map = (where: string) => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'm', namespace: where },
    });
    const missing = admit(ConfigMapKind, map('none')).catch((error) => error);
    await clock.advance(50);
    expect(await missing).toMatchObject({ reason: 'NotFound', message: 'namespaces "none" not found' });
    objects.seed(NamespaceKind, namespace('ending', 'Terminating'));
    await expect(admit(ConfigMapKind, map('ending'))).rejects.toMatchObject({
      reason: 'Forbidden',
      message:
        'configmaps "m" is forbidden: unable to create new content in namespace ending because it is being terminated',
      details: { causes: [{ reason: 'NamespaceTerminating' }] },
    });
    await admit(ConfigMapKind, map('ending'), { operation: 'UPDATE', old: map('ending') });
    await admit(ConfigMapKind, undefined, { operation: 'DELETE', old: map('ending') });
  });

  test('the first ones stay', async () => {
    for (const name of ['default', 'kube-system']) {
      await expect(
        admit(NamespaceKind, undefined, { operation: 'DELETE', old: namespace(name) }),
      ).rejects.toThrow(`namespaces "${name}" is forbidden: this namespace may not be deleted`);
    }
    await admit(NamespaceKind, undefined, { operation: 'DELETE', old: namespace('other') });
  });
});

describe('service accounts', () => {
  test('a pod runs as `default` and finds token, CA and namespace in each container', async () => {
    const containers = [
      { name: 'c', image: 'i' },
      { name: 'd', image: 'i' },
    ];
    const { spec } = await admit(PodKind, pod({ containers }));
    expect(spec!.serviceAccountName).toBe('default');
    const name = spec!.volumes![0]!.name;
    expect(name).toMatch(/^kube-api-access-[a-z0-9]{5}$/);
    expect(spec!.volumes![0]!.projected!.sources!.map((source) => Object.keys(source)[0])).toEqual([
      'serviceAccountToken',
      'configMap',
      'downwardAPI',
    ]);
    for (const container of spec!.containers) {
      expect(container.volumeMounts).toEqual([
        { name, readOnly: true, mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' },
      ]);
    }
  });

  test('no token is mounted where pod or account say no, and the pod has the last word', async () => {
    expect(
      (await admit(PodKind, pod({ automountServiceAccountToken: false }))).spec!.volumes,
    ).toBeUndefined();
    objects.seed(ServiceAccountKind, account('default', { automountServiceAccountToken: false }));
    expect((await admit(PodKind, pod())).spec!.volumes).toBeUndefined();
    expect((await admit(PodKind, pod({ automountServiceAccountToken: true }))).spec!.volumes).toHaveLength(1);
  });

  test('a missing account refuses the pod, unless it appears within a second', async () => {
    const refused = admit(PodKind, pod({ serviceAccountName: 'ghost' })).catch((error) => error);
    await clock.advance(1000);
    expect(await refused).toMatchObject({
      reason: 'Forbidden',
      message:
        'pods "p" is forbidden: error looking up service account default/ghost: serviceaccount "ghost" not found',
    });
    const late = admit(PodKind, pod({ serviceAccountName: 'late' }));
    await settle();
    objects.seed(ServiceAccountKind, account('late', { imagePullSecrets: [{ name: 'registry' }] }));
    expect((await late).spec!.imagePullSecrets).toEqual([{ name: 'registry' }]);
  });
});

describe('defaults of a pod', () => {
  test('tolerations for nodes that fail, unless it has its own', async () => {
    const { spec } = await admit(
      PodKind,
      pod({
        tolerations: [{ key: 'node.kubernetes.io/not-ready', operator: 'Exists', tolerationSeconds: 5 }],
      }),
    );
    expect(spec!.tolerations!.map(({ key, tolerationSeconds }) => [key, tolerationSeconds])).toEqual([
      ['node.kubernetes.io/not-ready', 5],
      ['node.kubernetes.io/unreachable', 300],
    ]);
  });

  test('the number of its priority class, of the default class, or zero', async () => {
    expect((await admit(PodKind, pod())).spec).toMatchObject({ priority: 0 });
    expect((await admit(PodKind, pod({ priorityClassName: 'system-node-critical' }))).spec!.priority).toBe(
      2_000_001_000,
    );
    objects.seed(PriorityClassKind, priorityClass('usual', 7, true), priorityClass('high', 9));
    expect((await admit(PodKind, pod())).spec).toMatchObject({ priority: 7, priorityClassName: 'usual' });
    expect((await admit(PodKind, pod({ priorityClassName: 'high' }))).spec!.priority).toBe(9);
    await expect(admit(PodKind, pod({ priorityClassName: 'none' }))).rejects.toThrow(
      'pods "p" is forbidden: no PriorityClass with name none was found',
    );
    await expect(admit(PodKind, pod({ priority: 8 }))).rejects.toThrow('must not be provided in pod spec');
    await expect(admit(PriorityClassKind, priorityClass('second', 1, true))).rejects.toThrow(
      'PriorityClass usual is already marked as default',
    );
  });
});

describe('nodes', () => {
  const node = (name: string, more: Partial<Node> = {}): Node => ({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels: {} },
    ...more,
  });
  const labelled = (labels: Record<string, string>) => node('n1', { metadata: { name: 'n1', labels } });

  test('write themselves, but not their taints nor labels that are not theirs', async () => {
    const update = { operation: 'UPDATE' as const, old: node('n1'), identity: node1 };
    await admit(NodeKind, node('n1'), { identity: node1 });
    await admit(NodeKind, labelled({ 'kubernetes.io/hostname': 'n1', app: 'x' }), update);
    await expect(admit(NodeKind, node('n2'), { identity: node1 })).rejects.toThrow(
      'nodes "n2" is forbidden: node "n1" is not allowed to modify node "n2"',
    );
    await expect(
      admit(NodeKind, labelled({ 'node-restriction.kubernetes.io/zone': 'secret' }), update),
    ).rejects.toThrow('is not allowed to modify labels: node-restriction.kubernetes.io/zone');
    await expect(
      admit(NodeKind, labelled({ 'node-role.kubernetes.io/control-plane': '' }), update),
    ).rejects.toThrow('is not allowed to modify labels');
    const tainted = node('n1', { spec: { taints: [{ key: 'k', effect: 'NoExecute' }] } });
    await expect(admit(NodeKind, node('n1'), { ...update, old: tainted })).rejects.toThrow('modify taints');
  });

  test('write the status of their own pods and make mirror pods only', async () => {
    const status = { operation: 'UPDATE' as const, subresource: 'status', identity: node1 };
    await admit(PodKind, pod({ nodeName: 'n1' }), { ...status, old: pod({ nodeName: 'n1' }) });
    await expect(
      admit(PodKind, pod({ nodeName: 'n2' }), { ...status, old: pod({ nodeName: 'n2' }) }),
    ).rejects.toThrow('can only update status for pods with spec.nodeName set to itself');
    await expect(admit(PodKind, pod({ nodeName: 'n1' }), { identity: node1 })).rejects.toThrow(
      'can only create mirror pods',
    );
    const mirror = pod({ nodeName: 'n1', volumes: [{ name: 'v', secret: { secretName: 's' } }] });
    mirror.metadata.annotations = { 'kubernetes.io/config.mirror': 'x' };
    await expect(admit(PodKind, mirror, { identity: node1 })).rejects.toThrow('that reference secrets');
  });
});
