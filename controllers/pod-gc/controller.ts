import { NodeKind } from '#api/kinds/node.ts';
import { PodKind } from '#api/kinds/pod.ts';
import { keyOf } from '#api/objects.ts';
import { isPodTerminal } from '#api/semantics/pod-status.ts';
import type { View } from '../framework/contract.ts';
import { defineController, wakeBy } from '../framework/define.ts';
import { planPodGc } from './plan.ts';

export const podGcController = defineController({
  name: 'pod-garbage-collector',
  for: PodKind,
  reads: [NodeKind],
  writes: [PodKind],
  wakes: [
    wakeBy(NodeKind, (node, view) => {
      const both = view as unknown as View<readonly [typeof NodeKind, typeof PodKind]>;
      const { name } = node.metadata;
      // Heartbeats are many and concern nobody; the end of a node concerns all its pods.
      if (both.get(NodeKind, name)) return [];
      return both
        .list(PodKind)
        .filter(({ spec }) => spec?.nodeName === name)
        .map(keyOf);
    }),
  ],
  plan(key, pod, view, now) {
    if (!pod) return { actions: [] };
    const node = pod.spec?.nodeName;
    const scene = {
      pod,
      hasNode: node !== undefined && view.get(NodeKind, node) !== undefined,
      seenAt: view.seenAt(PodKind, key) ?? now,
      podCount: () => view.list(PodKind).length,
      ended: () => view.list(PodKind).filter(isPodTerminal),
    };
    return planPodGc(scene, now);
  },
});
