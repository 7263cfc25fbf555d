/** What the world around controllers does in tests: objects to start from, and nodes that run and end pods. */
import { NamespaceKind } from '#api/kinds/namespace.ts';
import { PodKind } from '#api/kinds/pod.ts';
import type { Deployment, Pod, PodTemplateSpec, ReplicaSet } from '#api/objects.ts';
import type { FakeCluster } from '#client/fake/fake-cluster.ts';
import { rfc3339 } from '#machinery/clock.ts';

export function template(app: string, image = 'web:1'): PodTemplateSpec {
  return { metadata: { labels: { app } }, spec: { containers: [{ name: 'main', image }] } };
}

export function replicaSet(
  name: string,
  replicas: number,
  edit: Partial<ReplicaSet['spec']> = {},
): ReplicaSet {
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: { name, namespace: 'default', uid: `uid-${name}`, generation: 1 },
    spec: { replicas, selector: { matchLabels: { app: name } }, template: template(name), ...edit },
  };
}

export function deployment(
  name: string,
  replicas: number,
  edit: Partial<Deployment['spec']> = {},
): Deployment {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: 'default', uid: `uid-${name}`, generation: 1 },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: template(name),
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } },
      revisionHistoryLimit: 10,
      progressDeadlineSeconds: 600,
      ...edit,
    },
  };
}

export function pod(name: string, labels: Record<string, string>, edit: Partial<Pod> = {}): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', uid: `uid-${name}`, labels },
    spec: { containers: [{ name: 'main', image: 'web:1' }] },
    ...edit,
  };
}

/** Without what the server sets, to be created. */
export function fresh<T extends { metadata: { uid?: string; generation?: number } }>(object: T): T {
  const copy = structuredClone(object);
  delete copy.metadata.uid;
  delete copy.metadata.generation;
  return copy;
}

export async function makeNamespace(cluster: FakeCluster, name = 'default'): Promise<void> {
  await cluster.client.create(NamespaceKind, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
}

/** A node that runs every pod at once and ends those that are deleted. Its turn comes between steps of time. */
export function runPods(cluster: FakeCluster, wouldRun: (pod: Pod) => boolean = () => true): void {
  for (const one of cluster.all(PodKind)) {
    if (one.metadata.deletionTimestamp) {
      if (!one.metadata.finalizers?.length) cluster.remove(PodKind, one);
    } else if (one.status?.phase !== 'Running' && wouldRun(one)) {
      markRunning(cluster, one);
    }
  }
}

export function markRunning(cluster: FakeCluster, { metadata }: Pod): void {
  const now = rfc3339(cluster.clock.now());
  cluster.change(PodKind, metadata, (pod) => {
    pod.spec!.nodeName ??= 'node-1';
    pod.status = {
      ...pod.status,
      phase: 'Running',
      podIP: addressOf(metadata.name),
      podIPs: [{ ip: addressOf(metadata.name) }],
      conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: now }],
    };
  });
}

/** An address that is the pod's own: made of its name, as good as unique. */
function addressOf(name: string): string {
  let hash = 7;
  for (const char of name) hash = (hash * 31 + char.charCodeAt(0)) % 65_536;
  return `10.244.${hash >> 8}.${hash & 255}`;
}
