import { PodKind } from '#api/kinds/pod.ts';
import type { Pod } from '#api/objects.ts';
import type { ObjectReader } from '../contract.ts';

/**
 * Which objects the pods bound to each node refer to: what a node may read. Kept up from changes of pods, so that a
 * decision is two map lookups. Only bound pods count: the binding is what gives a node its rights.
 */
export interface NodeGraph {
  /** `object`: `secrets/ns/name`, `configmaps/ns/name`, `persistentvolumeclaims/ns/name`, `serviceaccounts/ns/name`. */
  refers(node: string, object: string): boolean;
  /** The node a pod is bound to. */
  nodeOf(namespace: string, pod: string): string | undefined;
  close(): void;
}

export function nodeGraph(objects: ObjectReader): NodeGraph {
  const pods = new Map<string, { node: string; references: string[] }>();
  /** node → object → how many of its pods refer to it. */
  const counts = new Map<string, Map<string, number>>();

  function count(node: string, references: string[], by: 1 | -1): void {
    const ofNode = counts.get(node) ?? new Map<string, number>();
    counts.set(node, ofNode);
    for (const reference of references) {
      const left = (ofNode.get(reference) ?? 0) + by;
      if (left > 0) ofNode.set(reference, left);
      else ofNode.delete(reference);
    }
    if (ofNode.size === 0) counts.delete(node);
  }

  const stop = objects.onChange<Pod>(PodKind, (key, pod) => {
    const before = pods.get(key);
    if (before) {
      count(before.node, before.references, -1);
      pods.delete(key);
    }
    const node = pod?.spec?.nodeName;
    if (!pod || !node) return;
    const entry = { node, references: referencesOf(pod) };
    pods.set(key, entry);
    count(node, entry.references, 1);
  });

  return {
    refers: (node, object) => counts.get(node)?.has(object) ?? false,
    nodeOf: (namespace, pod) => pods.get(`${namespace}/${pod}`)?.node,
    close: stop,
  };
}

/** Each once. Source: Kubernetes pkg/api/v1/pod VisitPodSecretNames, VisitPodConfigmapNames. */
export function referencesOf(pod: Pod): string[] {
  const { namespace } = pod.metadata;
  const found = new Set<string>();
  const add = (resource: string, name: string | undefined) => {
    if (name) found.add(`${resource}/${namespace}/${name}`);
  };
  const spec = pod.spec;
  add('serviceaccounts', spec?.serviceAccountName);
  for (const secret of spec?.imagePullSecrets ?? []) add('secrets', secret.name);
  for (const volume of spec?.volumes ?? []) {
    add('secrets', volume.secret?.secretName);
    add('configmaps', volume.configMap?.name);
    add('persistentvolumeclaims', volume.persistentVolumeClaim?.claimName);
    add('persistentvolumeclaims', volume.ephemeral && `${pod.metadata.name}-${volume.name}`);
    add('secrets', volume.csi?.nodePublishSecretRef?.name);
    for (const source of volume.projected?.sources ?? []) {
      add('secrets', source.secret?.name);
      add('configmaps', source.configMap?.name);
    }
  }
  const containers = [
    ...(spec?.containers ?? []),
    ...(spec?.initContainers ?? []),
    ...(spec?.ephemeralContainers ?? []),
  ];
  for (const container of containers) {
    for (const from of container.envFrom ?? []) {
      add('secrets', from.secretRef?.name);
      add('configmaps', from.configMapRef?.name);
    }
    for (const variable of container.env ?? []) {
      add('secrets', variable.valueFrom?.secretKeyRef?.name);
      add('configmaps', variable.valueFrom?.configMapKeyRef?.name);
    }
  }
  return [...found];
}
