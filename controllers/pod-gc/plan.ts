import type { Kind } from '#api/kind.ts';
import { NodeKind } from '#api/kinds/node.ts';
import { PodKind } from '#api/kinds/pod.ts';
import { keyOf, type Pod } from '#api/objects.ts';
import { isPodTerminal } from '#api/semantics/pod-status.ts';
import type { Check, Plan } from '../framework/contract.ts';

/** Ended pods that are kept. Source: Kubernetes, --terminated-pod-gc-threshold. */
export const MAX_ENDED = 12_500;
/** A node that is gone may come back at once (renamed, registered anew): its pods wait this long. */
export const NODE_GONE_MS = 40_000;

export interface PodScene {
  pod: Pod;
  hasNode: boolean;
  /** When this version of the pod was first seen. */
  seenAt: number;
  /** Asked only for ended pods. */
  podCount(): number;
  /** All ended pods; asked only when there are more pods than MAX_ENDED. */
  ended(): readonly Pod[];
}

/** Deletes what no node will ever end: pods of nodes that are gone, deleted pods without a node, ended pods in excess. */
export function planPodGc(scene: PodScene, now: number): Plan<Kind<Pod>> {
  const { pod } = scene;
  const node = pod.spec?.nodeName;
  if (node && !scene.hasNode) {
    const left = scene.seenAt + NODE_GONE_MS - now;
    if (left > 0) return { actions: [], againAfterMs: left };
    const check: Check = { is: 'gone', kind: NodeKind, key: node };
    return remove(pod, 'NodeGone', `its node ${node} is gone`, [check]);
  }
  if (!node && pod.metadata.deletionTimestamp)
    return remove(pod, 'NeverScheduled', 'it was deleted before it had a node');
  if (isPodTerminal(pod) && scene.podCount() > MAX_ENDED && isInExcess(pod, scene.ended()))
    return remove(pod, 'TooManyEnded', `only ${MAX_ENDED} ended pods are kept`);
  return { actions: [] };
}

function isInExcess(pod: Pod, ended: readonly Pod[]): boolean {
  if (ended.length <= MAX_ENDED) return false;
  const created = (one: Pod) => one.metadata.creationTimestamp ?? '';
  const older = ended.filter((one) => created(one) < created(pod)).length;
  return older < ended.length - MAX_ENDED;
}

function remove(pod: Pod, reason: string, message: string, checks: Check[] = []): Plan<Kind<Pod>> {
  const options = { uid: pod.metadata.uid, graceSeconds: 0 };
  return {
    actions: [{ do: 'delete', kind: PodKind, key: keyOf(pod), options, checks, why: { reason, message } }],
  };
}
